import { RelayError } from '../errors';
import type { Message } from '../message';
import { messageBytes } from './message-bytes';
import type { FullPolicy, Spool, SpoolDrop, SpoolEntry } from './spool';

export interface MemorySpoolOptions {
  /** How many messages may wait. @default 10,000 */
  readonly maximumMessages?: number;
  /** What they may take, in bytes. @default 67,108,864 (64 MiB) */
  readonly maximumBytes?: number;
  /** What happens to a message that finds the spool full. @default 'block' */
  readonly whenFull?: FullPolicy;
}

/** Keeps messages in memory: what it holds is lost with the process, so `publish()` waits for the broker. */
export class MemorySpool implements Spool {
  readonly durable = false;
  readonly #maximumMessages: number;
  readonly #maximumBytes: number;
  readonly #whenFull: FullPolicy;
  /** By position, oldest first; a removed entry leaves a hole until the holes outnumber the entries. */
  #log: { readonly position: number; entry: SpoolEntry | undefined }[] = [];
  #messages = 0;
  readonly #waiting: (() => void)[] = [];
  readonly #listeners: ((drop: SpoolDrop) => void)[] = [];
  #position = 0;
  #bytes = 0;
  #closed = false;

  constructor(options: MemorySpoolOptions = {}) {
    const { maximumMessages = 10_000, maximumBytes = 64 * 1024 * 1024, whenFull = 'block' } = options;
    for (const [name, value] of Object.entries({ maximumMessages, maximumBytes })) {
      if (!(Number.isInteger(value) && value > 0)) {
        throw new TypeError(`MemorySpool: ${name} must be a whole number above 0, not ${value}.`);
      }
    }
    if (!['block', 'drop-oldest', 'drop-newest'].includes(whenFull)) {
      throw new TypeError(
        `MemorySpool: whenFull must be block, drop-oldest or drop-newest, not ${whenFull}.`,
      );
    }
    this.#maximumMessages = maximumMessages;
    this.#maximumBytes = maximumBytes;
    this.#whenFull = whenFull;
  }

  get messages(): number {
    return this.#messages;
  }

  get bytes(): number {
    return this.#bytes;
  }

  async open(): Promise<void> {
    this.#closed = false;
  }

  async append(message: Message, signal?: AbortSignal): Promise<SpoolEntry | undefined> {
    const bytes = messageBytes(message);
    if (bytes > this.#maximumBytes) {
      throw new RelayError(
        `spool: a message of ${bytes} bytes does not fit into a spool of ${this.#maximumBytes} bytes. Raise maximumBytes.`,
        { code: 'MESSAGE_TOO_LARGE', stage: 'spool' },
      );
    }
    while (!this.#hasRoomFor(bytes)) {
      if (this.#whenFull === 'drop-newest') {
        this.#drop(message);
        return undefined;
      }
      if (this.#whenFull === 'drop-oldest') {
        const oldest = this.#log.find(({ entry }) => entry)?.entry as SpoolEntry;
        this.#forget(oldest.position);
        this.#drop(oldest.message, oldest.position);
      } else {
        await this.#room(signal);
      }
    }
    this.#assertOpen();
    this.#position += 1;
    const entry = { position: this.#position, message, bytes };
    this.#log.push({ position: entry.position, entry });
    this.#messages += 1;
    this.#bytes += bytes;
    return entry;
  }

  async read(position: number, limit: number): Promise<readonly SpoolEntry[]> {
    const found: SpoolEntry[] = [];
    for (
      let index = this.#indexAfter(position);
      index < this.#log.length && found.length < limit;
      index += 1
    ) {
      const { entry } = this.#log[index]!;
      if (entry) found.push(entry);
    }
    return found;
  }

  async remove(position: number): Promise<void> {
    this.#forget(position);
    for (const wake of this.#waiting.splice(0)) wake();
  }

  onDrop(listener: (drop: SpoolDrop) => void): void {
    this.#listeners.push(listener);
  }

  async close(): Promise<void> {
    this.#closed = true;
    for (const wake of this.#waiting.splice(0)) wake();
  }

  #hasRoomFor(bytes: number): boolean {
    this.#assertOpen();
    return this.#messages < this.#maximumMessages && this.#bytes + bytes <= this.#maximumBytes;
  }

  /** Resolves when something has left; all that wait look again, oldest first. */
  #room(signal?: AbortSignal): Promise<void> {
    signal?.throwIfAborted();
    return new Promise((resolve, reject) => {
      const abort = () => reject(signal?.reason);
      signal?.addEventListener('abort', abort, { once: true });
      this.#waiting.push(() => {
        signal?.removeEventListener('abort', abort);
        resolve();
      });
    });
  }

  #forget(position: number): void {
    const place = this.#log[this.#indexAfter(position - 1)];
    if (place?.position !== position || !place.entry) return;
    this.#messages -= 1;
    this.#bytes -= place.entry.bytes;
    place.entry = undefined;
    if (this.#log.length > 64 && this.#messages * 2 < this.#log.length) {
      this.#log = this.#log.filter(({ entry }) => entry);
    }
  }

  /** The index of the first place behind `position`, by bisection. */
  #indexAfter(position: number): number {
    let low = 0;
    let high = this.#log.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (this.#log[middle]!.position <= position) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  #drop(message: Message, position?: number): void {
    for (const listener of this.#listeners) {
      listener({ message, reason: 'full', ...(position !== undefined && { position }) });
    }
  }

  #assertOpen(): void {
    if (this.#closed) throw new RelayError('spool: it is closed.', { code: 'CLOSED', stage: 'spool' });
  }
}

import { RelayError } from '../errors';
import type { FullPolicy } from './spool';

/** How much may wait, and what happens to what finds no room. */
export interface SpoolBounds {
  /** How many messages may wait. */
  readonly maximumMessages: number;
  /** What they may take, in bytes. */
  readonly maximumBytes: number;
  readonly whenFull: FullPolicy;
}

const POLICIES: readonly FullPolicy[] = ['block', 'drop-oldest', 'drop-newest'];

/** Keeps the account of a spool: who gets in, who waits, and what has to go. */
export class SpoolRoom {
  readonly #bounds: SpoolBounds;
  readonly #waiting: (() => void)[] = [];
  #messages = 0;
  #bytes = 0;
  #isClosed = false;

  constructor(bounds: SpoolBounds, owner: string) {
    const { maximumMessages, maximumBytes, whenFull } = bounds;
    for (const [name, value] of Object.entries({ maximumMessages, maximumBytes })) {
      if (!(Number.isInteger(value) && value > 0)) {
        throw new TypeError(`${owner}: ${name} must be a whole number above 0, not ${value}.`);
      }
    }
    if (!POLICIES.includes(whenFull)) {
      throw new TypeError(`${owner}: whenFull must be ${POLICIES.join(', ')}, not ${whenFull}.`);
    }
    this.#bounds = bounds;
  }

  get messages(): number {
    return this.#messages;
  }

  get bytes(): number {
    return this.#bytes;
  }

  open(): void {
    this.#isClosed = false;
  }

  /** Forgets the account, before what is in is counted anew. */
  clear(): void {
    this.#messages = 0;
    this.#bytes = 0;
  }

  /**
   * Takes room for a message; resolves with false where the policy drops it. With `drop-oldest`,
   * `evict()` removes the oldest (and gives its room back), or says false where there is none yet.
   * @throws {RelayError} `MESSAGE_TOO_LARGE` where it could never fit, `CLOSED`; the signal's reason.
   */
  async take(bytes: number, evict: () => boolean, signal?: AbortSignal): Promise<boolean> {
    const { maximumBytes, whenFull } = this.#bounds;
    if (bytes > maximumBytes) {
      throw new RelayError(
        `spool: a message of ${bytes} bytes does not fit into a spool of ${maximumBytes} bytes. Raise maximumBytes.`,
        { code: 'MESSAGE_TOO_LARGE', stage: 'spool' },
      );
    }
    while (!this.#fits(bytes)) {
      if (whenFull === 'drop-newest') return false;
      if (whenFull === 'block' || !evict()) await this.#change(signal);
    }
    this.add(bytes);
    return true;
  }

  /** Counts a message that is in already, whatever the bounds say. */
  add(bytes: number): void {
    this.#messages += 1;
    this.#bytes += bytes;
  }

  /** A message that took room is in its place: from now on it can be evicted. */
  placed(): void {
    if (this.#bounds.whenFull === 'drop-oldest') this.#wake();
  }

  /** A message has left. */
  give(bytes: number): void {
    this.#messages -= 1;
    this.#bytes -= bytes;
    this.#wake();
  }

  /** Nothing gets in any more; who waits is told. */
  close(): void {
    this.#isClosed = true;
    this.#wake();
  }

  #fits(bytes: number): boolean {
    if (this.#isClosed) throw new RelayError('spool: it is closed.', { code: 'CLOSED', stage: 'spool' });
    const { maximumMessages, maximumBytes } = this.#bounds;
    return this.#messages < maximumMessages && this.#bytes + bytes <= maximumBytes;
  }

  #wake(): void {
    for (const wake of this.#waiting.splice(0)) wake();
  }

  /** Resolves when something has left; all that wait look again, the longest waiting first. */
  #change(signal?: AbortSignal): Promise<void> {
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
}

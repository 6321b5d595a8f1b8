import type { Message } from '../message';
import { PassingMap } from '../passing-map';
import { messageBytes } from './message-bytes';
import { isSameMessage, markOf } from './message-mark';
import type { Spool, SpoolDrop, SpoolEntry, SpoolOrder } from './spool';
import { spoolClock } from './spool-clock';
import { SpoolLedger, type SpoolPolicy } from './spool-ledger';

/** How much a MemorySpool keeps, and for how long. */
export interface MemorySpoolOptions extends Partial<SpoolPolicy> {
  /** How many messages may wait. @default 10,000 */
  readonly maximumMessages?: number;
  /** What they may take, in bytes. @default 67,108,864 (64 MiB) */
  readonly maximumBytes?: number;
}

/** Keeps messages in memory: what it holds is lost with the process, so `publish()` waits for the broker. */
export class MemorySpool implements Spool {
  readonly durable = false;
  readonly #ledger: SpoolLedger;
  readonly #entries = new PassingMap<number, SpoolEntry>();
  #position = 0;

  constructor(options: MemorySpoolOptions = {}) {
    const policy = { maximumMessages: 10_000, maximumBytes: 64 * 1024 * 1024, ...options };
    this.#ledger = new SpoolLedger(policy, 'MemorySpool', {
      discard: ({ position }) => this.#take(position).message,
    });
  }

  /** What is read first. */
  get order(): SpoolOrder {
    return this.#ledger.order;
  }

  get messages(): number {
    return this.#ledger.messages;
  }

  get bytes(): number {
    return this.#ledger.bytes;
  }

  get oldestAgeSeconds(): number {
    return this.#ledger.oldestAgeSeconds;
  }

  /** Makes it ready, and empty. */
  async open(): Promise<void> {
    this.#entries.clear();
    this.#ledger.open();
  }

  async append(message: Message, signal?: AbortSignal): Promise<SpoolEntry | undefined> {
    const storedAt = spoolClock();
    const bytes = messageBytes(message);
    const { room } = this.#ledger;
    const taken = room.take(room.turn(), bytes, signal);
    if (!(taken === true || (await taken))) {
      this.#ledger.refuse(message);
      return undefined;
    }
    this.#position += 1;
    const position = this.#position;
    const expiresAt = this.#ledger.expiry(storedAt, message.expirySeconds);
    const { priority = 0 } = message;
    const times = expiresAt === undefined ? { storedAt } : { storedAt, expiresAt };
    const entry = { position, message, bytes, ...times };
    this.#entries.set(position, entry);
    this.#ledger.place({ position, bytes, mark: markOf(message), priority, ...times });
    return entry;
  }

  async read(limit: number, bytes?: number): Promise<readonly SpoolEntry[]> {
    return this.#ledger.next(limit, bytes).map((position) => this.#entries.get(position)!);
  }

  async get(position: number): Promise<SpoolEntry | undefined> {
    return this.#entries.get(position);
  }

  async find(message: Message): Promise<number | undefined> {
    const found = this.#ledger.find(markOf(message));
    const entry = found && this.#entries.get(found.position);
    return entry && isSameMessage(entry.message, message) ? entry.position : undefined;
  }

  rewind(): void {
    this.#ledger.rewind();
  }

  async remove(position: number): Promise<void> {
    this.#ledger.remove(position);
    this.#entries.delete(position);
  }

  setAside(position: number, _reason: string): Promise<void> {
    return this.remove(position);
  }

  onDrop(listener: (drop: SpoolDrop) => void): void {
    this.#ledger.onDrop(listener);
  }

  /** Lets go whoever waits for room or for a message. What is in it is lost with the object. */
  async close(): Promise<void> {
    this.#ledger.close();
  }

  #take(position: number): SpoolEntry {
    const entry = this.#entries.get(position)!;
    this.#entries.delete(position);
    return entry;
  }
}

import type { Message } from '../message';
import { messageBytes } from './message-bytes';
import type { Spool, SpoolDrop, SpoolEntry } from './spool';
import { SpoolIndex } from './spool-index';
import { type SpoolBounds, SpoolRoom } from './spool-room';

export interface MemorySpoolOptions extends Partial<SpoolBounds> {
  /** How many messages may wait. @default 10,000 */
  readonly maximumMessages?: number;
  /** What they may take, in bytes. @default 67,108,864 (64 MiB) */
  readonly maximumBytes?: number;
}

/** Keeps messages in memory: what it holds is lost with the process, so `publish()` waits for the broker. */
export class MemorySpool implements Spool {
  readonly durable = false;
  readonly #room: SpoolRoom;
  #index = new SpoolIndex<SpoolEntry>();
  readonly #listeners: ((drop: SpoolDrop) => void)[] = [];
  #position = 0;

  constructor(options: MemorySpoolOptions = {}) {
    const { maximumMessages = 10_000, maximumBytes = 64 * 1024 * 1024, whenFull = 'block' } = options;
    this.#room = new SpoolRoom({ maximumMessages, maximumBytes, whenFull }, 'MemorySpool', {
      evict: () => this.#evict(),
    });
  }

  get messages(): number {
    return this.#index.size;
  }

  get bytes(): number {
    return this.#room.bytes;
  }

  async open(): Promise<void> {
    this.#index = new SpoolIndex();
    this.#room.open();
  }

  async append(message: Message, signal?: AbortSignal): Promise<SpoolEntry | undefined> {
    const bytes = messageBytes(message);
    if (!(await this.#room.take(this.#room.turn(), bytes, signal))) {
      this.#drop({ message, reason: 'full' });
      return undefined;
    }
    this.#position += 1;
    const entry = { position: this.#position, message, bytes };
    this.#index.add(entry);
    this.#room.placed();
    return entry;
  }

  async read(position: number, limit: number, bytes?: number): Promise<readonly SpoolEntry[]> {
    return this.#index.after(position, limit, bytes);
  }

  async remove(position: number): Promise<void> {
    const entry = this.#index.remove(position);
    if (entry) this.#room.give(entry.bytes);
  }

  setAside(position: number, _reason: string): Promise<void> {
    return this.remove(position);
  }

  onDrop(listener: (drop: SpoolDrop) => void): void {
    this.#listeners.push(listener);
  }

  async close(): Promise<void> {
    this.#room.close();
  }

  #evict(): boolean {
    const { oldest } = this.#index;
    if (!oldest) return false;
    const { position, message, bytes } = oldest;
    this.#index.remove(position);
    this.#room.give(bytes);
    this.#drop({ message, position, reason: 'full' });
    return true;
  }

  #drop(drop: SpoolDrop): void {
    for (const listener of this.#listeners) listener(drop);
  }
}

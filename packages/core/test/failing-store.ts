import { MemoryStore } from '../src/sinks/memory-store';
import type { PutOptions, StoredObject } from '../src/sinks/store';
import { collect } from './collect';

/** A store in front of another that fails from a certain step on, as if its user had been killed there. */
export class FailingStore extends MemoryStore {
  readonly #inner: MemoryStore;
  #left = Number.POSITIVE_INFINITY;
  #isShuffling = false;

  constructor(inner: MemoryStore) {
    super();
    this.#inner = inner;
  }

  /** So many calls succeed yet; a call that fails does nothing. */
  failAfter(calls: number): void {
    this.#left = calls;
  }

  heal(): void {
    this.#left = Number.POSITIVE_INFINITY;
  }

  /** From now on calls overtake each other. */
  shuffle(): void {
    this.#isShuffling = true;
  }

  override async put(key: string, data: Uint8Array, options?: PutOptions): Promise<'created' | 'exists'> {
    await this.#step();
    return this.#inner.put(key, data, options);
  }

  override async get(key: string): Promise<StoredObject | undefined> {
    await this.#step();
    return this.#inner.get(key);
  }

  override async *list(prefix?: string): AsyncGenerator<{ key: string; bytes: number }> {
    for (const object of await collect(this.#inner.list(prefix))) {
      if (this.#isShuffling) await this.#step();
      yield object;
    }
  }

  override async delete(key: string): Promise<void> {
    await this.#step();
    return this.#inner.delete(key);
  }

  async #step(): Promise<void> {
    this.#left -= 1;
    if (this.#left < 0) throw new Error('killed');
    if (!this.#isShuffling) return;
    for (let turns = Math.floor(Math.random() * 4); turns > 0; turns -= 1) await new Promise(setImmediate);
  }
}

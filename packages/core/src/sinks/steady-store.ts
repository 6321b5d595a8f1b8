import { RelayError } from '../errors';
import { pause, retryDelayMs, retryOptions } from '../retry';
import type { PutOptions, Store, StoredObject } from './store';

const ATTEMPTS = 8;
const RETRY = retryOptions({});

/**
 * A store that tries again what fails in passing, about half a minute long. What it lists may come twice. For
 * those who have no message to leave with a broker meanwhile.
 */
export class SteadyStore implements Store {
  readonly #store: Store;
  readonly #signal: AbortSignal | undefined;

  constructor(store: Store, signal?: AbortSignal) {
    this.#store = store;
    this.#signal = signal;
  }

  get location() {
    return this.#store.location;
  }

  get supports() {
    return this.#store.supports;
  }

  open(): Promise<void> {
    return this.#steadily(() => this.#store.open());
  }

  put(key: string, data: Uint8Array, options?: PutOptions): Promise<'created' | 'exists'> {
    return this.#steadily(() => this.#store.put(key, data, options));
  }

  get(key: string): Promise<StoredObject | undefined> {
    return this.#steadily(() => this.#store.get(key));
  }

  async *list(prefix?: string): AsyncGenerator<{ key: string; bytes: number }> {
    for (let failures = 1; ; failures += 1) {
      try {
        for await (const object of this.#store.list(prefix)) yield object;
        return;
      } catch (error) {
        await this.#wait(error, failures);
      }
    }
  }

  delete(key: string): Promise<void> {
    return this.#steadily(() => this.#store.delete(key));
  }

  /** As `delete()`, but of every version; resolves with how many there were, as far as the store says. */
  erase(key: string): Promise<number> {
    return this.#steadily(async () => {
      if (this.#store.erase) return this.#store.erase(key);
      const isThere = (await this.#store.get(key)) !== undefined;
      await this.#store.delete(key);
      return isThere ? 1 : 0;
    });
  }

  async eraseEarlier(prefix: string): Promise<number> {
    return this.#steadily(async () => (await this.#store.eraseEarlier?.(prefix)) ?? 0);
  }

  versions(key: string): Promise<number> {
    return this.#steadily(async () => {
      if (this.#store.versions) return this.#store.versions(key);
      return (await this.#store.get(key)) === undefined ? 0 : 1;
    });
  }

  async close(): Promise<void> {}

  async #steadily<T>(work: () => Promise<T>): Promise<T> {
    for (let failures = 1; ; failures += 1) {
      this.#signal?.throwIfAborted();
      try {
        return await work();
      } catch (error) {
        await this.#wait(error, failures);
      }
    }
  }

  /** Throws what cannot be mended by waiting. */
  async #wait(error: unknown, failures: number): Promise<void> {
    this.#signal?.throwIfAborted();
    if (!(error instanceof RelayError && error.retryable) || failures === ATTEMPTS) throw error;
    await pause(retryDelayMs(failures, RETRY), [this.#signal]);
  }
}

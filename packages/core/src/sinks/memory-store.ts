import { assertKey } from './key';
import type { ObjectDetails, PutOptions, Store, StoredObject, StoreSupport } from './store';

/** Keeps objects in memory, for tests and demonstrations. What it holds outlives `close()`. */
export class MemoryStore implements Store {
  readonly location = 'memory';
  /** Everything that a store can do. */
  readonly supports: StoreSupport = { metadata: true, exclusive: true };
  readonly #objects = new Map<string, StoredObject>();

  async open(): Promise<void> {}

  async put(key: string, data: Uint8Array, options: PutOptions = {}): Promise<'created' | 'exists'> {
    assertKey(key);
    options.signal?.throwIfAborted();
    if (this.#objects.has(key)) return 'exists';
    this.#objects.set(key, { data: Uint8Array.from(data), ...detailsOf(options) });
    return 'created';
  }

  async get(key: string): Promise<StoredObject | undefined> {
    const object = this.#objects.get(assertKey(key));
    return object && { ...object, data: Uint8Array.from(object.data) };
  }

  async *list(prefix = ''): AsyncGenerator<{ key: string; bytes: number }> {
    for (const [key, { data }] of this.#objects) {
      if (key.startsWith(prefix)) yield { key, bytes: data.byteLength };
    }
  }

  async delete(key: string): Promise<void> {
    this.#objects.delete(assertKey(key));
  }

  async close(): Promise<void> {}

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }
}

function detailsOf({ contentType, metadata }: ObjectDetails): ObjectDetails {
  return {
    ...(contentType !== undefined && { contentType }),
    ...(metadata !== undefined && { metadata: { ...metadata } }),
  };
}

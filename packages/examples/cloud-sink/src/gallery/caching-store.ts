import type { PutOptions, Store, StoredObject } from 'edge-relay';

/** Bytes of files of the manifest that are kept: some hours of a day with 100,000 faces. */
const KEPT_BYTES = 16 * 1024 * 1024;

/** A store in front of another that remembers the files of the manifest it has read: they never change. */
export class CachingStore implements Store {
  readonly folders?: NonNullable<Store['folders']>;
  readonly #store: Store;
  readonly #files = new Map<string, StoredObject>();
  #bytes = 0;

  constructor(store: Store) {
    this.#store = store;
    if (store.folders) this.folders = store.folders.bind(store);
  }

  get location() {
    return this.#store.location;
  }

  get supports() {
    return this.#store.supports;
  }

  open(): Promise<void> {
    return this.#store.open();
  }

  put(key: string, data: Uint8Array, options?: PutOptions): Promise<'created' | 'exists'> {
    return this.#store.put(key, data, options);
  }

  async get(key: string): Promise<StoredObject | undefined> {
    const known = this.#files.get(key);
    if (known) return known;
    const object = await this.#store.get(key);
    if (object && key.startsWith('manifest/')) this.#keep(key, object);
    return object;
  }

  list(prefix?: string): AsyncIterable<{ readonly key: string; readonly bytes: number }> {
    return this.#store.list(prefix);
  }

  delete(key: string): Promise<void> {
    return this.#store.delete(key);
  }

  /** Something of it was deleted for good. */
  clear(): void {
    this.#files.clear();
    this.#bytes = 0;
  }

  async close(): Promise<void> {}

  #keep(key: string, object: StoredObject): void {
    this.#files.set(key, object);
    this.#bytes += object.data.byteLength;
    for (const [oldest, { data }] of this.#files) {
      if (this.#bytes <= KEPT_BYTES) break;
      this.#files.delete(oldest);
      this.#bytes -= data.byteLength;
    }
  }
}

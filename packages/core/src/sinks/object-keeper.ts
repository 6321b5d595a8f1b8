import { createHash } from 'node:crypto';
import { RelayError } from '../errors';
import { pause, type RetryOptions, retryDelayMs } from '../retry';
import type { Examination } from './examination';
import { CONFLICT_DIGITS, conflictKey } from './object-key';
import { objectMetadata } from './object-metadata';
import type { PutOptions, Store, StoredObject } from './store';
import { isTombstone } from './tombstone';

/** What became of bytes that were to be kept under a key. */
export interface Kept {
  /** Where they are. */
  readonly key: string;
  readonly outcome: 'stored' | 'duplicate' | 'conflict' | 'forgotten';
  /** Of the bytes, in hex: worked out when it is asked for. */
  readonly sha256: () => string;
}

export interface ObjectKeeperOptions {
  readonly retry: Required<RetryOptions>;
  /** When it is aborted, what fails is tried no more. */
  readonly closing: AbortSignal;
  readonly onRetry: (news: {
    readonly key?: string;
    readonly error: RelayError;
    readonly inMs: number;
  }) => void;
}

/** How often an object may vanish between our put, which found it there, and our look at it. */
const VANISHING_ATTEMPTS = 5;

/** Keeps objects in a store once and for all: tries again what fails in passing, and overwrites nothing. */
export class ObjectKeeper {
  readonly #store: Store;
  readonly #options: ObjectKeeperOptions;

  constructor(store: Store, options: ObjectKeeperOptions) {
    this.#store = store;
    this.#options = options;
  }

  open(): Promise<void> {
    return this.#persist(() => this.#store.open());
  }

  put(key: string, data: Uint8Array, options: PutOptions): Promise<'created' | 'exists'> {
    return this.#persist(() => this.#store.put(key, data, options), key, options.signal);
  }

  get(key: string, signal: AbortSignal | undefined): Promise<StoredObject | undefined> {
    return this.#persist(() => this.#store.get(key), key, signal);
  }

  /** Stores bytes under a key, or beside it where other bytes are there already. */
  async keep(
    key: string,
    data: Uint8Array,
    { provenance, contentType }: Examination,
    signal: AbortSignal | undefined,
  ): Promise<Kept> {
    const sha256 = hashOf(data);
    const details = {
      ...(contentType !== undefined && { contentType }),
      ...(this.#store.supports.metadata && { metadata: objectMetadata(provenance.attributes, sha256()) }),
      signal,
    };
    const outcome = await this.#keepUnder(key, data, details);
    if (outcome !== 'other') return { key, outcome, sha256 };
    const hash = sha256();
    // A few digits of a hash can be met on purpose: then the next ones are taken.
    for (let from = 0; from + CONFLICT_DIGITS <= hash.length; from += CONFLICT_DIGITS) {
      const apart = conflictKey(key, hash.slice(from));
      const kept = await this.#keepUnder(apart, data, details);
      if (kept !== 'other') return { key: apart, outcome: kept === 'stored' ? 'conflict' : kept, sha256 };
    }
    throw this.#unkeepable(conflictKey(key, hash), 'holds other bytes than its name says');
  }

  /** What became of bytes that were to be kept under this key and no other; `other`: other bytes are there. */
  async #keepUnder(
    key: string,
    data: Uint8Array,
    details: PutOptions,
  ): Promise<'stored' | 'duplicate' | 'forgotten' | 'other'> {
    for (let attempt = 0; attempt < VANISHING_ATTEMPTS; attempt += 1) {
      if ((await this.put(key, data, details)) === 'created') return 'stored';
      const existing = await this.get(key, details.signal);
      if (!existing) continue;
      if (Buffer.compare(existing.data, data) === 0) return 'duplicate';
      return isTombstone(existing.data) ? 'forgotten' : 'other';
    }
    throw this.#unkeepable(key, 'exists but does not give it out');
  }

  #unkeepable(key: string, why: string): RelayError {
    return new RelayError(
      `${this.#store.location} says that ${key} ${why}. Check what is there under that name.`,
      { code: 'STORE_FAILED', stage: 'sink' },
    );
  }

  /** Tries until it succeeds, fails for good, or has no more time. */
  async #persist<T>(work: () => Promise<T>, key?: string, signal?: AbortSignal): Promise<T> {
    const { retry, closing, onRetry } = this.#options;
    for (let failures = 1; ; failures += 1) {
      signal?.throwIfAborted();
      try {
        return await work();
      } catch (error) {
        signal?.throwIfAborted();
        if (!(error instanceof RelayError && error.retryable) || closing.aborted) throw error;
        const inMs = retryDelayMs(failures, retry);
        onRetry({ ...(key !== undefined && { key }), error, inMs });
        await pause(inMs, [signal, closing]);
      }
    }
  }
}

/** A small part of what a file takes, but a part: who keeps no account needs none. */
function hashOf(data: Uint8Array): () => string {
  let hash: string | undefined;
  return () => {
    hash ??= createHash('sha256').update(data).digest('hex');
    return hash;
  };
}

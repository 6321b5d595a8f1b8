import { createHash } from 'node:crypto';
import { EventEmitter } from 'eventemitter3';
import { RelayError } from '../errors';
import type { Message } from '../message';
import { pause, type RetryOptions, retryDelayMs, retryOptions } from '../retry';
import type { Writer } from '../stage';
import { type Accept, type AcceptByTopic, acceptance } from './accept';
import { firstArrival } from './arrival';
import { type Examination, type ExaminationOptions, examine } from './examination';
import type { FileStoreOptions } from './file-store-options';
import { DEFAULT_KEY_TEMPLATE, KeyTemplate } from './key-template';
import { conflictKey, keyFields, OWN_FOLDERS, rejectedKey, withExtension } from './object-key';
import { objectMetadata } from './object-metadata';
import { arrivalOf } from './provenance';
import type { S3StoreOptions } from './s3-options';
import type { SinkEvents, SinkStats, StoredReport } from './sink-events';
import type { Store } from './store';
import type { RemovedEvent } from './store-events';
import { isStore, storeAt } from './store-location';

export interface SinkOptions {
  /** How many messages it stores at once. @default 16 */
  readonly concurrency?: number;
  /**
   * The key of each object: text and the fields `{id}`, `{ext}`, `{camera}`, `{track}`, `{sequence}`,
   * `{captured:…}` and `{received:…}`, times as in strftime and in UTC. It ends with the whole id, so that no two
   * pictures share a key, and `.{ext}`. Received is when a message first arrived: a note of it, one more object
   * for each picture, keeps the key the same when the message is delivered again.
   * @default '{camera}/dt={captured:%Y-%m-%d}/hour={captured:%H}/{id}.{ext}'
   */
  readonly key?: string;
  /**
   * What is stored as what it is, for all or by topic filter, e.g. `{ hw3faces: 'image', 'logs/#': 'any' }`. All
   * else is kept under `rejected/`, the reason beside it: what is not accepted, is not an intact picture where
   * one is wanted, or is not what its content type says.
   * @default 'image'
   */
  readonly accept?: Accept | AcceptByTopic;
  /** Width times height of a picture at the most; a larger one is rejected undecoded. @default 25,000,000 */
  readonly maxPixels?: number;
  /** Seconds that a picture may take to decode, a whole number; one that takes longer is rejected. @default 10 */
  readonly maxDecodeSeconds?: number;
  /** How long to wait before trying again what the store could not do in passing. It tries for ever. */
  readonly retry?: RetryOptions;
  /** For `s3://` locations. */
  readonly s3?: S3StoreOptions;
  /** For folders: how long and how much to keep, what to leave free of the disk. */
  readonly files?: FileStoreOptions;
}

interface Kept {
  readonly key: string;
  readonly outcome: 'stored' | 'duplicate' | 'conflict';
}

/** How often an object may vanish between our put, which found it there, and our look at it. */
const VANISHING_ATTEMPTS = 5;

/**
 * Stores each message as one object, once, under a key of its camera, capture time and id. Nothing is
 * overwritten and nothing is lost: the same message again is a duplicate, other bytes under the same id
 * are kept under `conflicts/`, and what is not a picture is kept under `rejected/` with the reason.
 */
export class Sink extends EventEmitter<SinkEvents> implements Writer<Message> {
  readonly name = 'sink';
  readonly concurrency: number;
  readonly store: Store;
  readonly #ownsStore: boolean;
  readonly #key: KeyTemplate;
  readonly #examination: ExaminationOptions;
  readonly #retry: Required<RetryOptions>;
  readonly #closing = new AbortController();
  readonly #inFlight = new Set<Promise<unknown>>();
  readonly #stats = { stored: 0, duplicates: 0, conflicts: 0, rejected: 0, bytes: 0, retries: 0 };
  readonly #passNotice = (event: { readonly message: string }) => void this.emit('notice', event);
  readonly #passRemoval = (event: RemovedEvent) => void this.emit('removed', event);
  #opening: Promise<void> | undefined;
  #closed: Promise<void> | undefined;

  /**
   * @param location `s3://bucket/prefix`, the path or `file:` URL of a folder, or a store of your own,
   * which you close yourself.
   */
  constructor(location: string | Store, options: SinkOptions = {}) {
    super();
    const { concurrency = 16, accept = 'image', retry = {}, s3 = {}, files = {} } = options;
    const { maxPixels = 25_000_000, maxDecodeSeconds = 10 } = options;
    this.#key = new KeyTemplate(options.key ?? DEFAULT_KEY_TEMPLATE, OWN_FOLDERS);
    if (!(Number.isInteger(concurrency) && concurrency > 0)) {
      throw new TypeError(`concurrency must be a whole number above 0, not ${concurrency}.`);
    }
    if (!(maxPixels > 0)) throw new TypeError(`maxPixels must be a number above 0, not ${maxPixels}.`);
    if (!(Number.isInteger(maxDecodeSeconds) && maxDecodeSeconds > 0)) {
      throw new TypeError(`maxDecodeSeconds must be a whole number above 0, not ${maxDecodeSeconds}.`);
    }
    this.concurrency = concurrency;
    this.#examination = { accept: acceptance(accept), maxPixels, maxSeconds: maxDecodeSeconds };
    this.#retry = retryOptions(retry);
    this.#ownsStore = !isStore(location);
    this.store = isStore(location) ? location : storeAt(location, { connections: concurrency, ...s3 }, files);
    this.store.events?.on('notice', this.#passNotice).on('removed', this.#passRemoval);
  }

  get stats(): SinkStats {
    return { ...this.#stats };
  }

  /**
   * Opens the store; waits for one that cannot be reached yet (see `retry`), so that it may start later.
   * @throws {RelayError} `STORE_NOT_FOUND`, `STORE_DENIED` or `STORE_FAILED`.
   */
  open(): Promise<void> {
    if (this.#closed) return Promise.reject(closedError());
    this.#opening ??= this.#persist(() => this.store.open()).catch((error) => {
      this.#opening = undefined;
      throw error;
    });
    return this.#opening;
  }

  /**
   * Resolves once the message is durable. Tries again what fails in passing, until it succeeds, the
   * signal is aborted (its reason is thrown) or the sink is closed.
   * @throws {RelayError} `STORE_DENIED`, `STORE_NOT_FOUND`, `STORE_FAILED` or `CLOSED`.
   */
  write(
    message: Message,
    { signal }: { readonly signal?: AbortSignal | undefined } = {},
  ): Promise<StoredReport> {
    if (this.#closed) return Promise.reject(closedError());
    const work = this.#write(message, signal).finally(() => this.#inFlight.delete(work));
    this.#inFlight.add(work);
    return work;
  }

  /** Finishes what is in flight; what waits to be tried again gets one last try. Idempotent. */
  close(): Promise<void> {
    this.#closed ??= this.#close();
    return this.#closed;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  async #close(): Promise<void> {
    this.#closing.abort();
    await Promise.allSettled([this.#opening, ...this.#inFlight]);
    if (this.#ownsStore) await this.store.close();
    this.store.events?.off('notice', this.#passNotice).off('removed', this.#passRemoval);
  }

  async #write(message: Message, signal: AbortSignal | undefined): Promise<StoredReport> {
    signal?.throwIfAborted();
    await abortable(this.open(), signal);
    const found = await examine(message, this.#examination);
    const receivedAt = await this.#arrivalOf(message, found, signal);
    const { provenance } = found;
    const examination = provenance.isDatedByArrival
      ? { ...found, provenance: { ...provenance, capturedAt: receivedAt } }
      : found;
    if (examination.fault !== undefined) return this.#reject(message, examination, examination.fault, signal);
    const key = this.#key.keyOf(keyFields(examination.provenance, receivedAt, examination.extension));
    return this.#store(message, key, examination, signal);
  }

  /** When it arrived; where its key depends on that, when it arrived for the first time. */
  async #arrivalOf(
    message: Message,
    { provenance, fault }: Examination,
    signal: AbortSignal | undefined,
  ): Promise<number> {
    const arrivedAt = arrivalOf(message);
    const usesArrival = fault === undefined && this.#key.usesArrival;
    if (!(usesArrival || provenance.isDatedByArrival)) return arrivedAt;
    return firstArrival(provenance.id, arrivedAt, {
      put: (key, note) => this.#put(key, note, { contentType: 'application/json', signal }),
      get: async (key) => (await this.#persist(() => this.store.get(key), key, signal))?.data,
    });
  }

  async #store(
    message: Message,
    existingKey: string,
    examination: Examination,
    signal: AbortSignal | undefined,
  ): Promise<StoredReport> {
    const { id, capturedAt, readAt } = examination.provenance;
    const { key, outcome } = await this.#keep(existingKey, message.payload, examination, signal);
    if (outcome === 'duplicate') {
      this.#stats.duplicates += 1;
      this.emit('duplicate', { id, key });
    } else if (outcome === 'conflict') {
      this.#stats.conflicts += 1;
      this.emit('conflict', { id, key, existingKey });
    } else {
      this.#stats.stored += 1;
      const bytes = message.payload.byteLength;
      const times = { capturedAt, ...(readAt !== undefined && { readAt }), storedAt: Date.now() };
      this.emit('stored', { id, key, bytes, ...times });
    }
    return { key, outcome };
  }

  /** The bytes as they are, and beside them a JSON file that says why and where they came from. */
  async #reject(
    message: Message,
    examination: Examination,
    reason: string,
    signal: AbortSignal | undefined,
  ): Promise<StoredReport> {
    const { provenance } = examination;
    const { key } = await this.#keep(rejectedKey(provenance), message.payload, examination, signal);
    const note = {
      reason,
      topic: message.topic,
      receivedAt: new Date(arrivalOf(message)).toISOString(),
      properties: message.properties,
      contentType: message.contentType,
      bytes: message.payload.byteLength,
    };
    await this.#put(withExtension(key, 'json'), Buffer.from(`${JSON.stringify(note, undefined, 2)}\n`), {
      contentType: 'application/json',
      signal,
    });
    this.#stats.rejected += 1;
    this.emit('rejected', { id: provenance.id, key, reason });
    return { key, outcome: 'rejected' };
  }

  /** Stores bytes under a key, or beside it where other bytes are there already. */
  async #keep(
    key: string,
    data: Uint8Array,
    { provenance, contentType }: Examination,
    signal: AbortSignal | undefined,
  ): Promise<Kept> {
    const sha256 = createHash('sha256').update(data).digest('hex');
    const metadata = objectMetadata(provenance.attributes, sha256);
    const details = { ...(contentType !== undefined && { contentType }), metadata, signal };
    for (let attempt = 0; attempt < VANISHING_ATTEMPTS; attempt += 1) {
      if ((await this.#put(key, data, details)) === 'created') {
        this.#stats.bytes += data.byteLength;
        return { key, outcome: 'stored' };
      }
      const existing = await this.#persist(() => this.store.get(key), key, signal);
      if (!existing) continue;
      if (Buffer.compare(existing.data, data) === 0) return { key, outcome: 'duplicate' };
      // The key contains their hash: what is there already are these bytes.
      const apart = conflictKey(key, sha256);
      if ((await this.#put(apart, data, details)) === 'exists') return { key: apart, outcome: 'duplicate' };
      this.#stats.bytes += data.byteLength;
      return { key: apart, outcome: 'conflict' };
    }
    throw new RelayError(
      `${this.store.location} says that ${key} exists but does not give it out. ` +
        'Check what is there under that name.',
      { code: 'STORE_FAILED', stage: this.name },
    );
  }

  #put(key: string, data: Uint8Array, options: Parameters<Store['put']>[2] & object) {
    return this.#persist(() => this.store.put(key, data, options), key, options.signal);
  }

  /** Tries until it succeeds, fails for good, or has no more time. */
  async #persist<T>(work: () => Promise<T>, key?: string, signal?: AbortSignal): Promise<T> {
    for (let failures = 1; ; failures += 1) {
      signal?.throwIfAborted();
      try {
        return await work();
      } catch (error) {
        signal?.throwIfAborted();
        if (!(error instanceof RelayError && error.retryable) || this.#closing.signal.aborted) throw error;
        const inMs = retryDelayMs(failures, this.#retry);
        this.#stats.retries += 1;
        this.emit('retry', { ...(key !== undefined && { key }), error, inMs });
        await pause(inMs, [signal, this.#closing.signal]);
      }
    }
  }
}

function closedError(): RelayError {
  return new RelayError('The sink is closed. Make a new one.', { code: 'CLOSED', stage: 'sink' });
}

/** Settles as the promise does, but rejects with the signal's reason as soon as that is aborted. */
async function abortable<T>(promise: Promise<T>, signal: AbortSignal | undefined): Promise<T> {
  if (!signal) return promise;
  let abort = () => {};
  const aborted = new Promise<never>((_, reject) => {
    abort = () => reject(signal.reason);
    signal.addEventListener('abort', abort);
  });
  try {
    return await Promise.race([promise, aborted]);
  } finally {
    signal.removeEventListener('abort', abort);
  }
}

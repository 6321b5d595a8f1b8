import { EventEmitter } from 'eventemitter3';
import { messageOf, RelayError } from '../errors';
import { formatRanges, type GapRecord, gapIn } from '../gap-record';
import type { Message } from '../message';
import { isProbe } from '../probe';
import { type RetryOptions, retryOptions } from '../retry';
import type { Writer } from '../stage';
import { type Accept, type AcceptByTopic, acceptance } from './accept';
import { firstArrival } from './arrival';
import { type Examination, type ExaminationOptions, examine } from './examination';
import type { FileStoreOptions } from './file-store-options';
import { DEFAULT_KEY_TEMPLATE, KeyTemplate } from './key-template';
import { Limit } from './limit';
import { compactManifest } from './manifest-compaction';
import { type ManifestOptions, manifestSettings } from './manifest-options';
import { type ManifestRow, rowOf } from './manifest-row';
import { ManifestUpkeep } from './manifest-upkeep';
import { ManifestWriter } from './manifest-writer';
import { type Kept, ObjectKeeper } from './object-keeper';
import { gapKey, keyFields, noteKey, OWN_FOLDERS, probeKey, rejectedKey } from './object-key';
import { arrivalOf, type Provenance } from './provenance';
import { RemovalAccount } from './removal-account';
import type { S3StoreOptions } from './s3-options';
import type { SinkEvents, SinkStats, StoredReport } from './sink-events';
import type { Store } from './store';
import type { RemovedEvent } from './store-events';
import { isStore, storeAt, usualConcurrency } from './store-location';
import { withoutTombstone } from './tombstone';

/** Under which key a Sink stores what, what it accepts, and what it does when the store is away. */
export interface SinkOptions {
  /** How many messages it stores at once. @default 64 in a folder, else 16 */
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
  /**
   * Writes down what is stored, as JSON lines under `manifest/`, before a message counts as stored: what
   * `audit()`, `forget()` and DuckDB read. Costs one more object for about as many messages as are stored at
   * once, and one for each where they come one by one. See docs/archive.md. @default false
   */
  readonly manifest?: boolean | ManifestOptions;
  /**
   * How long to wait before trying again what the store could not do in passing. It tries for ever.
   * @default what RetryOptions says
   */
  readonly retry?: RetryOptions;
  /** For `s3://` locations. @default what S3StoreOptions says */
  readonly s3?: S3StoreOptions;
  /** For folders: how long and how much to keep, what to leave free of the disk. @default what FileStoreOptions says */
  readonly files?: FileStoreOptions;
}

/** A message whose object is durable, and which is not written down yet. */
interface Settled {
  readonly report: StoredReport;
  readonly row?: ManifestRow;
  /** Counts it and tells of it. */
  tell(): void;
}

/**
 * Stores each message as one object, once, under a key of its camera, capture time and id. Nothing is
 * overwritten and nothing is lost: the same message again is a duplicate, other bytes under the same id
 * are kept under `conflicts/`, and what is not a picture is kept under `rejected/` with the reason. With
 * `manifest` it keeps account of all of it.
 */
export class Sink extends EventEmitter<SinkEvents> implements Writer<Message> {
  readonly name = 'sink';
  /** How many messages it takes at once: those that it stores, and those that wait to be written down. */
  readonly concurrency: number;
  /** The store it writes to: the one that was given, or the one made from the location. */
  readonly store: Store;
  readonly #ownsStore: boolean;
  readonly #key: KeyTemplate;
  readonly #examination: ExaminationOptions;
  readonly #keeper: ObjectKeeper;
  readonly #closing = new AbortController();
  readonly #inFlight = new Set<Promise<unknown>>();
  readonly #limit: Limit;
  readonly #manifest: ManifestWriter | undefined;
  readonly #upkeep: ManifestUpkeep | undefined;
  readonly #removals: RemovalAccount | undefined;
  readonly #stats = {
    stored: 0,
    duplicates: 0,
    conflicts: 0,
    rejected: 0,
    gaps: 0,
    forgotten: 0,
    bytes: 0,
    retries: 0,
  };
  readonly #passNotice = (event: { readonly message: string }) => void this.emit('notice', event);
  readonly #passRemoval = (event: RemovedEvent) => {
    this.#removals?.add(event);
    this.emit('removed', event);
  };
  #opening: Promise<void> | undefined;
  #closed: Promise<void> | undefined;

  /**
   * @param location `s3://bucket/prefix`, the path or `file:` URL of a folder, or a store of your own,
   * which you close yourself.
   */
  constructor(location: string | Store, options: SinkOptions = {}) {
    super();
    const { accept = 'image', retry = {}, s3 = {}, files = {} } = options;
    const { concurrency = usualConcurrency(location) } = options;
    const { maxPixels = 25_000_000, maxDecodeSeconds = 10, manifest = false } = options;
    this.#key = new KeyTemplate(options.key ?? DEFAULT_KEY_TEMPLATE, OWN_FOLDERS);
    if (!(Number.isInteger(concurrency) && concurrency > 0)) {
      throw new TypeError(`concurrency must be a whole number above 0, not ${concurrency}.`);
    }
    if (!(maxPixels > 0)) throw new TypeError(`maxPixels must be a number above 0, not ${maxPixels}.`);
    if (!(Number.isInteger(maxDecodeSeconds) && maxDecodeSeconds > 0)) {
      throw new TypeError(`maxDecodeSeconds must be a whole number above 0, not ${maxDecodeSeconds}.`);
    }
    const settings = manifestSettings(manifest, concurrency);
    // While rows gather and a part is on its way, the next objects are being stored.
    this.concurrency = concurrency + (settings ? 3 * settings.rows : 0);
    this.#limit = new Limit(concurrency);
    this.#manifest = settings && new ManifestWriter((key, data) => this.#putPart(key, data), settings);
    this.#upkeep = settings && this.#upkeepOf(settings.upkeep);
    this.#removals = settings && this.#removalsOf();
    this.#examination = { accept: acceptance(accept), maxPixels, maxSeconds: maxDecodeSeconds };
    this.#ownsStore = !isStore(location);
    this.store = isStore(location) ? location : storeAt(location, { connections: concurrency, ...s3 }, files);
    this.#keeper = new ObjectKeeper(this.store, {
      retry: retryOptions(retry),
      closing: this.#closing.signal,
      onRetry: (news) => {
        this.#stats.retries += 1;
        this.emit('retry', news);
      },
    });
    this.store.events?.on('notice', this.#passNotice).on('removed', this.#passRemoval);
  }

  /** Counters since the sink was made, as they are now. */
  get stats(): SinkStats {
    return { ...this.#stats };
  }

  /**
   * Opens the store; waits for one that cannot be reached yet (see `retry`), so that it may start later.
   * @throws {RelayError} `STORE_NOT_FOUND`, `STORE_DENIED` or `STORE_FAILED`.
   */
  open(): Promise<void> {
    if (this.#closed) return Promise.reject(closedError());
    this.#opening ??= this.#keeper.open().then(
      () => this.#upkeep?.start(),
      (error) => {
        this.#opening = undefined;
        throw error;
      },
    );
    return this.#opening;
  }

  /**
   * Resolves once the message is durable (and written down in the manifest, where there is one). Tries again what
   * fails in passing, until it succeeds, the signal is aborted (its reason is thrown) or the sink is closed.
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
    await this.#upkeep?.stop();
    await this.#removals?.flush();
    if (this.#ownsStore) await this.store.close();
    // What was removed while it closed.
    await this.#removals?.flush();
    this.store.events?.off('notice', this.#passNotice).off('removed', this.#passRemoval);
  }

  async #write(message: Message, signal: AbortSignal | undefined): Promise<StoredReport> {
    const expected = this.#manifest?.expect();
    try {
      const { report, row, tell } = await this.#limit.run(() => this.#settle(message, signal));
      if (row) await expected?.add(row);
      tell();
      return report;
    } finally {
      expected?.leave();
    }
  }

  async #settle(message: Message, signal: AbortSignal | undefined): Promise<Settled> {
    signal?.throwIfAborted();
    await abortable(this.open(), signal);
    if (isProbe(message)) return this.#tryProbe(message, signal);
    const gap = gapIn(message);
    if (gap) return this.#keepGap(message, gap, signal);
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
      put: (key, note) => this.#keeper.put(key, note, { contentType: 'application/json', signal }),
      get: async (key) => (await this.#keeper.get(key, signal))?.data,
    });
  }

  async #store(
    message: Message,
    existingKey: string,
    examination: Examination,
    signal: AbortSignal | undefined,
  ): Promise<Settled> {
    const { id, capturedAt, readAt } = examination.provenance;
    const kept = await this.#keep(existingKey, message, examination, signal);
    const { key, outcome } = kept;
    if (outcome === 'forgotten') return this.#forgotten(id, key);
    const storedAt = Date.now();
    const tell = () => {
      if (outcome === 'duplicate') {
        this.#stats.duplicates += 1;
        this.emit('duplicate', { id, key });
      } else if (outcome === 'conflict') {
        this.#stats.conflicts += 1;
        this.emit('conflict', { id, key, existingKey });
      } else {
        this.#stats.stored += 1;
        const bytes = message.payload.byteLength;
        const times = { capturedAt, ...(readAt !== undefined && { readAt }), storedAt };
        this.emit('stored', { id, key, bytes, ...times, ...row });
      }
    };
    const isApart = key !== existingKey;
    const row = this.#rowOf(message, examination, kept, isApart ? 'conflict' : 'stored', { storedAt });
    return { report: { key, outcome }, ...row, tell };
  }

  /** The bytes as they are, and beside them a JSON file that says why and where they came from. */
  async #reject(
    message: Message,
    examination: Examination,
    reason: string,
    signal: AbortSignal | undefined,
  ): Promise<Settled> {
    const { id } = examination.provenance;
    const content = { ...message, id: message.id, payload: withoutTombstone(message.payload) };
    const kept = await this.#keep(rejectedKey(examination.provenance), content, examination, signal);
    const { key } = kept;
    if (kept.outcome === 'forgotten') return this.#forgotten(id, key);
    const note = {
      reason,
      topic: message.topic,
      receivedAt: new Date(arrivalOf(message)).toISOString(),
      properties: message.properties,
      contentType: message.contentType,
      bytes: message.payload.byteLength,
    };
    await this.#keeper.put(noteKey(key), Buffer.from(`${JSON.stringify(note, undefined, 2)}\n`), {
      contentType: 'application/json',
      signal,
    });
    const tell = () => {
      this.#stats.rejected += 1;
      this.emit('rejected', { id, key, reason });
    };
    const details = { reason, storedAt: Date.now() };
    const row = this.#rowOf(content, examination, kept, 'rejected', details);
    return { report: { key, outcome: 'rejected' }, ...row, tell };
  }

  /** Does to a probe what is done to a picture, and removes it: who sent it asks whether the way is open. */
  async #tryProbe(message: Message, signal: AbortSignal | undefined): Promise<Settled> {
    const key = probeKey(message.payload);
    await this.#keeper.put(key, message.payload, { contentType: 'application/json', signal });
    const found = await this.#keeper.get(key, signal);
    if (found && Buffer.compare(found.data, message.payload) !== 0) {
      const text = `${this.store.location} gives out other bytes under ${key} than were stored there. Look what stands between.`;
      throw new RelayError(text, { code: 'STORE_FAILED', stage: 'sink' });
    }
    try {
      await this.store.delete(key);
    } catch (error) {
      // The right to remove is more than a sink needs; what was asked is whether it can store.
      this.emit('notice', { message: `The probe ${key} is stored and stays: ${messageOf(error)}` });
    }
    return { report: { key, outcome: 'probe' }, tell: () => {} };
  }

  /** The record of what was dropped on the way is no picture, and no trouble either. */
  async #keepGap(message: Message, gap: GapRecord, signal: AbortSignal | undefined): Promise<Settled> {
    const { id, camera, boot, numbers, reason, time } = gap;
    const capturedAt = Date.parse(time);
    const isDatedByArrival = false;
    const provenance: Provenance = { id, camera, capturedAt, isDatedByArrival, attributes: { boot } };
    const examination = { provenance, extension: 'json', contentType: 'application/json' };
    const kept = await this.#keep(gapKey(provenance), message, examination, signal);
    if (kept.outcome === 'forgotten') return this.#forgotten(id, kept.key);
    const tell = () => {
      this.#stats.gaps += 1;
      this.emit('gap', { key: kept.key, gap });
    };
    const details = { reason, numbers: formatRanges(numbers), storedAt: Date.now() };
    const row = this.#rowOf(message, examination, kept, 'gap', details);
    return { report: { key: kept.key, outcome: 'gap' }, ...row, tell };
  }

  /** It was here, and was deleted for good: the message is acknowledged, and nothing is kept. */
  #forgotten(id: string, key: string): Settled {
    const tell = () => {
      this.#stats.forgotten += 1;
      this.emit('forgotten', { id, key });
    };
    return { report: { key, outcome: 'forgotten' }, tell };
  }

  /** The row also of a duplicate: whoever stored it may have been killed before it was written down. */
  #rowOf(
    message: Message,
    { provenance, contentType }: Examination,
    { key, sha256, outcome: kept }: Kept,
    outcome: ManifestRow['outcome'],
    details: { readonly storedAt: number; readonly numbers?: string; readonly reason?: string },
  ): { readonly row?: ManifestRow } {
    if (!this.#manifest || kept === 'forgotten') return {};
    const { payload, topic } = message;
    const receivedAt = 'receivedAt' in message ? arrivalOf(message) : undefined;
    const bytes = payload.byteLength;
    const parts = { outcome, key, bytes, sha256: sha256(), provenance, topic, type: contentType, receivedAt };
    return { row: rowOf({ ...parts, ...details }) };
  }

  async #putPart(key: string, data: Uint8Array): Promise<void> {
    await this.#keeper.put(key, data, { contentType: 'application/x-ndjson' });
    this.#upkeep?.partWritten();
  }

  #removalsOf(): RemovalAccount {
    const put = (key: string, data: Uint8Array) =>
      this.#keeper.put(key, data, { contentType: 'application/x-ndjson' });
    return new RemovalAccount(put, (error) => {
      const message = `What was removed from ${this.store.location} could not be written down (${messageOf(error)}): an audit will take it for lost.`;
      this.emit('notice', { message });
    });
  }

  #upkeepOf(options: ConstructorParameters<typeof ManifestUpkeep>[1]): ManifestUpkeep {
    return new ManifestUpkeep((signal) => compactManifest(this.store, { signal }), options, {
      done: (report) => {
        if (report.parts > 0) this.emit('compacted', report);
      },
      failed: (error) => this.emit('uncompacted', { error }),
    });
  }

  async #keep(
    key: string,
    { payload }: Message,
    examination: Examination,
    signal: AbortSignal | undefined,
  ): Promise<Kept> {
    const kept = await this.#keeper.keep(key, payload, examination, signal);
    if (kept.outcome === 'stored' || kept.outcome === 'conflict') this.#stats.bytes += payload.byteLength;
    return kept;
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

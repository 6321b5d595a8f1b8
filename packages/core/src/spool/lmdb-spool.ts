import { mkdir, readFile, rename, stat, writeFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import type { Database, RootDatabase } from 'lmdb';
import { messageOf, RelayError } from '../errors';
import type { Message } from '../message';
import { assertDatabase, setAside } from './lmdb-file';
import { messageBytes } from './message-bytes';
import { decodeMessage, encodeMessage } from './message-codec';
import type { Spool, SpoolDrop, SpoolEntry } from './spool';
import { type Indexed, SpoolIndex } from './spool-index';
import { SpoolLock } from './spool-lock';
import { type SpoolBounds, SpoolRoom } from './spool-room';

export interface LmdbSpoolOptions extends Partial<SpoolBounds> {
  /** How many messages may wait; each takes about 100 bytes of memory besides. @default 1,000,000 */
  readonly maximumMessages?: number;
  /** What they may take, in bytes. @default 1,073,741,824 (1 GiB) */
  readonly maximumBytes?: number;
}

const VERSION = 1;

/**
 * Keeps messages on disk, in an LMDB database: what `append()` has resolved for is safe from a killed
 * process and from a power cut. Messages that arrive together share one flush. One process a folder.
 */
export class LmdbSpool implements Spool {
  readonly durable = true;
  readonly #folder: string;
  readonly #room: SpoolRoom;
  readonly #lock: SpoolLock;
  readonly #listeners: ((drop: SpoolDrop) => void)[] = [];
  #index = new SpoolIndex<Indexed>();
  #root: RootDatabase<Buffer, number> | undefined;
  #messages: Database<Buffer, number> | undefined;
  /** What each message takes, so that opening need not read them all. */
  #sizes: Database<Buffer, number> | undefined;
  #opening: Promise<void> | undefined;
  #position = 0;

  /** @param folder made where it is missing, when the spool is opened. */
  constructor(folder: string, options: LmdbSpoolOptions = {}) {
    if (typeof folder !== 'string' || folder === '') {
      throw new TypeError(`LmdbSpool: folder must be the path of a folder, not ${JSON.stringify(folder)}.`);
    }
    const { maximumMessages = 1_000_000, maximumBytes = 1024 ** 3, whenFull = 'block' } = options;
    this.#room = new SpoolRoom({ maximumMessages, maximumBytes, whenFull }, 'LmdbSpool');
    this.#folder = resolve(folder);
    this.#lock = new SpoolLock(this.#folder);
  }

  get messages(): number {
    return this.#index.size;
  }

  get bytes(): number {
    return this.#room.bytes;
  }

  /**
   * @throws {RelayError} `SPOOL_IN_USE`, `SPOOL_DAMAGED` (the damaged file is set aside), or `SPOOL_FAILED`
   * for one of another version or a folder that cannot be written to.
   */
  open(): Promise<void> {
    this.#opening ??= this.#open().catch(async (error) => {
      this.#opening = undefined;
      await this.#lock.release();
      throw this.#asError(error);
    });
    return this.#opening;
  }

  async append(message: Message, signal?: AbortSignal): Promise<SpoolEntry | undefined> {
    const bytes = messageBytes(message);
    if (!(await this.#room.take(bytes, () => this.#evict(), signal))) {
      this.#drop({ message, reason: 'full' });
      return undefined;
    }
    this.#position += 1;
    const position = this.#position;
    try {
      await this.#commit(() => [
        this.#sizes!.put(position, sizeRecord(bytes)),
        this.#messages!.put(position, encodeMessage(message)),
      ]);
    } catch (error) {
      this.#room.give(bytes);
      throw this.#asError(error);
    }
    this.#index.add({ position, bytes });
    this.#room.placed();
    return { position, message, bytes };
  }

  async read(position: number, limit: number): Promise<readonly SpoolEntry[]> {
    const entries: SpoolEntry[] = [];
    for (const { position: at, bytes } of this.#index.after(position, limit)) {
      const stored = this.#messages!.getBinary(at);
      if (!stored) throw this.#asError(new Error(`message ${at} is not where it was put`));
      entries.push({ position: at, message: decodeMessage(stored), bytes });
    }
    return entries;
  }

  /** Not flushed by itself: a message that was removed just before a power cut is sent once more. */
  async remove(position: number): Promise<void> {
    const removed = this.#index.remove(position);
    if (!removed) return;
    this.#room.give(removed.bytes);
    try {
      await Promise.all([this.#sizes!.remove(position), this.#messages!.remove(position)].map(handled));
    } catch (error) {
      throw this.#asError(error);
    }
  }

  onDrop(listener: (drop: SpoolDrop) => void): void {
    this.#listeners.push(listener);
  }

  /** What is in stays for the next `open()`. */
  async close(): Promise<void> {
    await this.#opening?.catch(() => {});
    this.#opening = undefined;
    this.#room.close();
    const root = this.#root;
    this.#root = undefined;
    if (root) await root.flushed.then(() => root.close());
    await this.#lock.release();
  }

  async #open(): Promise<void> {
    await mkdir(this.#folder, { recursive: true });
    await this.#lock.acquire();
    await this.#assertVersion();
    const path = join(this.#folder, 'messages');
    await assertDatabase(path);
    const { open } = await import('lmdb');
    const root = open<Buffer, number>({ path, maxDbs: 2, encoding: 'binary' });
    this.#root = root;
    const { lastPageNumber, pageSize } = root.getStats() as { lastPageNumber: number; pageSize: number };
    const { size } = await stat(join(path, 'data.mdb'));
    if ((lastPageNumber + 1) * pageSize > size) {
      await root.close();
      throw await setAside(path, `it is ${size} bytes long and should be ${(lastPageNumber + 1) * pageSize}`);
    }
    this.#sizes = root.openDB({ name: 'sizes', encoding: 'binary' });
    this.#messages = root.openDB({ name: 'messages', encoding: 'binary' });
    this.#room.open();
    this.#load();
  }

  #load(): void {
    const index = new SpoolIndex<Indexed>();
    this.#room.clear();
    for (const { key, value } of this.#sizes!.getRange()) {
      const bytes = value.readDoubleLE();
      index.add({ position: key, bytes });
      this.#room.add(bytes);
      this.#position = key;
    }
    this.#index = index;
  }

  async #assertVersion(): Promise<void> {
    const path = join(this.#folder, 'spool.json');
    const text = await readFile(path, 'utf8').catch((error) => {
      if (error.code === 'ENOENT') return undefined;
      throw error;
    });
    if (text === undefined) {
      await writeFile(`${path}.new`, JSON.stringify({ version: VERSION }));
      await rename(`${path}.new`, path);
      return;
    }
    let version: unknown;
    try {
      version = JSON.parse(text).version;
    } catch {
      version = text;
    }
    if (version === VERSION) return;
    throw new RelayError(
      `spool: ${this.#folder} was made by another version of edge-relay (${JSON.stringify(version)}, this one knows ${VERSION}). Empty it with that version, or take another folder.`,
      { code: 'SPOOL_FAILED', stage: 'spool' },
    );
  }

  /** Resolves when what `write` puts is on the disk; what is put in the same turn shares the flush. */
  async #commit(write: () => Promise<boolean>[]): Promise<void> {
    const root = this.#root;
    if (!root) throw new RelayError('spool: it is closed.', { code: 'CLOSED', stage: 'spool' });
    await Promise.all(write().map(handled));
    await handled(root.flushed);
  }

  #evict(): boolean {
    const { oldest } = this.#index;
    if (!oldest) return false;
    const stored = this.#messages!.getBinary(oldest.position);
    this.remove(oldest.position).catch(() => {});
    if (stored) this.#drop({ message: decodeMessage(stored), position: oldest.position, reason: 'full' });
    return true;
  }

  #drop(drop: SpoolDrop): void {
    for (const listener of this.#listeners) listener(drop);
  }

  #asError(error: unknown): RelayError {
    if (error instanceof RelayError) return error;
    return new RelayError(
      `spool: ${this.#folder}: ${messageOf(error)}. Is the disk full, or the folder not writable?`,
      { code: 'SPOOL_FAILED', stage: 'spool', retryable: true, cause: error },
    );
  }
}

function sizeRecord(bytes: number): Buffer {
  const record = Buffer.alloc(8);
  record.writeDoubleLE(bytes);
  return record;
}

/** LMDB tells of a failed commit twice, the second time by a promise that hangs on the error: both are heard. */
async function handled<T>(promise: Promise<T>): Promise<T> {
  try {
    return await promise;
  } catch (error) {
    const commitError = (error as { commitError?: Promise<unknown> }).commitError;
    throw (await Promise.resolve(commitError).catch((cause: unknown) => cause)) ?? error;
  }
}

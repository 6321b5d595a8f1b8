import { mkdir, readFile, rename, stat, writeFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import type { Database, RootDatabase } from 'lmdb';
import { messageOf, RelayError } from '../errors';
import type { Message } from '../message';
import { assertDatabase, setAside } from './lmdb-file';
import { messageBytes } from './message-bytes';
import { decodeMessage, encodeMessage } from './message-codec';
import type { SetAside, Spool, SpoolDrop, SpoolEntry } from './spool';
import { type Indexed, SpoolIndex } from './spool-index';
import { SpoolLock } from './spool-lock';
import { type SpoolBounds, SpoolRoom } from './spool-room';

export interface LmdbSpoolOptions extends Partial<SpoolBounds> {
  /** How many messages may wait; each takes about 100 bytes of memory besides. @default 1,000,000 */
  readonly maximumMessages?: number;
  /** What they may take, in bytes. @default 1,073,741,824 (1 GiB) */
  readonly maximumBytes?: number;
}

interface SetAsideNotes {
  readonly reason: string;
  readonly at: number;
}

const VERSION = 1;
const MAXIMUM_SET_ASIDE = 1_000;
/** The property that a message set aside carries on disk; no name in MQTT can contain a NUL. */
const NOTES = '\0notes';

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
  #setAside: Database<Buffer, number> | undefined;
  #opening: Promise<void> | undefined;
  /** Settles when every message appended so far is in the index, or has failed. */
  #visible: Promise<void> = Promise.resolve();
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
    const committed = this.#commit(() => [
      this.#sizes!.put(position, sizeRecord(bytes)),
      this.#messages!.put(position, encodeMessage(message)),
    ]);
    // Flushes may end in another order than they began; who reads by position must see no gap.
    const earlier = this.#visible;
    const visible = Promise.allSettled([committed, earlier]).then(([own]) => {
      if (own.status === 'rejected') throw own.reason;
      this.#index.add({ position, bytes });
    });
    this.#visible = visible.catch(() => {});
    try {
      await visible;
    } catch (error) {
      this.#room.give(bytes);
      throw this.#asError(error);
    }
    this.#room.placed(() => this.#evict());
    return { position, message, bytes };
  }

  async read(position: number, limit: number, bytes?: number): Promise<readonly SpoolEntry[]> {
    return this.#index.after(position, limit, bytes).map((found) => ({
      ...found,
      message: this.#messageAt(found.position),
    }));
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

  /** Keeps the message apart, with the reason; see `listSetAside()`. At most 1,000 are kept, the newest. */
  async setAside(position: number, reason: string): Promise<void> {
    const message = this.#messageAt(position);
    const notes: SetAsideNotes = { reason, at: Date.now() };
    const note = { ...message, properties: { ...message.properties, [NOTES]: JSON.stringify(notes) } };
    const surplus = [...this.#setAside!.getKeys()].slice(0, -(MAXIMUM_SET_ASIDE - 1));
    try {
      await this.#commit(() => [
        this.#setAside!.put(position, encodeMessage(note)),
        ...(surplus.length > 0 && this.#setAside!.getCount() >= MAXIMUM_SET_ASIDE
          ? surplus.map((old) => this.#setAside!.remove(old))
          : []),
      ]);
    } catch (error) {
      throw this.#asError(error);
    }
    await this.remove(position);
  }

  /** The messages that could never be sent, oldest first. */
  async listSetAside(): Promise<readonly SetAside[]> {
    await this.open();
    return [...this.#setAside!.getRange()].map(({ key, value }) => {
      const { properties, ...rest } = decodeMessage(value);
      const { [NOTES]: notes, ...others } = properties;
      return { position: key, message: { ...rest, properties: others }, ...JSON.parse(String(notes)) };
    });
  }

  /** Removes one that was set aside, for good. */
  async discardSetAside(position: number): Promise<void> {
    await this.open();
    await this.#commit(() => [this.#setAside!.remove(position)]);
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
    const root = open<Buffer, number>({ path, maxDbs: 3, encoding: 'binary' });
    this.#root = root;
    const { lastPageNumber, pageSize } = root.getStats() as { lastPageNumber: number; pageSize: number };
    const { size } = await stat(join(path, 'data.mdb'));
    if ((lastPageNumber + 1) * pageSize > size) {
      await root.close();
      throw await setAside(path, `it is ${size} bytes long and should be ${(lastPageNumber + 1) * pageSize}`);
    }
    this.#sizes = root.openDB({ name: 'sizes', encoding: 'binary' });
    this.#messages = root.openDB({ name: 'messages', encoding: 'binary' });
    this.#setAside = root.openDB({ name: 'set-aside', encoding: 'binary' });
    this.#load();
  }

  #load(): void {
    this.#index = new SpoolIndex();
    this.#room.open();
    for (const { key, value } of this.#sizes!.getRange()) {
      const bytes = value.readDoubleLE();
      this.#index.add({ position: key, bytes });
      this.#room.add(bytes);
      this.#position = Math.max(this.#position, key);
    }
    for (const key of this.#setAside!.getKeys()) this.#position = Math.max(this.#position, key);
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

  #messageAt(position: number): Message {
    const stored = this.#messages!.getBinary(position);
    if (!stored) throw this.#asError(new Error(`message ${position} is not where it was put`));
    return decodeMessage(stored);
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

import { mkdir } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import type { Database } from 'lmdb';
import { messageOf, RelayError } from '../errors';
import type { Message } from '../message';
import { DiskSpace } from './lmdb-disk-space';
import { openDatabase } from './lmdb-file';
import { DiskFullError, GroupCommit } from './lmdb-group-commit';
import { messageBytes } from './message-bytes';
import { decodeMessage, encodeMessage } from './message-codec';
import type { SetAside, Spool, SpoolDrop, SpoolEntry } from './spool';
import { type Indexed, SpoolIndex } from './spool-index';
import { SpoolLock } from './spool-lock';
import { type SpoolBounds, SpoolRoom } from './spool-room';
import { assertVersion } from './spool-version';

export interface LmdbSpoolOptions extends Partial<SpoolBounds> {
  /** How many messages may wait; each takes about 100 bytes of memory besides. @default 1,000,000 */
  readonly maximumMessages?: number;
  /** What they may take, in bytes. @default 1,073,741,824 (1 GiB) */
  readonly maximumBytes?: number;
  /**
   * What it leaves free on the disk for others, in bytes, and never less than 1 MiB; beyond that it counts
   * as full. What it has taken of the disk once, it keeps and uses again. @default 104,857,600 (100 MiB)
   */
  readonly freeDiskBytes?: number;
}

interface SetAsideNotes {
  readonly reason: string;
  readonly at: number;
}

/** How often it looks at the disk, at the most. */
const DISK_LOOK_MS = 500;
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
  readonly #freeDiskBytes: number;
  #disk: DiskSpace | undefined;
  #largest = Number.POSITIVE_INFINITY;
  #lookedAt = Number.NEGATIVE_INFINITY;
  #commits: GroupCommit | undefined;
  #messages: Database<Buffer, number> | undefined;
  /** What each message takes, so that opening need not read them all. */
  #sizes: Database<Buffer, number> | undefined;
  #setAside: Database<Buffer, number> | undefined;
  #opening: Promise<void> | undefined;
  #position = 0;

  /** @param folder made where it is missing, when the spool is opened. */
  constructor(folder: string, options: LmdbSpoolOptions = {}) {
    if (typeof folder !== 'string' || folder === '') {
      throw new TypeError(`LmdbSpool: folder must be the path of a folder, not ${JSON.stringify(folder)}.`);
    }
    const { maximumMessages = 1_000_000, maximumBytes = 1024 ** 3, whenFull = 'block' } = options;
    const { freeDiskBytes = 100 * 1024 * 1024 } = options;
    if (!(Number.isInteger(freeDiskBytes) && freeDiskBytes >= 0)) {
      throw new TypeError(`LmdbSpool: freeDiskBytes must be a whole number from 0, not ${freeDiskBytes}.`);
    }
    this.#room = new SpoolRoom({ maximumMessages, maximumBytes, whenFull }, 'LmdbSpool', {
      evict: () => this.#evict(),
      lookAgain: () => this.#lookAtDisk(),
    });
    this.#folder = resolve(folder);
    this.#freeDiskBytes = freeDiskBytes;
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
    const turn = this.#room.turn();
    if (performance.now() - this.#lookedAt > DISK_LOOK_MS) this.#lookAtDisk();
    while (await this.#room.take(turn, bytes, signal)) {
      try {
        return await this.#put(message, bytes);
      } catch (error) {
        this.#room.give(bytes);
        if (!(error instanceof DiskFullError)) throw this.#asError(error);
        if (this.#room.whenFull === 'drop-newest') break;
      }
    }
    this.#drop({ message, reason: 'full' });
    return undefined;
  }

  async read(position: number, limit: number, bytes?: number): Promise<readonly SpoolEntry[]> {
    return this.#index.after(position, limit, bytes).map((found) => ({
      ...found,
      message: this.#messageAt(found.position),
    }));
  }

  /** Not flushed by itself: a message that was removed just before a power cut is sent once more. */
  remove(position: number): Promise<void> {
    return this.#remove(position);
  }

  /** Keeps the message apart, with the reason; see `listSetAside()`. At most 1,000 are kept, the newest. */
  async setAside(position: number, reason: string): Promise<void> {
    const message = this.#messageAt(position);
    const notes: SetAsideNotes = { reason, at: Date.now() };
    const note = { ...message, properties: { ...message.properties, [NOTES]: JSON.stringify(notes) } };
    const record = encodeMessage(note);
    const kept = [...this.#setAside!.getKeys()];
    const surplus = kept.slice(0, Math.max(0, kept.length + 1 - MAXIMUM_SET_ASIDE));
    await this.#remove(position, () => {
      this.#setAside!.put(position, record);
      for (const old of surplus) this.#setAside!.remove(old);
    });
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
    await this.#written.remove(() => this.#setAside!.remove(position));
  }

  onDrop(listener: (drop: SpoolDrop) => void): void {
    this.#listeners.push(listener);
  }

  /** What is in stays for the next `open()`. */
  async close(): Promise<void> {
    await this.#opening?.catch(() => {});
    this.#opening = undefined;
    this.#room.close();
    const commits = this.#commits;
    this.#commits = undefined;
    await commits?.close();
    await this.#lock.release();
  }

  async #open(): Promise<void> {
    await mkdir(this.#folder, { recursive: true });
    await this.#lock.acquire();
    await assertVersion(this.#folder);
    const path = join(this.#folder, 'messages');
    const root = await openDatabase(path, 3);
    this.#sizes = root.openDB({ name: 'sizes', encoding: 'binary' });
    this.#messages = root.openDB({ name: 'messages', encoding: 'binary' });
    this.#setAside = root.openDB({ name: 'set-aside', encoding: 'binary' });
    this.#load();
    this.#disk = new DiskSpace({
      folder: path,
      root,
      databases: [this.#sizes, this.#messages, this.#setAside],
      reserveBytes: this.#freeDiskBytes,
    });
    this.#commits = new GroupCommit(root, {
      room: () => this.#lookAtDisk(),
      full: () => this.#room.limit(this.#index.bytes, this.#largest),
    });
    await this.#lookAtDisk();
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

  async #put(message: Message, bytes: number): Promise<SpoolEntry> {
    let position = 0;
    const record = encodeMessage(message);
    await this.#written.write(record.byteLength, () => {
      this.#position += 1;
      position = this.#position;
      this.#sizes!.put(position, sizeRecord(bytes));
      this.#messages!.put(position, record);
    });
    this.#index.add({ position, bytes });
    this.#room.placed();
    return { position, message, bytes };
  }

  /** Takes a message out, and whatever else there is to do in the same transaction. */
  async #remove(position: number, also?: () => void): Promise<void> {
    const removed = this.#index.remove(position);
    if (!removed) return;
    this.#room.give(removed.bytes);
    try {
      await this.#written.remove(() => {
        this.#sizes!.remove(position);
        this.#messages!.remove(position);
        also?.();
      });
    } catch (error) {
      throw this.#asError(error);
    }
  }

  get #written(): GroupCommit {
    if (this.#commits) return this.#commits;
    throw new RelayError('spool: it is closed.', { code: 'CLOSED', stage: 'spool' });
  }

  /** Lets in as much as the disk still takes; resolves with how much that is, in bytes. */
  async #lookAtDisk(): Promise<number> {
    this.#lookedAt = performance.now();
    const { bytes, largest } = await this.#disk!.room();
    this.#largest = largest;
    this.#room.limit(this.#index.bytes + bytes, largest);
    return bytes;
  }

  #messageAt(position: number): Message {
    const stored = this.#messages!.getBinary(position);
    if (!stored) throw this.#asError(new Error(`message ${position} is not where it was put`));
    return decodeMessage(stored);
  }

  #evict(): boolean {
    const { oldest } = this.#index;
    if (!oldest) return false;
    const message = this.#messageAt(oldest.position);
    this.remove(oldest.position).catch(() => {});
    this.#drop({ message, position: oldest.position, reason: 'full' });
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

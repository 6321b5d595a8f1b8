import { constants } from 'node:fs';
import { access, mkdir, readdir, readFile, stat, unlink } from 'node:fs/promises';
import { uptime } from 'node:os';
import { dirname, extname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { EventEmitter } from 'eventemitter3';
import { apart } from '../apart';
import { messageOf } from '../errors';
import { bootId } from '../identity';
import { DiskRoom } from './disk-room';
import { asStoreError, codeOf } from './file-errors';
import { findPlacement, PLACEMENT_NOTICES, type Placement, placeFile, remove } from './file-placement';
import { FileRetention } from './file-retention';
import { type FileStoreOptions, type FileStoreSettings, fileStoreSettings } from './file-store-options';
import { filesIn, isAbsence } from './file-system';
import { FolderSync } from './folder-sync';
import { assertKey } from './key';
import type { PutOptions, Store, StoredObject, StoreSupport } from './store';
import type { StoreEvents } from './store-events';
import { Turns } from './turns';

const INCOMING = '.incoming';
const HOUR_MS = 3_600_000;
const REMEMBERED_FOLDERS = 1000;
const LONGEST_SWEEP_INTERVAL_MS = 600_000;

const CONTENT_TYPES: Readonly<Record<string, string>> = {
  '.jpg': 'image/jpeg',
  '.json': 'application/json',
  '.png': 'image/png',
  '.txt': 'text/plain',
  '.webp': 'image/webp',
};

let counter = 0;

/**
 * Keeps each object as a plain file of a folder. A file gets its name once it is complete and on the disk, by
 * `link()`: nobody ever sees a part, and an existing name is refused by the file system itself, also between
 * processes. Where there are no hard links it does what it can, and says so (see `Placement`). There is no place
 * for metadata: the content type comes from the name's extension.
 */
export class FileStore implements Store {
  readonly location: string;
  readonly events = new EventEmitter<StoreEvents>();
  readonly #settings: FileStoreSettings;
  readonly #incoming: string;
  /** Folders known to be there and on the disk. */
  readonly #folders = new Map<string, Promise<void>>();
  readonly #turns = new Turns();
  readonly #folderSync = new FolderSync();
  readonly #retention: FileRetention | undefined;
  readonly #room: DiskRoom;
  #placement: Placement | undefined;
  #opened: Promise<void> | undefined;
  #sweeper: NodeJS.Timeout | undefined;
  readonly #said = new Set<string>();

  /** @param location a folder, as a path or a `file:` URL; `open()` makes it where it is missing. */
  constructor(location: string, options: FileStoreOptions = {}) {
    if (typeof location !== 'string' || location === '') {
      throw new TypeError(`location must be the path of a folder, not ${JSON.stringify(location)}.`);
    }
    this.location = resolve(location.startsWith('file:') ? fileURLToPath(location) : location);
    this.#incoming = join(this.location, INCOMING);
    this.#settings = fileStoreSettings(options);
    const { freeDiskBytes, whenFull } = this.#settings;
    const retention = this.#retentionOf(this.#settings);
    this.#retention = retention;
    this.#room = new DiskRoom({
      folder: this.location,
      freeDiskBytes,
      remove: whenFull === 'wait' ? undefined : (bytes) => retention?.sweep(bytes) ?? Promise.resolve(),
    });
  }

  /** What this folder can do; `exclusive` is undefined until `open()` has tried it. */
  get supports(): StoreSupport {
    return { metadata: false, exclusive: this.#placement && this.#placement === 'link' };
  }

  /**
   * Makes the folder, finds out what its file system can, removes what a killed process left, and begins to
   * remove what is older or more than is to be kept.
   */
  open(): Promise<void> {
    this.#opened ??= this.#prepare().catch((error) => {
      this.#opened = undefined;
      throw asStoreError(error, this.location);
    });
    return this.#opened;
  }

  async put(key: string, data: Uint8Array, options: PutOptions = {}): Promise<'created' | 'exists'> {
    const path = this.#path(key);
    options.signal?.throwIfAborted();
    if (!this.#placement) await this.open();
    try {
      await this.#room.make(data.byteLength);
      const outcome = await this.#write(path, data);
      if (outcome === 'created' && this.#retention?.add(data.byteLength)) this.#sweep();
      return outcome;
    } catch (error) {
      // Somebody has removed a folder under our hands: the next attempt makes it anew.
      if (codeOf(error) === 'ENOENT') this.#folders.clear();
      throw asStoreError(error, this.location, key);
    }
  }

  async get(key: string): Promise<StoredObject | undefined> {
    const path = this.#path(key);
    try {
      const contentType = CONTENT_TYPES[extname(path).toLowerCase()];
      return { data: await readFile(path), ...(contentType && { contentType }) };
    } catch (error) {
      if (isAbsence(error)) return undefined;
      throw asStoreError(error, this.location, key);
    }
  }

  async *list(prefix = ''): AsyncGenerator<{ key: string; bytes: number }> {
    try {
      for await (const { key, bytes } of filesIn(this.location, { prefix, hidden: INCOMING })) {
        yield { key, bytes };
      }
    } catch (error) {
      throw asStoreError(error, this.location);
    }
  }

  async *folders(prefix: string): AsyncGenerator<string> {
    const folder = prefix === '' ? this.location : this.#path(prefix.replace(/\/$/, ''));
    try {
      for (const entry of await readdir(folder, { withFileTypes: true })) {
        if (entry.isDirectory() && !(prefix === '' && entry.name === INCOMING)) yield entry.name;
      }
    } catch (error) {
      if (!isAbsence(error)) throw asStoreError(error, this.location, prefix);
    }
  }

  async delete(key: string): Promise<void> {
    try {
      await unlink(this.#path(key));
    } catch (error) {
      if (!isAbsence(error)) throw asStoreError(error, this.location, key);
    }
  }

  async close(): Promise<void> {
    this.#opened = undefined;
    this.#folders.clear();
    clearInterval(this.#sweeper);
    await this.#retention?.idle();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  #path(key: string): string {
    const [first] = assertKey(key).split('/');
    if (first === INCOMING) throw new TypeError(`key must not begin with "${INCOMING}", not ${key}.`);
    return join(this.location, key);
  }

  async #prepare(): Promise<void> {
    await this.#ensure(this.#incoming);
    await access(this.location, constants.W_OK);
    await this.#removeLeftovers();
    this.#placement = this.#settings.placement ?? (await this.#findPlacement());
    const missing = PLACEMENT_NOTICES[this.#placement];
    if (missing !== undefined) this.#say(`The file system of ${this.location} ${missing}`);
    if (!this.#retention) return;
    this.#sweep();
    const interval = Math.min(LONGEST_SWEEP_INTERVAL_MS, (this.#settings.maxAgeHours * HOUR_MS) / 10);
    clearInterval(this.#sweeper);
    this.#sweeper = setInterval(() => this.#sweep(), interval).unref();
  }

  #findPlacement(): Promise<Placement> {
    return findPlacement(this.#temporary(), this.#temporary());
  }

  /** What is older than an hour, or than this machine's start, has nobody who still writes it. */
  async #removeLeftovers(): Promise<void> {
    const oldest = Math.max(Date.now() - HOUR_MS, Date.now() - uptime() * 1000);
    for (const name of await readdir(this.#incoming)) {
      const path = join(this.#incoming, name);
      const found = await stat(path).catch(() => undefined);
      if (found && found.mtimeMs < oldest) await remove(path);
    }
  }

  async #write(path: string, data: Uint8Array): Promise<'created' | 'exists'> {
    const folder = dirname(path);
    await Promise.all([this.#ensure(this.#incoming), this.#ensure(folder)]);
    const placement = this.#placement ?? 'link';
    const place = () => placeFile(placement, { path, temporary: this.#temporary(), data });
    const outcome = placement === 'rename' ? await this.#turns.take(path, place) : await place();
    // Also for one that exists: whoever placed it may not have come to this line.
    await this.#syncFolder(folder);
    return outcome;
  }

  async #syncFolder(folder: string): Promise<void> {
    if (await this.#folderSync.sync(folder)) return;
    this.#say(`The file system of ${this.location} cannot be told to write the names of files to the disk.`);
  }

  #retentionOf({ maxAgeHours, maxBytes, whenFull }: FileStoreSettings): FileRetention | undefined {
    const keepsAll = maxAgeHours === Number.POSITIVE_INFINITY && maxBytes === Number.POSITIVE_INFINITY;
    if (keepsAll && whenFull === 'wait') return undefined;
    return new FileRetention({
      folder: this.location,
      hidden: INCOMING,
      maxAgeHours,
      maxBytes,
      onRemoved: (event) => apart(() => this.events.emit('removed', event)),
    });
  }

  /** In the background: what cannot be removed now is found again by the next sweep. */
  #sweep(): void {
    this.#retention
      ?.sweep()
      .catch((error) =>
        this.#say(`Old objects in ${this.location} cannot be removed (${messageOf(error)}).`),
      );
  }

  /** Once. */
  #say(message: string): void {
    if (this.#said.has(message)) return;
    this.#said.add(message);
    apart(() => this.events.emit('notice', { message }));
  }

  #temporary(): string {
    counter += 1;
    return join(this.#incoming, `${process.pid}-${bootId()}-${counter}`);
  }

  /** Resolves when the folder is there and would be after a power cut, whoever made it. */
  #ensure(folder: string): Promise<void> {
    let ready = this.#folders.get(folder);
    if (!ready) {
      if (this.#folders.size >= REMEMBERED_FOLDERS) this.#folders.clear();
      ready = this.#make(folder).catch((error) => {
        this.#folders.delete(folder);
        throw error;
      });
      this.#folders.set(folder, ready);
    }
    return ready;
  }

  async #make(folder: string): Promise<void> {
    const created = await mkdir(folder, { recursive: true });
    const madeRoot = created !== undefined && created.length <= this.location.length;
    const top = madeRoot ? dirname(created) : this.location;
    for (let child = folder; child !== top; child = dirname(child)) {
      await this.#syncFolder(dirname(child));
    }
  }
}

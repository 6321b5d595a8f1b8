import { mkdir } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import type { RootDatabase } from 'lmdb';
import { RelayError, sentenceOf } from '../errors';
import type { Message } from '../message';
import { LentCopies } from '../slab';
import { Arrival, type ArrivalUser } from './lmdb-arrival';
import { LmdbBundles } from './lmdb-bundles';
import { DiskSpace } from './lmdb-disk-space';
import { openDatabase, setDatabaseAside } from './lmdb-file';
import { DiskFullError, GroupCommit, type Removal } from './lmdb-group-commit';
import { SetAsideArea } from './lmdb-set-aside';
import { TABLES, tablesOf } from './lmdb-tables';
import { decodeMessage } from './message-codec';
import { isSameMessage, markOf } from './message-mark';
import { PayloadFile } from './payload-file';
import { RecentMessages } from './recent-messages';
import type { AppendWaiter, SetAside, Spool, SpoolDrop, SpoolEntry, SpoolOrder } from './spool';
import { spoolClock } from './spool-clock';
import type { Indexed } from './spool-index';
import { SpoolLedger, type SpoolPolicy } from './spool-ledger';
import { type SpoolHolder, SpoolLock } from './spool-lock';
import { assertVersion } from './spool-version';

/** How much an LmdbSpool keeps, for how long, and when it writes. */
export interface LmdbSpoolOptions extends Partial<SpoolPolicy> {
  /** How many messages may wait; each takes about 100 bytes of memory besides. @default 1,000,000 */
  readonly maximumMessages?: number;
  /** What they may take, in bytes. @default 1,073,741,824 (1 GiB) */
  readonly maximumBytes?: number;
  /**
   * What it leaves free on the disk for others, in bytes, and never less than 1 MiB; beyond that it counts
   * as full. What it has taken of the disk once, it keeps and uses again. @default 104,857,600 (100 MiB)
   */
  readonly freeDiskBytes?: number;
  /**
   * `always`: each message is on the disk before `append()` resolves. `unless-taken`: one that is being sent is
   * written only where the broker has not taken it after `graceMs`, and `append()` resolves with whichever is first.
   * That spares a memory card; what is promised is the same.
   * @default 'always'
   */
  readonly writes?: 'always' | 'unless-taken';
  /**
   * With `unless-taken`, how long a message that is being sent may wait for the broker to take it, in milliseconds:
   * more than a round trip. What is not being sent (no connection, a backlog before it) is written after 20 ms.
   * @default 250
   */
  readonly graceMs?: number;
  /** What messages that were set aside may take, in bytes; the oldest make way. @default 67,108,864 (64 MiB) */
  readonly setAsideBytes?: number;
}

/** A message that leaves the database, and what else is written then. */
interface Leaving extends Removal {
  readonly position?: number;
  apply?(): void;
}

/** What an open spool works with. */
interface Opened {
  readonly disk: DiskSpace;
  readonly commits: GroupCommit<Arrival, Leaving>;
  readonly bundles: LmdbBundles;
  readonly file: PayloadFile;
  readonly setAside: SetAsideArea;
  readonly arrivals: ArrivalUser;
}

/** How long what is being sent waits for room on a full disk, before it is tried again. */
const RETRY_MS = 1_000;
/** About what it takes of the disk to remove a message, in bytes. */
const REMOVAL_BYTES = 256;
/** What more than half a second of writing takes, by whomever, in bytes. */
const PLENTY_BYTES = 2 * 1024 ** 3;
/** How often it looks at the disk, at the most. */
const DISK_LOOK_MS = 500;
/** What was not read after so many milliseconds, some busy turns of the event loop, is not being sent. */
const UNREAD_MS = 20;

/**
 * Keeps messages on disk, in an LMDB database: what `append()` has resolved for is safe from a killed
 * process and from a power cut, or (with `writes: 'unless-taken'`) was removed. Messages that arrive together
 * share one flush; they can be read before it. What is written stays in memory until it is read: 8 MiB of a backlog, 48 where the
 * reader is not further behind than that. One process a folder.
 */
export class LmdbSpool implements Spool {
  readonly durable = true;
  readonly #folder: string;
  readonly #freeDiskBytes: number;
  readonly #setAsideBytes: number;
  readonly #writesAlways: boolean;
  readonly #graceMs: number;
  readonly #ledger: SpoolLedger;
  readonly #lock: SpoolLock;
  readonly #recent = new RecentMessages<Arrival>();
  readonly #copies = new LentCopies();
  #opening: Promise<void> | undefined;
  #opened: Opened | undefined;
  #position = 0;
  #lookedAt = Number.NEGATIVE_INFINITY;
  /** How much there was room for when it looked. */
  #roomSeen = 0;
  /** By how much the file could grow then, in bytes. */
  #growthSeen = 0;
  #largest = Number.POSITIVE_INFINITY;

  /** @param folder made where it is missing, when the spool is opened. */
  constructor(folder: string, options: LmdbSpoolOptions = {}) {
    if (typeof folder !== 'string' || folder === '') {
      throw new TypeError(`LmdbSpool: folder must be the path of a folder, not ${JSON.stringify(folder)}.`);
    }
    const { freeDiskBytes = 100 * 1024 ** 2, setAsideBytes = 64 * 1024 ** 2, graceMs = 250 } = options;
    for (const [name, value] of Object.entries({ freeDiskBytes, setAsideBytes, graceMs })) {
      if (!(Number.isInteger(value) && value >= 0)) {
        throw new TypeError(`LmdbSpool: ${name} must be a whole number from 0, not ${value}.`);
      }
    }
    const { writes = 'always' } = options;
    if (writes !== 'always' && writes !== 'unless-taken') {
      throw new TypeError(`LmdbSpool: writes must be always or unless-taken, not ${writes}.`);
    }
    this.#writesAlways = writes === 'always';
    this.#graceMs = graceMs;
    const policy = { maximumMessages: 1_000_000, maximumBytes: 1024 ** 3, ...options };
    this.#ledger = new SpoolLedger(policy, 'LmdbSpool', {
      discard: ({ position }) => {
        const message = this.#messageAt(position);
        this.#delete(position).catch(() => {});
        return message;
      },
      lookAgain: () => this.#lookAt(this.#open.disk),
    });
    this.#folder = resolve(folder);
    this.#freeDiskBytes = freeDiskBytes;
    this.#setAsideBytes = setAsideBytes;
    this.#lock = new SpoolLock(this.#folder);
  }

  /** What is read first. */
  get order(): SpoolOrder {
    return this.#ledger.order;
  }

  /** What it leaves free on the disk for others, in bytes. */
  get freeDiskBytes(): number {
    return this.#freeDiskBytes;
  }

  get messages(): number {
    return this.#ledger.messages;
  }

  get bytes(): number {
    return this.#ledger.bytes;
  }

  get oldestAgeSeconds(): number {
    return this.#ledger.oldestAgeSeconds;
  }

  /** The living process that has the folder open, this one or another; looks only, and opens nothing. */
  holder(): Promise<SpoolHolder | undefined> {
    return this.#lock.holder();
  }

  /**
   * @throws {RelayError} `SPOOL_IN_USE`, `SPOOL_DAMAGED` (the damaged file is set aside), or `SPOOL_FAILED`
   * for one of another version or a folder that cannot be written to.
   */
  open(): Promise<void> {
    this.#opening ??= this.#start().catch(async (error) => {
      this.#opening = undefined;
      await this.#shut();
      throw this.#asError(error);
    });
    return this.#opening;
  }

  append(message: Message, signal?: AbortSignal): Promise<SpoolEntry | undefined> {
    return new Promise((resolve, reject) =>
      this.appendFor(message, { appended: resolve, failed: reject }, signal),
    );
  }

  appendFor(message: Message, waiter: AppendWaiter, signal?: AbortSignal): void {
    const { disk } = this.#open;
    const turn = this.#ledger.room.turn();
    if (performance.now() - this.#lookedAt > DISK_LOOK_MS) this.#lookAt(disk);
    this.#admit(new Arrival(message, turn, waiter, signal));
  }

  async read(limit: number, bytes?: number): Promise<readonly SpoolEntry[]> {
    return this.#ledger
      .next(limit, bytes)
      .map((position) => this.#recent.read(position) ?? this.#readBack(position));
  }

  async get(position: number): Promise<SpoolEntry | undefined> {
    const found = this.#ledger.get(position);
    return found && entryOf(found, this.#messageAt(position), false);
  }

  async find(message: Message): Promise<number | undefined> {
    const found = this.#ledger.find(markOf(message));
    if (!found || !isSameMessage(this.#messageAt(found.position), message)) return undefined;
    const { position } = found;
    // Who finds it relies on it: not before it is on the disk.
    for (let { group } = this.#recent.unwritten(position) ?? {}; group; ) {
      await group.done.catch(() => {});
      group = this.#recent.unwritten(position)?.group;
    }
    return this.#ledger.get(position) && !this.#recent.unwritten(position) ? position : undefined;
  }

  rewind(): void {
    this.#recent.rewind();
    this.#ledger.rewind();
  }

  /** Not flushed by itself: a message that was removed just before a power cut is sent once more. */
  remove(position: number): Promise<void> {
    try {
      return this.#ledger.remove(position) ? this.#delete(position) : Promise.resolve();
    } catch (error) {
      return Promise.reject(error);
    }
  }

  /** Keeps the message apart, with the reason; see `listSetAside()`. At most 1,000 are kept, the newest. */
  async setAside(position: number, reason: string): Promise<void> {
    if (!this.#ledger.get(position)) return;
    const { setAside } = this.#open;
    const message = this.#messageAt(position);
    const record = setAside.encode({ position, message, reason, at: Date.now() });
    this.#ledger.remove(position);
    await this.#delete(position, record);
  }

  /** The messages that could never be sent, in the order in which they were published. */
  async listSetAside(): Promise<readonly SetAside[]> {
    await this.open();
    return this.#open.setAside.list();
  }

  /** Removes one that was set aside, for good. */
  async discardSetAside(position: number): Promise<void> {
    await this.open();
    const { commits, setAside } = this.#open;
    await commits.remove({ bytes: REMOVAL_BYTES, apply: () => setAside.remove(position) });
  }

  onDrop(listener: (drop: SpoolDrop) => void): void {
    this.#ledger.onDrop(listener);
  }

  /** What is in stays for the next `open()`. */
  async close(): Promise<void> {
    await this.#opening?.catch(() => {});
    this.#opening = undefined;
    this.#ledger.close();
    await this.#shut();
    this.#recent.clear();
  }

  async #shut(): Promise<void> {
    const opened = this.#opened;
    this.#opened = undefined;
    try {
      await opened?.commits.close();
      await opened?.file.close();
    } finally {
      await this.#lock.release();
    }
  }

  async #start(): Promise<void> {
    await mkdir(this.#folder, { recursive: true });
    await this.#lock.acquire();
    await assertVersion(this.#folder);
    const folder = join(this.#folder, 'messages');
    const file = new PayloadFile(join(folder, 'payloads'));
    await file.open();
    try {
      const root = await openDatabase(folder, TABLES, (found) => readEverything(found, file));
      try {
        this.#opened = this.#begin(folder, root, file);
      } finally {
        if (!this.#opened) await root.close();
      }
      if (!this.#opened) {
        throw await setDatabaseAside(folder, 'its file of payloads is missing or cut short');
      }
    } finally {
      if (!this.#opened) await file.close();
    }
    this.#load();
    await this.#lookAt(this.#open.disk);
  }

  /** Undefined where the file is not the one that the database tells of. */
  #begin(folder: string, root: RootDatabase<Buffer, number>, file: PayloadFile): Opened | undefined {
    const tables = tablesOf(root);
    const databases = Object.values(tables);
    const disk = new DiskSpace({ folder, root, databases, reserveBytes: this.#freeDiskBytes });
    const bundles = new LmdbBundles(tables, file);
    if (!bundles.findPlaces()) return undefined;
    const commits = new GroupCommit<Arrival, Leaving>(root, {
      // Where the disk fills, what is free in the database is used first.
      prepare: async (puts) => {
        if (this.#growthSeen > PLENTY_BYTES) await bundles.prepare(puts);
      },
      apply: (puts, removals) => write(bundles, puts, removals, this.#growthSeen),
      removed: (removals, isFlushed) => bundles.removed(positionsOf(removals), isFlushed),
      room: () => this.#roomNow(disk),
      full: () => this.#ledger.room.limit(this.#writtenBytes, this.#largest),
      asError: (error) => this.#asError(error),
    });
    const setAside = new SetAsideArea(tables.setAside, this.#setAsideBytes);
    return { disk, commits, bundles, file, setAside, arrivals: this.#arrivals(bundles) };
  }

  #load(): void {
    const { bundles, setAside } = this.#open;
    this.#ledger.open();
    this.#position = setAside.last;
    for (const { position, record } of bundles.load()) {
      const { expirySeconds, ...kept } = record;
      const expiresAt = this.#ledger.expiry(kept.storedAt, expirySeconds);
      this.#ledger.load({ ...kept, position, ...(expiresAt && { expiresAt }) });
      this.#position = Math.max(this.#position, position);
    }
  }

  /** Takes room for a message, and puts it. */
  #admit(arrival: Arrival): void {
    const taken = this.#ledger.room.take(arrival.turn, arrival.size, arrival.signal);
    if (typeof taken === 'boolean') this.#enter(arrival, taken);
    else taken.then((isIn) => this.#enter(arrival, isIn)).catch((error) => arrival.reject(error));
  }

  #enter(arrival: Arrival, hasRoom: boolean): void {
    const { message, size: bytes, storedAt } = arrival;
    if (!hasRoom) {
      this.#ledger.refuse(message);
      arrival.resolve(undefined);
      return;
    }
    const { commits, arrivals } = this.#open;
    this.#position += 1;
    const position = this.#position;
    const { priority = 0, expirySeconds } = message;
    const expiresAt = this.#ledger.expiry(storedAt, expirySeconds);
    const mark = markOf(message);
    // One object, since it lives for as long as the message is under way.
    const entry = { position, message, bytes, mark, priority, storedAt, isReadBack: false };
    arrival.place(expiresAt === undefined ? entry : { ...entry, expiresAt }, arrivals);
    this.#recent.add(arrival);
    this.#ledger.place(arrival.entry);
    commits.put(arrival);
  }

  /** How messages of this opening go to the tables. */
  #arrivals(bundles: LmdbBundles): ArrivalUser {
    return {
      patienceMs: ({ isRead, storedAt }) => {
        if (this.#writesAlways || this.#graceMs === 0) return 0;
        return storedAt + (isRead ? this.#graceMs : UNREAD_MS) - spoolClock();
      },
      written: (arrival) => {
        const { entry, bundle } = arrival;
        bundles.placed(entry.position, bundle);
        this.#recent.written(entry.position);
        arrival.resolve(entry);
      },
      failed: (arrival, error) => this.#failed(arrival, error),
    };
  }

  #failed(arrival: Arrival, error: unknown): void {
    const { entry, message } = arrival;
    if (!this.#ledger.get(entry.position)) {
      // It has left meanwhile.
      arrival.resolve(entry);
      return;
    }
    const isFull = error instanceof DiskFullError;
    if (isFull && arrival.isRead && this.#opened) {
      this.#putLater(arrival, this.#opened);
      return;
    }
    this.#ledger.remove(entry.position);
    this.#recent.delete(entry.position);
    if (!isFull) arrival.reject(this.#asError(error));
    else if (this.#ledger.room.whenFull === 'drop-newest') {
      this.#ledger.refuse(message);
      arrival.resolve(undefined);
    } else {
      try {
        this.#admit(arrival);
      } catch (problem) {
        arrival.reject(problem);
      }
    }
  }

  /** It is on its way to the broker, and cannot be called back. */
  #putLater(arrival: Arrival, opened: Opened): void {
    const { entry } = arrival;
    setTimeout(() => {
      if (this.#opened !== opened) arrival.reject(closedError());
      else if (this.#ledger.get(entry.position)) opened.commits.put(arrival);
      else arrival.resolve(entry);
    }, RETRY_MS);
  }

  /** Takes a message from the disk, and keeps a record of it apart, if there is one. */
  #delete(position: number, aside?: Buffer): Promise<void> {
    const { commits, setAside } = this.#open;
    const arrival = this.#recent.unwritten(position);
    this.#recent.delete(position);
    if (arrival && !this.#writesAlways) {
      // It has left, and needs the disk no more.
      arrival.resolve(arrival.entry);
      if (!aside && commits.cancel(arrival)) return Promise.resolve();
    }
    const leaving: Leaving = aside
      ? {
          position,
          bytes: REMOVAL_BYTES + aside.byteLength,
          apply: () => setAside.put(position, aside),
        }
      : { position, bytes: REMOVAL_BYTES };
    return commits.remove(leaving, arrival);
  }

  get #open(): Opened {
    if (this.#opened) return this.#opened;
    throw closedError();
  }

  get #writtenBytes(): number {
    return this.#ledger.bytes - this.#recent.unwrittenBytes;
  }

  /** Where there is plenty it need not look each time: nobody fills so much in between. */
  #roomNow(disk: DiskSpace): number | Promise<number> {
    const isFresh = performance.now() - this.#lookedAt < DISK_LOOK_MS;
    return isFresh && this.#roomSeen > PLENTY_BYTES ? this.#roomSeen - PLENTY_BYTES : this.#lookAt(disk);
  }

  /** Lets in as much as the disk still takes; resolves with how much that is, in bytes. */
  async #lookAt(disk: DiskSpace): Promise<number> {
    this.#lookedAt = performance.now();
    // What was seen before is old.
    this.#roomSeen = 0;
    const { bytes, growth, largest } = await disk.room();
    this.#roomSeen = bytes;
    this.#growthSeen = growth;
    this.#largest = largest;
    this.#ledger.room.limit(this.#writtenBytes + bytes, largest);
    return bytes;
  }

  /** With a payload on loan; see `giveBack()`. */
  #readBack(position: number): SpoolEntry {
    const message = this.#messageAt(position, (bytes) => this.#copies.copy(bytes));
    return entryOf(this.#ledger.get(position)!, message, true);
  }

  #messageAt(position: number, copy?: (bytes: Uint8Array) => Buffer): Message {
    const recent = this.#recent.get(position);
    if (recent) return recent.message;
    const message = this.#open.bundles.read(position, copy);
    if (!message) throw this.#asError(new Error(`message ${position} is not where it was put`));
    return message;
  }

  #asError(error: unknown): RelayError {
    if (error instanceof RelayError) return error;
    return new RelayError(
      `spool: ${this.#folder}: ${sentenceOf(error)} Is the disk full, or the folder not writable?`,
      { code: 'SPOOL_FAILED', stage: 'spool', retryable: true, cause: error },
    );
  }
}

/** Within a transaction. @param growth by how much the file may grow, in bytes */
function write(
  bundles: LmdbBundles,
  puts: readonly Arrival[],
  removals: readonly Leaving[],
  growth: number,
): void {
  const needed = puts.reduce((sum, { bytes }) => sum + bytes, 0);
  const places = bundles.put(puts, needed > growth);
  for (const [index, put] of puts.entries()) put.bundle = places[index]!;
  for (const { apply } of removals) apply?.();
  bundles.remove(positionsOf(removals));
}

/** Those of messages; what was set aside is removed otherwise. */
function positionsOf(removals: readonly Leaving[]): number[] {
  const positions: number[] = [];
  for (const { position } of removals) if (position !== undefined) positions.push(position);
  return positions;
}

/** @throws where anything cannot be read, or a message is missing. */
function readEverything(root: RootDatabase<Buffer, number>, file: PayloadFile): void {
  const tables = tablesOf(root);
  for (const { value } of tables.setAside.getRange()) decodeMessage(value);
  const bundles = new LmdbBundles(tables, file);
  if (!bundles.findPlaces()) throw new Error('the file of payloads is cut short');
  for (const { position } of bundles.load()) {
    if (!bundles.read(position)) throw new Error(`message ${position} is not where it was put`);
  }
}

function entryOf(
  { position, bytes, storedAt, expiresAt }: Indexed,
  message: Message,
  isReadBack: boolean,
): SpoolEntry {
  if (expiresAt === undefined) return { position, message, storedAt, bytes, isReadBack };
  return { position, message, storedAt, bytes, isReadBack, expiresAt };
}

function closedError(): RelayError {
  return new RelayError('spool: it is closed.', { code: 'CLOSED', stage: 'spool' });
}

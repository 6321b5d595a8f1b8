import type { RootDatabase } from 'lmdb';

export interface GroupCommitOptions {
  /** Whether everything is written, needed or not. */
  readonly writesAlways: boolean;
  /** Bytes that may be written now; below zero when others have filled the disk. */
  room(): number | Promise<number>;
  /** There is no room; called before the writes that found none are rejected. */
  full(): void;
}

/** Something to put or to remove. */
export interface Write {
  /** Puts or removes, synchronously. */
  apply(): void;
  readonly isRemoval: boolean;
  /** About what it takes of the disk. */
  readonly bytes: number;
  /** When it came, as `performance.now()` says. */
  readonly since: number;
  /** Where it stands; what is under way cannot be cancelled. */
  state: 'waiting' | 'under way' | 'cancelled';
  /** Rejects with a `DiskFullError` where there is no room. */
  readonly settled: Promise<void>;
  resolve(): void;
  reject(error: unknown): void;
}

const RETRY_MS = 1_000;
/** From so many on, writes wait to see whether they are needed, as long as messages keep leaving. */
const MANY = 100;
const LOOK_MS = 25;
const PATIENCE_MS = 2_000;
const PAGE_BYTES = 4_096;
/** Removals write, too, but make room: they may take this much more, in bytes, of what is always left. */
const REMOVAL_BYTES = 768 * 1024;

/** There is no room on the disk: nothing was written, and the same write can succeed later. */
export class DiskFullError extends Error {}

/**
 * Writes to an LMDB database in groups: what arrives while one group is on its way to the disk makes up the next,
 * in one transaction and one flush. There is only ever one on its way, so that nothing overtakes what found no
 * room. Unless everything is to be written, what has become needless before its turn is not:
 * under load the broker often acknowledges a message before the disk would have it.
 */
export class GroupCommit {
  readonly #root: RootDatabase<Buffer, number>;
  readonly #options: GroupCommitOptions;
  #queue: Write[] = [];
  #running: Promise<void> | undefined;
  #isClosed = false;
  /** How many messages have left, written or not. */
  #left = 0;
  #wake = () => {};

  constructor(root: RootDatabase<Buffer, number>, options: GroupCommitOptions) {
    this.#root = root;
    this.#options = options;
  }

  /** Settles when what `apply` puts, of so many bytes, is on the disk, or cancelled. */
  write(bytes: number, apply: () => void): Write {
    // A value that is no part of a page takes whole ones.
    return this.#add(apply, false, (Math.ceil(bytes / PAGE_BYTES) + 1) * PAGE_BYTES);
  }

  /** Resolves when it is done, on a full disk when there is room again; not flushed by itself. */
  remove(bytes: number, apply: () => void): Promise<void> {
    this.#left += 1;
    return this.#add(apply, true, 256 + bytes).settled;
  }

  /**
   * Nobody needs this write any more: it resolves at once, unless everything is to be written. True where its
   * turn has not come and nothing of it will be on the disk; else it has to be removed.
   */
  cancel(write: Write): boolean {
    if (this.#options.writesAlways) return false;
    write.resolve();
    if (write.state !== 'waiting') return false;
    write.state = 'cancelled';
    this.#left += 1;
    return true;
  }

  /** Finishes what it has, and closes the database. */
  async close(): Promise<void> {
    this.#isClosed = true;
    this.#wake();
    do {
      await this.#running;
      // Who has waited for a write may now have something to remove.
      await new Promise(setImmediate);
    } while (this.#running);
    // After a failed commit LMDB would wait for its flush for ever; an empty one comes in its place.
    await this.#commit([]).then(
      () => this.#root.close(),
      () => {},
    );
  }

  #add(apply: () => void, isRemoval: boolean, bytes: number): Write {
    let resolve = () => {};
    let reject: Write['reject'] = () => {};
    const settled = new Promise<void>((resolveIt, rejectIt) => {
      resolve = resolveIt;
      reject = rejectIt;
    });
    const since = performance.now();
    const write: Write = { apply, isRemoval, bytes, since, state: 'waiting', settled, resolve, reject };
    this.#queue.push(write);
    this.#running ??= this.#run();
    return write;
  }

  async #run(): Promise<void> {
    try {
      let most = Number.POSITIVE_INFINITY;
      while (this.#queue.length > 0) most = await this.#writeGroup(most);
    } finally {
      // At once, and not a turn later: what comes in between would be left lying.
      this.#running = undefined;
    }
  }

  /** Writes a group of so many at the most; resolves with how many the next one may have. */
  async #writeGroup(most: number): Promise<number> {
    const { group, isShort } = await this.#affordable(most, await this.#patience());
    if (group.length === 0) {
      // Else all that was old enough has been cancelled meanwhile.
      if (isShort) await this.#full();
      return most;
    }
    try {
      await this.#commit(group);
    } catch (error) {
      // One of several may be at fault: each is tried by itself.
      if (group.length > 1) this.#putBack(group);
      else group[0]?.reject(error);
      return 1;
    }
    for (const write of group) write.resolve();
    return most * 2;
  }

  #putBack(group: readonly Write[]): void {
    for (const write of group) write.state = 'waiting';
    this.#queue.unshift(...group);
  }

  /**
   * Waits while many wait and messages leave quickly, because most of what waits leaves before it gets old.
   * Resolves with how old a write has to be now, in milliseconds.
   */
  async #patience(): Promise<number> {
    if (this.#options.writesAlways) return 0;
    for (;;) {
      const before = this.#left;
      this.#queue = this.#queue.filter(({ state }) => state !== 'cancelled');
      if (this.#queue.length < MANY || this.#isClosed) return 0;
      const oldest = this.#queue.find(({ isRemoval }) => !isRemoval);
      if (oldest && performance.now() - oldest.since > PATIENCE_MS) return PATIENCE_MS / 2;
      await new Promise((resolve) => setTimeout(resolve, LOOK_MS));
      if (this.#left === before) return 0;
    }
  }

  /** Takes from the queue what there is room for: writes in order, removals as they fit; and says if room was short. */
  async #affordable(most: number, age: number): Promise<{ group: Write[]; isShort: boolean }> {
    const room = await this.#options.room();
    const before = performance.now() - age;
    const group: Write[] = [];
    const rest: Write[] = [];
    let needed = 0;
    let isBlocked = false;
    let isShort = false;
    for (const write of this.#queue) {
      if (write.state === 'cancelled') continue;
      isBlocked ||= !write.isRemoval && write.since > before;
      const isInTurn = group.length < most && (write.isRemoval || !isBlocked);
      if (isInTurn && needed + write.bytes <= room + (write.isRemoval ? REMOVAL_BYTES : 0)) {
        needed += write.bytes;
        write.state = 'under way';
        group.push(write);
      } else {
        rest.push(write);
        isShort ||= isInTurn;
        isBlocked ||= !write.isRemoval;
      }
    }
    this.#queue = rest;
    return { group, isShort };
  }

  async #full(): Promise<void> {
    const refused = this.#queue.filter(({ isRemoval, state }) => !isRemoval && state === 'waiting');
    const removals = this.#queue.filter((write) => write.isRemoval);
    if (refused.length === 0 && removals.length > 0) return this.#pause();
    this.#queue = removals;
    // What was left was cancelled.
    if (refused.length === 0) return;
    this.#options.full();
    for (const write of refused) {
      write.state = 'under way';
      write.reject(new DiskFullError());
    }
  }

  async #commit(group: readonly Write[]): Promise<void> {
    try {
      await this.#root.batch(() => {
        for (const write of group) write.apply();
      });
    } catch (error) {
      // LMDB says that it failed, and by a promise that hangs on the error, why.
      const { commitError } = error as { commitError?: Promise<unknown> };
      throw (await Promise.resolve(commitError).catch((cause: unknown) => cause)) ?? error;
    }
    // The next group waits for it: smaller ones that follow each other closely go over much more slowly.
    if (group.some((write) => !write.isRemoval)) await this.#root.flushed;
  }

  /** Removals wait for somebody to make room; when it is closed, what they stand for is sent once more. */
  async #pause(): Promise<void> {
    if (this.#isClosed) {
      for (const write of this.#queue.splice(0)) write.resolve();
      return;
    }
    await new Promise<void>((resolve) => {
      const timer = setTimeout(resolve, RETRY_MS);
      this.#wake = () => {
        clearTimeout(timer);
        resolve();
      };
    });
  }
}

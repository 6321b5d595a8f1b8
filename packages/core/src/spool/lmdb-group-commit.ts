import type { RootDatabase } from 'lmdb';

/** Something to put. */
export interface Put {
  /** About what it takes of the disk. */
  readonly bytes: number;
  /** It is on the disk. */
  written(): void;
  /** It is not: a `DiskFullError` where there was no room. */
  failed(error: unknown): void;
  /** Where it waits, or is under way. */
  group?: Group | undefined;
  /** Nobody needs it any more: it hears nothing. */
  isCancelled?: boolean;
  /** For how long it may still wait, in milliseconds, as nobody may need it by then. @default 0 */
  readonly patienceMs?: number;
}

export interface GroupCommitOptions<SomePut extends Put, SomeRemoval extends Removal> {
  /** Writes what does not need a transaction, before the one that puts these; may fail, and is not called where that is tried again, in parts. */
  prepare?(puts: readonly SomePut[]): Promise<void>;
  /** Puts and removes, synchronously, within a transaction; may be told so again, in parts, where that failed. */
  apply(puts: readonly SomePut[], removals: readonly SomeRemoval[]): void;
  /**
   * They have left the database; the next transaction has not begun.
   * @param isFlushed whether that is on the disk, as all before it
   */
  removed?(removals: readonly SomeRemoval[], isFlushed: boolean): void;
  /** Bytes that may be written now; below zero when others have filled the disk. */
  room(): number | Promise<number>;
  /** There is no room; called before the puts that found none fail. */
  full(): void;
  /** What somebody hears whose removal fails. */
  asError(error: unknown): unknown;
}

/** Something to remove. */
export interface Removal {
  /** About what it takes of the disk until that is free. */
  readonly bytes: number;
}

const RETRY_MS = 1_000;
/** How often it looks whether something cannot wait any longer, while all of it may. */
const LOOK_MS = 5;
/** Removals write, too, but make room: they may take this much more, in bytes, of what is always left. */
const REMOVAL_BYTES = 768 * 1024;

/** There is no room on the disk: nothing was written, and the same put can succeed later. */
export class DiskFullError extends Error {}

/** What goes to the disk in one transaction, with one flush. */
class Group<SomePut extends Put = Put, SomeRemoval extends Removal = Removal> {
  puts: SomePut[] = [];
  readonly removals: SomeRemoval[] = [];
  /** Settles when all of it is done with, in whatever way; rejects where something could not be removed. */
  readonly done: Promise<void>;
  resolve = () => {};
  reject: (error: unknown) => void = () => {};

  constructor() {
    this.done = new Promise((resolve, reject) => {
      this.resolve = resolve;
      this.reject = reject;
    });
    this.done.catch(() => {});
  }

  get isEmpty(): boolean {
    return this.puts.length === 0 && this.removals.length === 0;
  }
}

export type { Group };

/**
 * Writes to an LMDB database in groups: what arrives while one group is on its way to the disk makes up the next,
 * in one transaction and one flush. There is only ever one on its way, so that nothing overtakes what found no room.
 */
export class GroupCommit<SomePut extends Put, SomeRemoval extends Removal> {
  readonly #root: RootDatabase<Buffer, number>;
  readonly #options: GroupCommitOptions<SomePut, SomeRemoval>;
  /** What the next transaction has. */
  #next = new Group<SomePut, SomeRemoval>();
  /** What can only be removed when that is done. */
  #afterNext = new Group<SomePut, SomeRemoval>();
  #running: Promise<void> | undefined;
  #isClosed = false;
  #wake = () => {};

  constructor(root: RootDatabase<Buffer, number>, options: GroupCommitOptions<SomePut, SomeRemoval>) {
    this.#root = root;
    this.#options = options;
  }

  /** Puts it with the next group. */
  put(put: SomePut): void {
    put.group = this.#next;
    this.#next.puts.push(put);
    this.#running ??= this.#run();
  }

  /** Nobody needs it any more: it is not put, where its turn has not come; false where it has. */
  cancel(put: SomePut): boolean {
    if (put.group !== this.#next) return false;
    put.isCancelled = true;
    return true;
  }

  /**
   * Removes, after what it removes was put; resolves when it is done, on a full disk when there is room again. Not
   * flushed by itself.
   */
  remove(removal: SomeRemoval, put?: SomePut): Promise<void> {
    // Put and removed in one transaction, it would not have been on the disk, and LMDB counts pages that it never writes.
    const group = put?.group === this.#next ? this.#afterNext : this.#next;
    group.removals.push(removal);
    this.#running ??= this.#run();
    return group.done;
  }

  /** Finishes what it has, and closes the database. */
  async close(): Promise<void> {
    this.#isClosed = true;
    this.#wake();
    do {
      await this.#running;
      // Who has waited for a put may now have something to remove.
      await new Promise(setImmediate);
    } while (this.#running);
    // After a failed commit LMDB would wait for its flush for ever; an empty one comes in its place.
    await this.#commit([], []).then(
      () => this.#root.close(),
      () => {},
    );
  }

  async #run(): Promise<void> {
    try {
      // What comes in this turn of the event loop belongs together.
      await new Promise(setImmediate);
      while (!(this.#next.isEmpty && this.#afterNext.isEmpty)) {
        const group = await this.#take();
        if (group) await this.#write(group);
      }
    } finally {
      // At once, and not a turn later: what comes in between would be left lying.
      this.#running = undefined;
    }
  }

  /** The next group, where something in it needs the disk, or what it removes; otherwise nothing, after a while. */
  async #take(): Promise<Group<SomePut, SomeRemoval> | undefined> {
    const group = this.#next;
    group.puts = group.puts.filter(({ isCancelled }) => !isCancelled);
    const patienceMs = this.#isClosed ? 0 : leastPatience(group.puts);
    if (patienceMs <= 0) {
      this.#next = this.#afterNext;
      this.#afterNext = new Group();
      return group;
    }
    if (group.removals.length === 0) {
      await this.#pause(Math.min(patienceMs, LOOK_MS));
      return undefined;
    }
    this.#next = new Group();
    this.#next.puts = group.puts.splice(0);
    for (const put of this.#next.puts) put.group = this.#next;
    return group;
  }

  async #write(group: Group<SomePut, SomeRemoval>): Promise<void> {
    let failure: { readonly error: unknown } | undefined;
    while (!group.isEmpty) {
      const { puts, removals } = this.#affordable(group, await this.#options.room());
      if (puts.length > 0) await this.#options.prepare?.(puts).catch(() => {});
      if (puts.length + removals.length > 0) failure = (await this.#writePart(puts, removals)) ?? failure;
      else if (group.puts.length > 0) this.#refuse(group);
      // When it is closed, what the removals stand for is sent once more.
      else if (this.#isClosed) break;
      // Removals wait for somebody to make room.
      else await this.#pause(RETRY_MS);
    }
    if (failure) group.reject(this.#options.asError(failure.error));
    else group.resolve();
  }

  /** Takes out of a group what there is room for: puts in order, removals as they fit. */
  #affordable(
    group: Group<SomePut, SomeRemoval>,
    room: number,
  ): { puts: SomePut[]; removals: SomeRemoval[] } {
    let needed = 0;
    const fits = (bytes: number) => {
      if (needed + bytes > room) return false;
      needed += bytes;
      return true;
    };
    const firstPut = group.puts.findIndex(({ bytes }) => !fits(bytes));
    room += REMOVAL_BYTES;
    const firstRemoval = group.removals.findIndex(({ bytes }) => !fits(bytes));
    return { puts: take(group.puts, firstPut), removals: take(group.removals, firstRemoval) };
  }

  /** Writes it in one transaction; resolves with why something could not be removed, if so. */
  async #writePart(
    puts: readonly SomePut[],
    removals: readonly SomeRemoval[],
  ): Promise<{ readonly error: unknown } | undefined> {
    try {
      await this.#commit(puts, removals);
    } catch (error) {
      if (puts.length + removals.length > 1) return this.#writeOneByOne(puts, removals);
      puts[0]?.failed(error);
      return puts[0] ? undefined : { error };
    }
    for (const put of puts) put.written();
    this.#options.removed?.(removals, puts.length > 0);
    return undefined;
  }

  /** One of several is at fault. */
  async #writeOneByOne(
    puts: readonly SomePut[],
    removals: readonly SomeRemoval[],
  ): Promise<{ readonly error: unknown } | undefined> {
    let failure: { readonly error: unknown } | undefined;
    for (const put of puts) await this.#writePart([put], []);
    for (const removal of removals) failure = (await this.#writePart([], [removal])) ?? failure;
    return failure;
  }

  /** Also what waits behind it: a smaller one must not overtake. */
  #refuse(group: Group<SomePut, SomeRemoval>): void {
    this.#options.full();
    for (const put of [...group.puts.splice(0), ...this.#next.puts.splice(0)])
      put.failed(new DiskFullError());
  }

  async #commit(puts: readonly SomePut[], removals: readonly SomeRemoval[]): Promise<void> {
    try {
      await this.#root.batch(() => this.#options.apply(puts, removals));
    } catch (error) {
      // LMDB says that it failed, and by a promise that hangs on the error, why.
      const { commitError } = error as { commitError?: Promise<unknown> };
      throw (await Promise.resolve(commitError).catch((cause: unknown) => cause)) ?? error;
    }
    // The next group waits for it: smaller ones that follow each other closely go over much more slowly.
    if (puts.length > 0) await this.#root.flushed;
  }

  /** Until it is closed at the latest. */
  async #pause(milliseconds: number): Promise<void> {
    await new Promise<void>((resolve) => {
      const timer = setTimeout(resolve, milliseconds);
      this.#wake = () => {
        clearTimeout(timer);
        resolve();
      };
    });
  }
}

/** For how long all of them may still wait, in milliseconds; 0 for none. */
function leastPatience(puts: readonly Put[]): number {
  if (puts.length === 0) return 0;
  let least = Number.POSITIVE_INFINITY;
  for (const { patienceMs = 0 } of puts) {
    if (patienceMs <= 0) return 0;
    least = Math.min(least, patienceMs);
  }
  return least;
}

/** Takes out what comes before an index; all of it where that is -1. */
function take<T>(items: T[], end: number): T[] {
  return items.splice(0, end === -1 ? items.length : end);
}

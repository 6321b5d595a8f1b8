import { statfs } from 'node:fs/promises';
import type { Database, RootDatabase } from 'lmdb';

/** What is always left, in bytes, so that LMDB never meets a full disk. */
const MINIMUM_FREE = 1024 * 1024;
/** What a file that grows leaves of the disk at least, in bytes: above the minimum, what is in can change. */
const MINIMUM_RESERVE = 2 * MINIMUM_FREE;

/** How full the file may be before it grows rather than that room is sought in it. */
const FILL = 7 / 8;

/** How much may be written now, in bytes. */
export interface Room {
  /** Altogether; below zero when others have taken what is always left. */
  readonly bytes: number;
  /** By how much the file may grow for that; what is more has to find its place in what lies free in the file, in pieces. */
  readonly growth: number;
  /** At once, however much is removed before. */
  readonly largest: number;
}

interface TreeStats {
  readonly treeBranchPageCount: number;
  readonly treeLeafPageCount: number;
  readonly overflowPages: number;
}

interface RootStats extends TreeStats {
  readonly free: TreeStats;
  readonly pageSize: number;
  readonly lastPageNumber: number;
}

export interface DiskSpaceOptions {
  /** Where the database lies. */
  readonly folder: string;
  readonly root: RootDatabase<Buffer, number>;
  /** All that the root has. */
  readonly databases: readonly Database<Buffer, number>[];
  /** What is left free for others, in bytes. */
  readonly reserveBytes: number;
}

/**
 * Says how much more may be written to a database. LMDB itself must not find out: where a write fails with
 * ENOSPC it puts a message of more than 100 characters into 100 bytes (mdb.c, `mdb_page_flush()`), and the
 * process dies of it sooner or later.
 */
export class DiskSpace {
  readonly #options: DiskSpaceOptions;

  constructor(options: DiskSpaceOptions) {
    this.#options = options;
  }

  /** How much may be written now. */
  async room(): Promise<Room> {
    const { folder, reserveBytes } = this.#options;
    try {
      const { bavail, bsize } = await statfs(folder);
      const free = bavail * bsize;
      const spare = free - MINIMUM_FREE;
      const growth = Math.max(free - Math.max(reserveBytes, MINIMUM_RESERVE), 0);
      const bytes = Math.min(spare, Math.max(growth, this.#roomInFile()));
      // As bytes that count against a bound, a message is smaller than on the disk.
      return { bytes, growth, largest: spare / 2 };
    } catch {
      // What cannot be found out, the write will show.
      const any = Number.POSITIVE_INFINITY;
      return { bytes: any, growth: any, largest: any };
    }
  }

  /** The file never shrinks. What lies free in it is in pieces, and the pieces freed last cannot be used yet. */
  #roomInFile(): number {
    const { root, databases } = this.#options;
    const stats = root.getStats() as RootStats;
    const trees = [stats, stats.free, ...databases.map((database) => database.getStats() as TreeStats)];
    const used = trees.reduce(
      (sum, tree) => sum + tree.treeBranchPageCount + tree.treeLeafPageCount + tree.overflowPages,
      2,
    );
    const pages = stats.lastPageNumber + 1;
    return ((pages * FILL - used) * stats.pageSize) / 2;
  }
}

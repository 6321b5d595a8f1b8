import { readFile, rmdir, stat, unlink } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { type FoundFile, filesIn } from './file-system';
import { KeyTable } from './key-table';
import type { RemovedEvent } from './store-events';
import { isTombstone, TOMBSTONE_BYTES } from './tombstone';

const HOUR_MS = 3_600_000;
/** What is removed at once beyond what must be, so that not every object starts a search for the oldest. */
const SLACK = 0.05;

export interface RetentionOptions {
  readonly folder: string;
  /** A folder in it that is left alone. */
  readonly hidden: string;
  readonly maxAgeHours: number;
  readonly maxBytes: number;
  readonly onRemoved: (event: RemovedEvent) => void;
}

/** Keys that begin so are the account of what there was, and are kept. */
const ACCOUNTS = ['manifest/', 'gaps/'];
/** Notes by which a message gets the same key again: they outlive what was stored under it. */
const NOTES = 'arrivals/';

/**
 * Removes the oldest files of a folder, by when they were stored, without holding a list of all of them. Tombstones
 * stay: nobody knows how late a message may come.
 */
export class FileRetention {
  readonly #options: RetentionOptions;
  /** Each is looked into once. */
  readonly #tombstones = new KeyTable();
  /** Of what there is, as far as we know: others may write there, too. */
  #bytes = 0;
  #sweeping: Promise<void> | undefined;

  constructor(options: RetentionOptions) {
    this.#options = options;
  }

  /** Counts what was stored. `true` where there is too much now. */
  add(bytes: number): boolean {
    this.#bytes += bytes;
    return this.#bytes > this.#options.maxBytes;
  }

  /**
   * Removes what is too old and too much, and as many bytes more as are wanted. One sweep at a time: who
   * comes while one is under way waits for that one.
   */
  sweep(wantedBytes = 0): Promise<void> {
    this.#sweeping ??= this.#sweep(wantedBytes).finally(() => {
      this.#sweeping = undefined;
    });
    return this.#sweeping;
  }

  /** Resolves when no sweep is under way. */
  async idle(): Promise<void> {
    await this.#sweeping?.catch(() => {});
  }

  async #sweep(wantedBytes: number): Promise<void> {
    const { maxAgeHours, maxBytes } = this.#options;
    const oldest = Date.now() - maxAgeHours * HOUR_MS;
    const byHour = new Map<number, number>();
    let total = 0;
    for await (const file of this.#files()) {
      if (file.modifiedAt < oldest) {
        await this.#remove(file, 'age');
        continue;
      }
      const hour = Math.floor(file.modifiedAt / HOUR_MS);
      byHour.set(hour, (byHour.get(hour) ?? 0) + file.bytes);
      total += file.bytes;
    }
    const excess = total > maxBytes ? total - maxBytes * (1 - SLACK) : 0;
    const removed = excess + wantedBytes > 0 ? await this.#removeOldest(byHour, excess, wantedBytes) : 0;
    this.#bytes = total - removed;
  }

  /** Gives how many bytes. */
  async #removeOldest(
    byHour: ReadonlyMap<number, number>,
    excess: number,
    wantedBytes: number,
  ): Promise<number> {
    const needed = Math.max(excess, wantedBytes);
    let [removed, last] = [0, Number.NEGATIVE_INFINITY];
    for (const [hour, bytes] of [...byHour].sort(([one], [other]) => one - other)) {
      if (removed >= needed) break;
      removed += bytes;
      last = hour;
    }
    // Of the last hour only as much as is needed, oldest first.
    const lastOnes: FoundFile[] = [];
    removed = 0;
    const reason = () => (removed < excess ? 'size' : 'disk');
    for await (const file of this.#files()) {
      const hour = Math.floor(file.modifiedAt / HOUR_MS);
      if (hour === last) lastOnes.push(file);
      if (hour >= last) continue;
      if (await this.#remove(file, reason())) removed += file.bytes;
    }
    for (const file of lastOnes.sort((one, other) => one.modifiedAt - other.modifiedAt)) {
      if (removed >= needed) break;
      if (await this.#remove(file, reason())) removed += file.bytes;
    }
    return removed;
  }

  async *#files(): AsyncGenerator<FoundFile> {
    const { folder, hidden } = this.#options;
    for await (const file of filesIn(folder, { hidden })) {
      if (ACCOUNTS.some((prefix) => file.key.startsWith(prefix)) || (await this.#isTombstone(file))) continue;
      yield file.key.startsWith(NOTES) ? { ...file, modifiedAt: file.modifiedAt + HOUR_MS } : file;
    }
  }

  async #isTombstone({ key, bytes }: FoundFile): Promise<boolean> {
    if (bytes !== TOMBSTONE_BYTES) return false;
    if (this.#tombstones.has(key)) return true;
    const content = await readFile(join(this.#options.folder, key)).catch(() => new Uint8Array());
    return isTombstone(content) && this.#tombstones.add(key);
  }

  async #remove({ key, bytes }: FoundFile, reason: RemovedEvent['reason']): Promise<boolean> {
    const path = join(this.#options.folder, key);
    const folder = dirname(path);
    // A folder of the last hour may be the one that the next object goes to.
    const isQuiet = await stat(folder).then(
      ({ mtimeMs }) => mtimeMs < Date.now() - HOUR_MS,
      () => false,
    );
    try {
      await unlink(path);
    } catch {
      // Another process was faster, or may do what we may not: the next sweep finds it again.
      return false;
    }
    this.#options.onRemoved({ key, bytes, reason });
    if (isQuiet && folder !== this.#options.folder) await rmdir(folder).catch(() => {});
    return true;
  }
}

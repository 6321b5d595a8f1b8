import { KeyTable } from './key-table';
import { hoursBackwards } from './manifest-hours';
import { FORGOTTEN, PARTS } from './manifest-keys';
import { manifestPages } from './manifest-reader';
import type { ManifestRow } from './manifest-row';
import type { Store } from './store';

/** Which of the newest pictures are asked for. */
export interface NewestQuery {
  /** Only of this camera. */
  readonly camera?: string | undefined;
  /** Only of this day, `2026-01-31` in UTC. */
  readonly day?: string | undefined;
  /** Only what comes after this place: the `next` of the page before. */
  readonly before?: string | undefined;
  /** How many at the most. */
  readonly limit: number;
}

/** A page of them. */
export interface NewestPage {
  /** The newest first. */
  readonly rows: readonly ManifestRow[];
  /** The `before` of the next page, where there is one. */
  readonly next?: string;
}

/**
 * The pictures of a manifest, the newest first, a page at a time. Of what is gathered it lists and reads hour by hour,
 * from the newest on, until the page is full; it holds a few pages in memory, however many a day has.
 */
export async function newestPictures(store: Store, query: NewestQuery): Promise<NewestPage> {
  const { camera, day = '', before, limit } = query;
  const forgotten = new KeyTable();
  const newest = new Newest(limit + 1);
  const take = (row: ManifestRow) => {
    if (row.outcome !== 'stored' || forgotten.has(row.key) || !row.captured.startsWith(day)) return;
    if (camera !== undefined && row.camera !== camera) return;
    if (before === undefined || placeOf(row) < before) newest.add(row);
  };
  // What is gathered meanwhile is found in its hour, which is looked for afterwards.
  for await (const { rows } of manifestPages(store, [FORGOTTEN, PARTS])) {
    for (const row of rows) {
      if (row.outcome === 'forgotten') forgotten.add(row.key);
      else take(row);
    }
  }
  const place = {
    ...(camera !== undefined && { camera }),
    ...(before !== undefined && { upTo: before }),
    day,
  };
  for await (const { hour, folders } of hoursBackwards(store, place)) {
    if (before !== undefined && hour > before.slice(0, hour.length)) continue;
    // All that follows is older.
    if ((newest.last?.captured ?? '') > `${hour}:60`) break;
    for await (const { rows } of manifestPages(store, folders)) rows.forEach(take);
  }
  const rows = newest.rows;
  const page = rows.slice(0, limit);
  const last = page.at(-1);
  return { rows: page, ...(rows.length > limit && last && { next: placeOf(last) }) };
}

/** The newest of any number of rows, each once. */
class Newest {
  readonly #count: number;
  readonly #rows = new Map<string, ManifestRow>();

  constructor(count: number) {
    this.#count = count;
  }

  add(row: ManifestRow): void {
    if (!this.#rows.has(row.key)) this.#rows.set(row.key, row);
    if (this.#rows.size >= 4 * this.#count) this.#trim();
  }

  /** The last of so many as are wanted; undefined while there are fewer. */
  get last(): ManifestRow | undefined {
    return this.rows[this.#count - 1];
  }

  get rows(): ManifestRow[] {
    this.#trim();
    return [...this.#rows.values()];
  }

  #trim(): void {
    const sorted = [...this.#rows.values()].sort((one, other) => (placeOf(one) < placeOf(other) ? 1 : -1));
    this.#rows.clear();
    for (const row of sorted.slice(0, this.#count)) this.#rows.set(row.key, row);
  }
}

/** By time; pictures of one frame by their keys. */
function placeOf({ captured, key }: ManifestRow): string {
  return `${captured} ${key}`;
}

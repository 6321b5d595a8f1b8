import { type ManifestDay, type ManifestRow, manifestDays, readManifest, type Store } from 'edge-relay';

export interface FacesQuery {
  /** All cameras without. */
  readonly camera?: string | undefined;
  /** `2026-01-31`; the newest without. */
  readonly day?: string | undefined;
  /** Only what comes after this place: the `next` of the page before. */
  readonly before?: string | undefined;
  readonly limit: number;
}

export interface FacesPage {
  readonly rows: readonly ManifestRow[];
  /** The `before` of the next page, where there is one. */
  readonly next?: string;
}

/** Faces of an archive, the newest first, a page at a time: whole days are read until it is full. */
export async function facesOf(store: Store, query: FacesQuery): Promise<FacesPage> {
  const { before, limit } = query;
  const days = (await manifestDays(store)).filter((each) => fits(each, query));
  const rows: ManifestRow[] = [];
  for (const date of new Set(days.map((each) => each.day))) {
    for (const place of days.filter((each) => each.day === date)) {
      for await (const row of readManifest(store, place)) {
        if (row.outcome === 'stored' && (before === undefined || placeOf(row) < before)) rows.push(row);
        // A day may have more than fits into memory.
        if (rows.length > 20 * limit) newest(rows, limit + 1);
      }
    }
    if (rows.length > limit) break;
  }
  newest(rows, limit + 1);
  const page = rows.slice(0, limit);
  const last = page.at(-1);
  return { rows: page, ...(rows.length > limit && last && { next: placeOf(last) }) };
}

/** Leaves so many of the newest, in their order. */
function newest(rows: ManifestRow[], count: number): void {
  rows.sort((one, other) => (placeOf(one) < placeOf(other) ? 1 : -1));
  rows.length = Math.min(rows.length, count);
}

/** By time; faces of one frame by their keys. */
function placeOf({ captured, key }: ManifestRow): string {
  return `${captured} ${key}`;
}

function fits(each: ManifestDay, { camera, day, before }: FacesQuery): boolean {
  return (
    (camera === undefined || each.camera === camera) &&
    (day === undefined || each.day === day) &&
    (before === undefined || each.day <= before.slice(0, 10))
  );
}

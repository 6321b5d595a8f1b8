import { KeyTable } from './key-table';
import { gatheredDays } from './manifest-hours';
import { FORGOTTEN, HOURS, hourFolders, MANIFEST, PARTS, REMOVED } from './manifest-keys';
import { decodeRows, type ManifestRow } from './manifest-row';
import type { Store } from './store';

/** What one file of the manifest holds. */
export interface ManifestPage {
  readonly key: string;
  readonly rows: readonly ManifestRow[];
  /** Lines that are no rows. */
  readonly damaged: number;
}

/** Files that are on their way to us while one is worked on, at the most. */
const AHEAD = 4;
/** How often files may be gathered anew under our hands. */
const ROUNDS = 20;

/** Gathered files first: of the rows of one object, theirs is the first that was written. */
const FOLDERS = [FORGOTTEN, HOURS, PARTS];

/**
 * All files of a manifest, what is forgotten first. A row may come more than once, as messages do. Files that
 * are gathered into others meanwhile are found there.
 * @param folders only what is below these
 */
export async function* manifestPages(
  store: Store,
  folders: Iterable<string> = [MANIFEST],
): AsyncGenerator<ManifestPage> {
  const read = new Set<string>();
  for (let round = 0; round < ROUNDS; round += 1) {
    let hasVanished = false;
    const keys: string[] = [];
    for (const folder of folders) {
      const found = await keysOf(store, folder);
      keys.push(...found.filter((key) => !(read.has(key) || key.startsWith(REMOVED))));
    }
    for await (const page of pagesOf(store, inOrder(keys))) {
      read.add(page.key);
      if (page.data === undefined) hasVanished = true;
      else yield { key: page.key, ...decodeRows(page.data) };
    }
    if (!hasVanished) return;
  }
}

/** A day of which a manifest has rows of a camera. */
export interface ManifestDay {
  /** The camera's name. */
  readonly camera: string;
  /** `2026-01-31`, in UTC. */
  readonly day: string;
}

/** The days of each camera, the last first; reads what is not gathered yet, and of all else only the names. */
export async function manifestDays(store: Store): Promise<ManifestDay[]> {
  const days = new Map<string, ManifestDay>();
  const add = (camera: string, day: string) => days.set(JSON.stringify([camera, day]), { camera, day });
  for await (const { camera, day } of gatheredDays(store)) add(nameOf(camera), day);
  for await (const { rows } of manifestPages(store, [PARTS])) {
    for (const { camera, captured } of rows) add(camera, captured.slice(0, 10));
  }
  return [...days.values()].sort((one, other) => (one.day === other.day ? 0 : one.day < other.day ? 1 : -1));
}

/** The camera whose folder is called so; a name that was too long for a folder stays cut off. */
function nameOf(folder: string): string {
  try {
    return decodeURIComponent(folder);
  } catch {
    return folder;
  }
}

/** Where rows of a camera can be, of an hour of it, or of all of them. */
export function foldersFor(row?: { readonly camera: string; readonly captured?: string }): string[] {
  return row === undefined ? [MANIFEST] : [FORGOTTEN, hourFolders(row), PARTS];
}

/**
 * The rows of a manifest, each once, without those of what is forgotten, in no promised order.
 * Only those of this camera, and of this day of it (`2026-01-31`), where they are given: that needs no reading of
 * the others.
 */
export async function* readManifest(
  store: Store,
  { camera, day }: Partial<ManifestDay> = {},
): AsyncGenerator<ManifestRow> {
  const known = new KeyTable();
  const place = camera === undefined ? undefined : { camera, ...(day !== undefined && { captured: day }) };
  const folders = foldersFor(place);
  for await (const { rows } of manifestPages(store, folders)) {
    for (const row of rows) {
      if (camera !== undefined && row.camera !== camera) continue;
      if (day !== undefined && !row.captured.startsWith(day)) continue;
      if (known.add(row.key) && row.outcome !== 'forgotten') yield row;
    }
  }
}

export async function keysOf(store: Store, prefix: string): Promise<string[]> {
  const keys: string[] = [];
  for await (const { key } of store.list(prefix)) if (key.endsWith('.jsonl')) keys.push(key);
  return keys;
}

/** The content of each file in turn, undefined for one that is gone. */
export async function* pagesOf(
  store: Store,
  keys: readonly string[],
): AsyncGenerator<{ readonly key: string; readonly data: Uint8Array | undefined }> {
  const coming: Promise<{ key: string; data: Uint8Array | undefined }>[] = [];
  let next = 0;
  const fetch = async (key: string) => ({ key, data: (await store.get(key))?.data });
  const askOn = () => {
    for (; coming.length < AHEAD && next < keys.length; next += 1) {
      const page = fetch(keys[next]!);
      page.catch(() => {});
      coming.push(page);
    }
  };
  askOn();
  for (let page = coming.shift(); page; page = coming.shift()) {
    const current = await page;
    askOn();
    yield current;
  }
}

function inOrder(keys: readonly string[]): string[] {
  const others = keys.filter((key) => !FOLDERS.some((folder) => key.startsWith(folder)));
  const ordered = FOLDERS.map((folder) => keys.filter((key) => key.startsWith(folder)).sort());
  return [...ordered.flat(), ...others];
}

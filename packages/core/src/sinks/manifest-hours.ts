import { HOURS, hourFolders } from './manifest-keys';
import type { Store } from './store';

/** An hour of capture (UTC) of which rows are gathered. */
export interface ManifestHour {
  /** `2026-01-31T03` */
  readonly hour: string;
  /** Where they are, one for each camera. */
  readonly folders: readonly string[];
}

/** A camera and a day (`2026-01-31`, UTC) of which rows are gathered. */
export interface GatheredDay {
  /** The folder of the camera's day. */
  readonly folder: string;
  /** The name of the camera's folder. */
  readonly camera: string;
  readonly day: string;
}

/** The days of all cameras, or of one, in no promised order: asks for names, one list a camera. */
export async function* gatheredDays(store: Store, camera?: string): AsyncGenerator<GatheredDay> {
  const cameras = camera === undefined ? await foldersIn(store, HOURS) : [hourFolders({ camera })];
  for (const place of cameras) {
    for (const folder of await foldersIn(store, place)) {
      const [, name = '', day] = /([^/]+)\/dt=(\d{4}-\d\d-\d\d)\/$/.exec(folder) ?? [];
      if (day !== undefined) yield { folder, camera: name, day };
    }
  }
}

/** The hours of a manifest, the last first; of a day that nobody comes to it asks for nothing. */
export async function* hoursBackwards(
  store: Store,
  { camera, day = '', upTo }: { readonly camera?: string; readonly day?: string; readonly upTo?: string },
): AsyncGenerator<ManifestHour> {
  const days = new Map<string, string[]>();
  for await (const found of gatheredDays(store, camera)) {
    if (!found.day.startsWith(day) || (upTo !== undefined && found.day > upTo.slice(0, 10))) continue;
    days.set(found.day, [...(days.get(found.day) ?? []), found.folder]);
  }
  for (const [date, places] of lastFirst(days)) {
    const hours = new Map<string, string[]>();
    for (const place of places) {
      for (const folder of await foldersIn(store, place)) {
        const [, hour] = /\/hour=(\d\d)\/$/.exec(folder) ?? [];
        if (hour !== undefined) hours.set(hour, [...(hours.get(hour) ?? []), folder]);
      }
    }
    for (const [hour, folders] of lastFirst(hours)) yield { hour: `${date}T${hour}`, folders };
  }
}

function lastFirst<T>(map: ReadonlyMap<string, T>): [string, T][] {
  return [...map].sort(([one], [other]) => (one < other ? 1 : -1));
}

/** What is directly below a prefix that ends with `/` and has something below it, each with a `/` at its end. */
async function foldersIn(store: Store, prefix: string): Promise<string[]> {
  const folders = new Set<string>();
  if (store.folders) {
    for await (const name of store.folders(prefix)) folders.add(`${prefix}${name}/`);
    return [...folders];
  }
  for await (const { key } of store.list(prefix)) {
    const end = key.indexOf('/', prefix.length);
    if (end > 0) folders.add(key.slice(0, end + 1));
  }
  return [...folders];
}

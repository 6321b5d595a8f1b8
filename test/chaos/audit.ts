import { createHash } from 'node:crypto';
import { readdir, readFile } from 'node:fs/promises';
import { basename, join } from 'node:path';

export interface Audit {
  /** Ids that were logged as published. */
  readonly published: number;
  /** Ids that an object was found for, logged or not: a publisher may be killed before it has logged. */
  readonly stored: number;
  /** Logged, and no object. */
  readonly lost: readonly string[];
  /** More than one object, or one that is kept under `conflicts/` or `rejected/`. */
  readonly doubled: readonly string[];
}

/** What became of the ids, judged by nothing but the names of the objects. */
export function audit(ids: Iterable<string>, keys: Iterable<string>): Audit {
  const found = new Map<string, number>();
  const doubled = new Set<string>();
  for (const key of keys) {
    const id = basename(key).replace(/\.[a-z]+$/, '');
    const count = (found.get(id) ?? 0) + 1;
    found.set(id, count);
    if (count > 1 || /^(conflicts|rejected)\//.test(key)) doubled.add(key);
  }
  const published = new Set(ids);
  const lost = [...published].filter((id) => !found.has(id));
  return { published: published.size, stored: found.size, lost, doubled: [...doubled] };
}

/** The keys of all objects in a FileStore's folder. */
export async function keysIn(folder: string): Promise<string[]> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true }).catch(() => []);
  return entries
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath ?? entry.path, entry.name).slice(folder.length + 1))
    .filter((key) => !key.startsWith('.'));
}

/** An id that says what its payload must be. */
export function idFor(prefix: string, payload: Uint8Array): string {
  return `${prefix}-${createHash('sha256').update(payload).digest('hex').slice(0, 16)}`;
}

/** The objects whose bytes are not those that their ids name. */
export async function damagedIn(folder: string, keys: readonly string[]): Promise<string[]> {
  const damaged: string[] = [];
  for (const key of keys) {
    const id = basename(key).replace(/\.[a-z]+$/, '');
    const prefix = id.slice(0, id.lastIndexOf('-'));
    if (idFor(prefix, await readFile(join(folder, key))) !== id) damaged.push(key);
  }
  return damaged;
}

import { FORGOTTEN, HOURS, hourFolder, hourKey, PARTS, partTime } from './manifest-keys';
import { keysOf, pagesOf } from './manifest-reader';
import { decodeRows, lastThere, type ManifestRow } from './manifest-row';
import type { Store } from './store';

/** What `compactManifest()` gathers, and how it is stopped. */
export interface CompactionOptions {
  /** Only parts that were begun so many milliseconds ago. @default 0 */
  readonly minimumAgeMs?: number;
  /** Stops it between two batches, with the signal's reason; what is done stays done. @default none */
  readonly signal?: AbortSignal | undefined;
}

/** What was gathered. */
export interface CompactionReport {
  /** Parts that are gathered now. */
  readonly parts: number;
  /** Rows that were in the parts. */
  readonly rows: number;
  /** Files that they were gathered into. */
  readonly files: number;
}

/** What is held of a row: its line stays as it was written, but for `again`. */
interface Entry extends Pick<ManifestRow, 'key' | 'captured' | 'stored' | 'again'> {
  readonly folder: string;
  readonly line: string;
}

/** What is held in memory at once, in bytes of parts. */
const BATCH_BYTES = 8 * 1024 * 1024;
const BATCH_PARTS = 1_000;
/** A file of an hour that has grown so large is left as it is; the next rows get another beside it. */
const FILE_BYTES = 4 * 1024 * 1024;

/**
 * Gathers the parts of a manifest into files by camera and hour, each row once. First the new file is written,
 * then what it was made of is deleted: whoever is killed, or does the same at the same time, leaves a row twice
 * at worst, and readers take it once.
 */
export async function compactManifest(
  store: Store,
  { minimumAgeMs = 0, signal }: CompactionOptions = {},
): Promise<CompactionReport> {
  const report = { parts: 0, rows: 0, files: 0 };
  const newest = Date.now() - minimumAgeMs;
  const parts: { key: string; bytes: number }[] = [];
  for await (const part of store.list(PARTS)) if (partTime(part.key) <= newest) parts.push(part);
  if (parts.length === 0) return report;
  const forgotten = await forgottenKeys(store);
  parts.sort((one, other) => (one.key < other.key ? -1 : 1));
  for (const batch of batches(parts)) {
    signal?.throwIfAborted();
    const gathered = await compactBatch(store, batch, forgotten);
    report.parts += gathered.parts;
    report.rows += gathered.rows;
    report.files += gathered.files;
  }
  return report;
}

/** The keys of all that was deleted for good. */
export async function forgottenKeys(store: Store): Promise<Set<string>> {
  const keys = new Set<string>();
  for await (const { data } of pagesOf(store, await keysOf(store, FORGOTTEN))) {
    if (data) for (const { key } of decodeRows(data).rows) keys.add(key);
  }
  return keys;
}

function* batches(parts: readonly { readonly key: string; readonly bytes: number }[]): Generator<string[]> {
  let batch: string[] = [];
  let total = 0;
  for (const { key, bytes } of parts) {
    if (batch.length > 0 && (total + bytes > BATCH_BYTES || batch.length >= BATCH_PARTS)) {
      yield batch;
      batch = [];
      total = 0;
    }
    batch.push(key);
    total += bytes;
  }
  yield batch;
}

async function compactBatch(
  store: Store,
  keys: readonly string[],
  forgotten: ReadonlySet<string>,
): Promise<CompactionReport> {
  const read: string[] = [];
  const hours = new Map<string, Entry[]>();
  let rows = 0;
  for await (const { key, data } of pagesOf(store, keys)) {
    // Gone: somebody else has gathered it. Damaged: it stays, for a person to look at.
    const content = data && decodeRows(data, entryOf);
    if (!content || content.damaged > 0) continue;
    read.push(key);
    for (const entry of content.rows) {
      const hour = hours.get(entry.folder);
      if (hour) hour.push(entry);
      else hours.set(entry.folder, [entry]);
    }
    rows += content.rows.length;
  }
  for (const [folder, hour] of hours) await compactHour(store, folder, hour, forgotten);
  for (const key of read) await store.delete(key);
  return { parts: read.length, rows, files: hours.size };
}

/** One new file of these rows and of the small files that the hour has, which it replaces. */
async function compactHour(
  store: Store,
  folder: string,
  rows: readonly Entry[],
  forgotten: ReadonlySet<string>,
): Promise<void> {
  const small: string[] = [];
  for await (const { key, bytes } of store.list(folder)) {
    if (key.startsWith(HOURS) && key.endsWith('.jsonl') && bytes < FILE_BYTES) small.push(key);
  }
  const replaced: string[] = [];
  const all: Entry[] = [];
  for await (const { key, data } of pagesOf(store, small)) {
    const content = data && decodeRows(data, entryOf);
    if (!content || content.damaged > 0) continue;
    replaced.push(key);
    all.push(...content.rows);
  }
  all.push(...rows);
  const lines = firstOfEach(all, forgotten).map(({ line }) => line);
  await replaceFiles(store, folder, lines, replaced);
}

function entryOf(row: ManifestRow, line: string): Entry {
  const { key, captured, stored, again } = row;
  return { key, captured, stored, ...(again !== undefined && { again }), folder: hourFolder(row), line };
}

/** Writes rows, each as its line, as a file of an hour, then deletes the files that it replaces. */
export async function replaceFiles(
  store: Store,
  folder: string,
  lines: readonly string[],
  replaced: readonly string[],
): Promise<void> {
  let written: string | undefined;
  if (lines.length > 0) {
    const content = Buffer.from(`${lines.join('\n')}\n`);
    written = hourKey(folder, content);
    await store.put(written, content, { contentType: 'application/x-ndjson' });
  }
  for (const key of replaced) if (key !== written) await store.delete(key);
}

/** Of the rows of one object the one that was written first, with what the others add, in the order of capture. */
function firstOfEach(rows: readonly Entry[], forgotten: ReadonlySet<string>): Entry[] {
  const first = new Map<string, Entry>();
  for (const row of rows) {
    if (forgotten.has(row.key)) continue;
    const known = first.get(row.key);
    first.set(row.key, known ? merged(known, row) : row);
  }
  return [...first.values()].sort(
    (one, other) => compare(one.captured, other.captured) || compare(one.key, other.key),
  );
}

/** The earlier row, which knows from the other one when its object was last there. */
function merged(one: Entry, other: Entry): Entry {
  const [first, later] = other.stored < one.stored ? [other, one] : [one, other];
  const again = lastThere(later);
  if (again <= lastThere(first)) return first;
  return { ...first, again, line: JSON.stringify({ ...JSON.parse(first.line), again }) };
}

function compare(one: string, other: string): number {
  if (one === other) return 0;
  return one < other ? -1 : 1;
}

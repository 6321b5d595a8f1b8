import { withStore } from './archive-store';
import { type Selection, selects } from './forget-selection';
import { KeyTable } from './key-table';
import { replaceFiles } from './manifest-compaction';
import { FORGOTTEN, HOURS, MANIFEST, PARTS, partKey } from './manifest-keys';
import { foldersFor, type ManifestPage, manifestPages } from './manifest-reader';
import { encodeRow, type ManifestRow } from './manifest-row';
import { isOwnNote, noteKey } from './object-key';
import type { S3StoreOptions } from './s3-options';
import type { SteadyStore } from './steady-store';
import type { Store } from './store';
import { isTombstone, TOMBSTONE_CONTENT_TYPE, tombstone } from './tombstone';
import { unlistedRow } from './unlisted';

/** What is deleted for good, and whether it is only looked for. */
export interface ForgetOptions extends Selection {
  /** Looks for what would be deleted, and deletes nothing. @default false */
  readonly dryRun?: boolean | undefined;
  /** Objects that are deleted at once. @default 16 */
  readonly concurrency?: number | undefined;
  /** For `s3://` locations. @default what S3StoreOptions says */
  readonly s3?: S3StoreOptions | undefined;
  /**
   * Stops it, and `forget()` rejects with the signal's reason; what is deleted stays deleted. @default none
   */
  readonly signal?: AbortSignal | undefined;
  /** Hears of each object that is deleted, or would be. @default nobody hears */
  readonly onForgotten?: ((object: { readonly key: string; readonly versions: number }) => void) | undefined;
}

/** What was deleted, or would be. */
export interface ForgetReport {
  /** The place it was deleted from, as a person would write it. */
  readonly location: string;
  /** Whether nothing was deleted, as it was asked for. */
  readonly dryRun: boolean;
  /** Objects that were deleted, or would be. */
  readonly objects: number;
  /** What they took, in bytes. */
  readonly bytes: number;
  /** Versions of them that the store kept, the last ones included. */
  readonly versions: number;
  /** Rows that left the manifest, or would. */
  readonly rows: number;
  /** By camera, how many objects. */
  readonly cameras: Readonly<Record<string, number>>;
  /** First and last capture of them, RFC 3339 in UTC. */
  readonly first?: string;
  /** The last capture of them, RFC 3339 in UTC. */
  readonly last?: string;
  /** What was found when all was looked at once more: keys that still hold something, or still have a row. */
  readonly remaining: readonly string[];
  /** Whether nothing of it was found any more; false for a dry run. */
  readonly proven: boolean;
}

/** How often an object may be stored anew between our deleting it and our putting the tombstone there. */
const ATTEMPTS = 10;
/** Files that others write meanwhile are looked at in the next round. */
const ROUNDS = 20;

/**
 * Deletes objects for good, with all their versions, and their rows in the manifest. A tombstone stays under each
 * key, so that a message which is delivered late does not bring the object back, and a row says that it is gone
 * on purpose: with its id, camera and number, and nothing else. Afterwards it looks at all of it once more.
 *
 * May run while sinks store, and again after it was killed: it goes on where it was.
 * @throws {TypeError} where nothing is selected. @throws {RelayError} of the store; the signal's reason.
 */
export async function forget(location: string | Store, options: ForgetOptions): Promise<ForgetReport> {
  const isSelected = selects(options);
  return withStore(location, { ...options, isReadOnly: options.dryRun ?? false }, (store) =>
    new Forgetting(store, options, isSelected).run(),
  );
}

class Forgetting {
  readonly #store: SteadyStore;
  readonly #options: ForgetOptions;
  readonly #isSelected: (row: ManifestRow) => boolean;
  readonly #folders: readonly string[];
  /** Keys that are dealt with. */
  readonly #done = new KeyTable();
  readonly #cameras = new Map<string, number>();
  readonly #counts = { objects: 0, bytes: 0, versions: 0, rows: 0 };
  readonly #written: string[] = [];
  readonly #at = Date.now();
  #first: string | undefined;
  #last: string | undefined;

  constructor(store: SteadyStore, options: ForgetOptions, isSelected: (row: ManifestRow) => boolean) {
    this.#store = store;
    this.#options = options;
    this.#isSelected = isSelected;
    const { camera, objects } = options;
    const folders = objects?.flatMap(foldersFor) ?? foldersFor(camera === undefined ? undefined : { camera });
    this.#folders = [...new Set(folders)];
  }

  async run(): Promise<ForgetReport> {
    const dryRun = this.#options.dryRun ?? false;
    for (let round = 0; round < ROUNDS; round += 1) {
      const found = await this.#round();
      if (dryRun || !found) break;
    }
    if (!this.#options.objects) await this.#forgetUnlisted();
    // What was gathered into other files before is deleted, but may be kept as a version.
    if (!dryRun) await this.#store.eraseEarlier(MANIFEST);
    const remaining = dryRun ? [] : await this.#verify();
    return {
      location: this.#store.location,
      dryRun,
      ...this.#counts,
      cameras: Object.fromEntries([...this.#cameras].sort()),
      ...(this.#first !== undefined && { first: this.#first, last: this.#last! }),
      remaining,
      proven: !dryRun && remaining.length === 0,
    };
  }

  /** Goes through the files of the manifest once; false where nothing was found. */
  async #round(): Promise<boolean> {
    let isFound = false;
    for await (const page of manifestPages(this.#store, this.#folders)) {
      if (page.key.startsWith(FORGOTTEN)) continue;
      const selected = page.rows.filter((row) => this.#isSelected(row));
      if (selected.length === 0) continue;
      isFound = true;
      this.#counts.rows += selected.length;
      await this.#forgetObjects(selected);
      if (!this.#options.dryRun) await this.#replace(page);
    }
    return isFound;
  }

  /** First it is written down that they are forgotten: whoever is killed after that can be followed up. */
  async #forgetObjects(rows: readonly ManifestRow[]): Promise<void> {
    const fresh = rows.filter((row) => this.#done.add(row.key));
    if (fresh.length === 0) return;
    if (!this.#options.dryRun) {
      const key = partKey(FORGOTTEN);
      const lines = fresh.map((row) => encodeRow(this.#forgottenRow(row)));
      await this.#store.put(key, Buffer.from(lines.join('')), { contentType: 'application/x-ndjson' });
      this.#written.push(key);
    }
    const waiting = [...fresh];
    const work = async () => {
      for (let row = waiting.shift(); row; row = waiting.shift()) await this.#forgetObject(row);
    };
    await Promise.all(Array.from({ length: this.#options.concurrency ?? 16 }, work));
  }

  async #forgetObject(row: ManifestRow): Promise<void> {
    const versions = this.#options.dryRun ? await this.#store.versions(row.key) : await this.#bury(row);
    this.#counts.objects += 1;
    this.#counts.bytes += row.bytes;
    this.#counts.versions += versions;
    this.#cameras.set(row.camera, (this.#cameras.get(row.camera) ?? 0) + 1);
    if (this.#first === undefined || row.captured < this.#first) this.#first = row.captured;
    if (this.#last === undefined || row.captured > this.#last) this.#last = row.captured;
    this.#options.onForgotten?.({ key: row.key, versions });
  }

  /** Puts a tombstone in the place of an object; resolves with how many versions there were. */
  async #bury({ key, outcome }: ManifestRow): Promise<number> {
    let versions = 0;
    if (outcome === 'rejected') versions += await this.#store.erase(noteKey(key));
    for (let attempt = 0; attempt < ATTEMPTS; attempt += 1) {
      versions += await this.#store.erase(key);
      const details = { contentType: TOMBSTONE_CONTENT_TYPE };
      if ((await this.#store.put(key, tombstone(this.#at), details)) === 'created') return versions;
      // Delivered late, just now, or buried by somebody else.
      const existing = await this.#store.get(key);
      if (existing && isTombstone(existing.data) && (await this.#store.versions(key)) === 1) return versions;
    }
    return versions;
  }

  #forgottenRow({ id, key, camera, boot, number, captured }: ManifestRow): ManifestRow {
    return {
      outcome: 'forgotten',
      id,
      key,
      camera,
      ...(boot !== undefined && { boot }),
      ...(number !== undefined && { number }),
      captured,
      stored: new Date(this.#at).toISOString(),
      bytes: 0,
      sha256: '',
    };
  }

  /** Writes the file of the manifest anew without what is selected, and erases the old one. */
  async #replace({ key, rows }: ManifestPage): Promise<void> {
    const kept = rows.filter((row) => !this.#isSelected(row));
    if (key.startsWith(HOURS)) {
      await replaceFiles(
        this.#store,
        key.slice(0, key.lastIndexOf('/') + 1),
        kept.map((row) => JSON.stringify(row)),
        [],
      );
    } else if (kept.length > 0) {
      const content = Buffer.from(kept.map(encodeRow).join(''));
      await this.#store.put(partKey(PARTS), content, { contentType: 'application/x-ndjson' });
    }
    await this.#store.erase(key);
  }

  /** Objects without a row say themselves whose they are. */
  async #forgetUnlisted(): Promise<void> {
    const known = new KeyTable();
    for await (const { rows } of manifestPages(this.#store)) for (const row of rows) known.add(row.key);
    for await (const { key } of this.#store.list()) {
      if (key.startsWith(MANIFEST) || isOwnNote(key) || known.has(key)) continue;
      if (this.#done.has(key)) continue;
      const object = await this.#store.get(key);
      if (!object || isTombstone(object.data)) continue;
      const row = await unlistedRow(key, object);
      if (row && this.#isSelected(row)) await this.#forgetObjects([row]);
    }
  }

  /** What is still there of what this run has forgotten. */
  async #verify(): Promise<string[]> {
    const remaining = new Set<string>();
    for await (const { rows, key } of manifestPages(this.#store, this.#folders)) {
      if (key.startsWith(FORGOTTEN)) continue;
      for (const row of rows) if (this.#isSelected(row) && this.#done.has(row.key)) remaining.add(row.key);
    }
    for await (const { rows, key } of manifestPages(this.#store, [FORGOTTEN])) {
      if (!this.#written.includes(key)) continue;
      for (const row of rows) if (!(await this.#isBuried(row.key))) remaining.add(row.key);
    }
    return [...remaining].sort();
  }

  async #isBuried(key: string): Promise<boolean> {
    const object = await this.#store.get(key);
    return object !== undefined && isTombstone(object.data) && (await this.#store.versions(key)) === 1;
  }
}

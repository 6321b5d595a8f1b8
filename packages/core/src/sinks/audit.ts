import { createHash } from 'node:crypto';
import { withStore } from './archive-store';
import { CameraAccount, type CameraAudit } from './camera-account';
import { KeyTable } from './key-table';
import { MANIFEST } from './manifest-keys';
import { manifestPages } from './manifest-reader';
import { lastThere, type ManifestRow } from './manifest-row';
import { isOwnNote } from './object-key';
import { removalsOf } from './removal-account';
import type { S3StoreOptions } from './s3-options';
import type { Store } from './store';
import { isTombstone } from './tombstone';

/** Which part of an archive is audited, and how closely. */
export interface AuditOptions {
  /** Reads every object and compares its SHA-256; without it the store's listing is compared. @default false */
  readonly verify?: boolean | undefined;
  /** Only what this camera has taken. @default all cameras */
  readonly camera?: string | undefined;
  /** Only what was taken at or after this time. @default from the beginning */
  readonly since?: Date | undefined;
  /** Objects that are read at once. @default 16 */
  readonly concurrency?: number | undefined;
  /** For `s3://` locations. @default what S3StoreOptions says */
  readonly s3?: S3StoreOptions | undefined;
  /** Stops the audit, which rejects with the signal's reason. @default none */
  readonly signal?: AbortSignal | undefined;
  /** Hears now and then how far it is. @default nobody hears */
  readonly onProgress?: ((progress: AuditProgress) => void) | undefined;
}

/** How far an audit is. */
export interface AuditProgress {
  /** `manifest`: rows are read; `listing`: objects are listed; `verifying`: objects are read. */
  readonly step: 'manifest' | 'listing' | 'verifying';
  /** Rows or objects that it is done with in this step. */
  readonly done: number;
  /** Where it is known. */
  readonly total?: number;
}

/** How many there are, and the keys of the first of them. */
export interface Finding {
  /** How many there are. */
  readonly count: number;
  /** The keys of the first of them. */
  readonly keys: readonly string[];
}

/** What an audit has found. */
export interface AuditReport {
  /** The place that was audited, as a person would write it. */
  readonly location: string;
  /** When it was made, RFC 3339 in UTC. */
  readonly at: string;
  /** Rows of the manifest, each object's once. */
  readonly rows: number;
  /** Lines of the manifest that are no rows. */
  readonly damagedRows: number;
  /** What was found of each camera. */
  readonly cameras: readonly CameraAudit[];
  /** Whether every object was read and compared, or the store's listing. */
  readonly verified: boolean;
  /** Objects that have a row and are not there. */
  readonly missingObjects: Finding;
  /** Objects of another size, or with `verify` other bytes, than their row says. */
  readonly damagedObjects: Finding;
  /**
   * Objects without a row: stored before there was a manifest, or by somebody else, or not acknowledged yet.
   * Not looked for with `camera`, `since` or `verify`.
   */
  readonly unlistedObjects?: Finding;
  /** Whether no number, object or row is missing or damaged; false also where there is no manifest at all. */
  readonly complete: boolean;
}

const SEEN = 1;
/** Not there, and meant not to be. */
const GONE = 2;
/** Removed by the rules of the store, as far as the rows that were read say. */
const REMOVED = 4;
const KEYS_SHOWN = 100;
const PROGRESS_EACH = 10_000;

/**
 * Reads the manifest of a store and compares it with what is there: which numbers of which camera are missing
 * without a gap record, which objects are missing or damaged, and how long each hop took. It changes nothing,
 * and may run while sinks store: what is on its way then can count as missing.
 * @param location as of a Sink: `s3://bucket/prefix`, the path or `file:` URL of a folder, or a store
 * @throws {RelayError} of the store, `STORE_NOT_FOUND` for a folder that is not there; the signal's reason.
 */
export async function audit(location: string | Store, options: AuditOptions = {}): Promise<AuditReport> {
  return withStore(location, { ...options, isReadOnly: true }, (store) => new Audit(store, options).run());
}

class Audit {
  readonly #store: Store;
  readonly #options: AuditOptions;
  readonly #since: string;
  readonly #isWhole: boolean;
  readonly #known = new KeyTable();
  /** With the time of the last removal of each. */
  readonly #removed = new KeyTable();
  readonly #cameras = new Map<string, CameraAccount>();
  readonly #missing = new Found();
  readonly #damaged = new Found();
  readonly #unlisted = new Found();
  #rows = 0;
  /** Rows whose object has to be there. */
  #objects = 0;
  #damagedRows = 0;

  constructor(store: Store, options: AuditOptions) {
    this.#store = store;
    this.#options = options;
    this.#since = options.since?.toISOString() ?? '';
    this.#isWhole = options.since === undefined;
  }

  async run(): Promise<AuditReport> {
    await this.#readManifest();
    if (this.#options.verify) await this.#verify();
    else await this.#compareListing();
    const cameras = [...this.#cameras.values()].map((camera) => camera.audit(this.#isWhole));
    cameras.sort((one, other) => (one.camera < other.camera ? -1 : 1));
    const isAll = this.#isWhole && this.#options.camera === undefined && !this.#options.verify;
    const faults = this.#missing.count + this.#damaged.count + this.#damagedRows;
    return {
      location: this.#store.location,
      at: new Date().toISOString(),
      rows: this.#rows,
      damagedRows: this.#damagedRows,
      cameras,
      verified: this.#options.verify ?? false,
      missingObjects: this.#missing.finding,
      damagedObjects: this.#damaged.finding,
      ...(isAll && { unlistedObjects: this.#unlisted.finding }),
      complete: this.#rows > 0 && faults === 0 && cameras.every(({ missing }) => missing === 0),
    };
  }

  async #readManifest(): Promise<void> {
    for await (const { key, removedAt } of removalsOf(this.#store)) this.#addRemoval(key, removedAt);
    for await (const { rows, damaged } of manifestPages(this.#store)) {
      this.#damagedRows += damaged;
      for (const row of rows) if (this.#concerns(row)) this.#count(row);
      this.#tell('manifest', this.#rows);
    }
  }

  #addRemoval(key: string, removedAt: number): void {
    if (this.#removed.add(key, removedAt)) return;
    const slot = this.#removed.slotOf(key)!;
    this.#removed.replaceAt(slot, Math.max(removedAt, this.#removed.numberAt(slot)), 0);
  }

  #count(row: ManifestRow): void {
    const isRemoved = this.#isRemoved(row);
    // Where something is forgotten, a tombstone of another size is.
    const isGone = row.outcome === 'forgotten' || isRemoved;
    if (!this.#known.add(row.key, row.bytes, isRemoved ? REMOVED : isGone ? GONE : 0)) {
      if (!isGone) this.#countAgain(row);
      return;
    }
    this.#rows += 1;
    if (!isGone) this.#objects += 1;
    this.#cameraOf(row).add(row, isRemoved);
  }

  /** A message that was delivered late may have brought back what had been removed. */
  #countAgain(row: ManifestRow): void {
    const slot = this.#known.slotOf(row.key)!;
    if (this.#known.flagsAt(slot) !== REMOVED) return;
    this.#known.replaceAt(slot, row.bytes, 0);
    this.#objects += 1;
    this.#cameraOf(row).bringBack(row);
  }

  /** Whether an object was removed by the rules, and was not stored anew since, as far as this row says. */
  #isRemoved(row: ManifestRow): boolean {
    const slot = this.#removed.slotOf(row.key);
    return slot !== undefined && Date.parse(lastThere(row)) <= this.#removed.numberAt(slot);
  }

  #cameraOf(row: ManifestRow): CameraAccount {
    let camera = this.#cameras.get(row.camera);
    if (!camera) {
      camera = new CameraAccount(row.camera);
      this.#cameras.set(row.camera, camera);
    }
    return camera;
  }

  #concerns(row: ManifestRow): boolean {
    const { camera } = this.#options;
    return (camera === undefined || row.camera === camera) && row.captured >= this.#since;
  }

  async #compareListing(): Promise<void> {
    let listed = 0;
    let there = 0;
    for await (const { key, bytes } of this.#store.list()) {
      if (key.startsWith(MANIFEST) || isOwnNote(key)) continue;
      listed += 1;
      if (listed % PROGRESS_EACH === 0) this.#tell('listing', listed, this.#objects);
      const slot = this.#known.slotOf(key);
      if (slot === undefined) this.#unlisted.add(key);
      if (slot === undefined || this.#known.flagsAt(slot) !== 0) continue;
      this.#known.flagAt(slot, SEEN);
      there += 1;
      if (this.#known.numberAt(slot) !== bytes) this.#damaged.add(key);
    }
    if (there < this.#objects) await this.#nameMissing();
  }

  /** The table knows only hashes: the manifest is read once more. */
  async #nameMissing(): Promise<void> {
    for await (const { rows } of manifestPages(this.#store)) {
      for (const { key } of rows) {
        if (!this.#isNew(key)) continue;
        // Stored since the listing went by, perhaps.
        if ((await this.#store.get(key)) === undefined) this.#missing.add(key);
      }
    }
  }

  /** Whether an object has to be there and was not looked at yet; it counts as looked at from now on. */
  #isNew(key: string): boolean {
    const slot = this.#known.slotOf(key);
    if (slot === undefined || this.#known.flagsAt(slot) !== 0) return false;
    this.#known.flagAt(slot, SEEN);
    return true;
  }

  async #verify(): Promise<void> {
    const concurrency = this.#options.concurrency ?? 16;
    const running = new Set<Promise<void>>();
    let failure: { readonly error: unknown } | undefined;
    let done = 0;
    for await (const { rows } of manifestPages(this.#store)) {
      for (const row of rows) {
        if (!this.#isNew(row.key)) continue;
        const work = this.#compare(row)
          .catch((error) => {
            failure ??= { error };
          })
          .finally(() => running.delete(work));
        running.add(work);
        if (running.size >= concurrency) await Promise.race(running);
        if (failure) throw failure.error;
        done += 1;
        this.#tell('verifying', done, this.#objects);
      }
    }
    await Promise.all(running);
    if (failure) throw (failure as { readonly error: unknown }).error;
  }

  async #compare({ key, sha256 }: ManifestRow): Promise<void> {
    const object = await this.#store.get(key);
    if (!object) {
      this.#missing.add(key);
      return;
    }
    const isGood = createHash('sha256').update(object.data).digest('hex') === sha256;
    // A tombstone: it was forgotten since the manifest was read.
    if (!isGood && !isTombstone(object.data)) this.#damaged.add(key);
  }

  #tell(step: AuditProgress['step'], done: number, total?: number): void {
    this.#options.onProgress?.({ step, done, ...(total !== undefined && { total }) });
  }
}

class Found {
  readonly #keys: string[] = [];
  #count = 0;

  get count(): number {
    return this.#count;
  }

  get finding(): Finding {
    return { count: this.#count, keys: [...this.#keys].sort() };
  }

  add(key: string): void {
    this.#count += 1;
    if (this.#keys.length < KEYS_SHOWN) this.#keys.push(key);
  }
}

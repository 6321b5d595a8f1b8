import type { Message } from '../message';
import { PassingMap } from '../passing-map';
import { isLent } from '../slab';
import { BUNDLE_BYTES, BUNDLE_MESSAGES, type Bundle, type Bundled, bundlesOf } from './bundle';
import { type Tables, viewOf } from './lmdb-tables';
import { decodeBundled, decodeRecord, encodeRecords, recordAt, type StoredRecord } from './message-codec';
import type { PayloadFile, Place } from './payload-file';

/** The rows of so many positions lie together; a bundle never lies in two of these. */
const BLOCK_ROWS = 1_024;
/** What is worth a place in the file, in bytes: a smaller bundle costs LMDB less than what lies around it in its pages. */
const WORTH_A_PLACE_BYTES = 16 * 1024;
/**
 * A larger message is LMDB's, in bytes: a group of these is tens of megabytes, and nothing of it goes on before all is written
 * to the one and then to the other.
 */
const LARGE_BYTES = 64 * 1024;

/** For each of neighbouring positions how far behind the first of its bundle it is, plus one; 0 where no message is. */
class Block {
  readonly distances = new Uint8Array(BLOCK_ROWS);
  size = 0;
}

/** What was written before its transaction began. */
interface Prepared {
  readonly items: readonly Bundled[];
  readonly bundles: readonly Bundle<Bundled>[];
  /** By the bundle. */
  readonly places: ReadonlyMap<Bundle<Bundled>, Place>;
}

/**
 * The messages of a spool in its database, in bundles that are put and removed as one: a value for each message costs LMDB
 * twice as much. Payloads that lie in a slab are written to a file beside it, without a copy, where it has room. In memory it keeps
 * a byte for each position.
 */
export class LmdbBundles {
  readonly #tables: Tables;
  readonly #file: PayloadFile;
  readonly #blocks = new Map<number, Block>();
  /** Those of which some messages have left. */
  readonly #partial = new Set<number>();
  /** The payloads that were read last: the next message is probably one of theirs. */
  #read: { readonly bundle: number; readonly bytes: Buffer } | undefined;
  /** Where they lie. */
  #memory: Buffer | undefined;
  /** Those whose payloads lie in the file. */
  readonly #places = new PassingMap<number, Place>();
  /** Left free by what was removed, by a transaction that a power cut may still undo. */
  #leaving: Place[] = [];
  #prepared: Prepared | undefined;
  /**
   * Whether something of this opening is on the disk: until then a power cut may bring back what an earlier process, which
   * was killed, has removed.
   */
  #hasFlushed = false;

  /** @param file is open */
  constructor(tables: Tables, file: PayloadFile) {
    this.#tables = tables;
    this.#file = file;
  }

  /** Whether all that an earlier process has written to the file is there; before anything else. */
  findPlaces(): boolean {
    for (const { key: bundle, value } of this.#tables.places.getRange()) {
      if (value.byteLength !== 12) return false;
      const [block, head, bytes] = [value.readUInt32LE(0), value.readUInt32LE(4), value.readUInt32LE(8)];
      const place = { block, head, bytes };
      if (!this.#file.occupy(place)) return false;
      this.#places.set(bundle, place);
    }
    return true;
  }

  /** What an earlier process has left, in the order of the positions. @throws {Error} for records that are none */
  *load(): Iterable<{ readonly position: number; readonly record: StoredRecord }> {
    const { records, staying } = this.#tables;
    for (const { key: bundle, value } of records.getRange()) {
      const some = staying.get(bundle);
      if (some) this.#partial.add(bundle);
      for (let distance = 0; ; distance += 1) {
        const record = recordAt(value, distance);
        if (!record) break;
        if (some && !some.includes(distance)) continue;
        const position = bundle + distance;
        // Where a flush failed, a message was put once more alone: there it is removed.
        const isKnown = this.#bundleOf(position) !== undefined;
        this.placed(position, bundle);
        if (!isKnown) yield { position, record: decodeRecord(record) };
      }
    }
  }

  /** Writes what it can to the file; before the transaction that puts these. Only for one at a time. */
  async prepare(items: readonly Bundled[]): Promise<void> {
    this.#prepared = undefined;
    if (!(this.#hasFlushed && items.some(({ message }) => isLent(message.payload)))) return;
    const bundles = bundlesOf(items, BLOCK_ROWS);
    const direct = bundles.filter(isWorthAPlace);
    if (direct.length === 0) return;
    const found = await this.#file.write(direct.map(({ bytes }) => bytes));
    if (!found) return;
    const places = new Map(found.map((place, index) => [direct[index]!, place]));
    this.#prepared = { items, bundles, places };
  }

  /**
   * Within a transaction: puts messages, in the order of their positions; gives the bundle of each.
   * @param inPieces puts each by itself: it finds room in a file that must not grow where a bundle would find none
   */
  put(items: readonly Bundled[], inPieces = false): number[] {
    const found: number[] = [];
    this.#read = undefined;
    const prepared = this.#prepared?.items === items ? this.#prepared : undefined;
    this.#prepared = undefined;
    for (const bundle of prepared?.bundles ?? bundlesOf(items, inPieces ? 1 : BLOCK_ROWS)) {
      const { position } = bundle.items[0]!.kept;
      this.#tables.records.put(position, encodeRecords(bundle));
      this.#putPayloads(position, bundle, prepared?.places.get(bundle));
      for (const _ of bundle.items) found.push(position);
    }
    return found;
  }

  #putPayloads(position: number, { bytes }: Bundle<Bundled>, place: Place | undefined): void {
    const { payloads, places } = this.#tables;
    if (place) {
      this.#places.set(position, place);
      const numbers = Buffer.allocUnsafe(12);
      numbers.writeUInt32LE(place.block, 0);
      numbers.writeUInt32LE(place.head, 4);
      numbers.writeUInt32LE(place.bytes, 8);
      places.put(position, numbers);
      return;
    }
    payloads.put(position, bytes);
    // It was put before, and its flush failed; what it took of the file stays taken until that is opened again.
    if (this.#places.delete(position)) places.remove(position);
  }

  /** What was put is in the database. */
  placed(position: number, bundle: number): void {
    const number = Math.floor(position / BLOCK_ROWS);
    let block = this.#blocks.get(number);
    if (!block) {
      block = new Block();
      this.#blocks.set(number, block);
    }
    const row = position % BLOCK_ROWS;
    if (block.distances[row] === 0) block.size += 1;
    block.distances[row] = position - bundle + 1;
  }

  /** Within a transaction: removes messages; each bundle with the last of its own. */
  remove(positions: readonly number[]): void {
    const { payloads, places, records, staying } = this.#tables;
    const leaving = new Set(positions);
    for (const bundle of this.#bundlesOf(positions)) {
      const rest = this.#messagesOf(bundle).filter((position) => !leaving.has(position));
      if (rest.length > 0) {
        // It is gone where a flush failed and this comes again: a row left behind would hide who comes to its place.
        if (!records.doesExist(bundle)) continue;
        staying.put(bundle, Buffer.from(rest.map((position) => position - bundle)));
        continue;
      }
      records.remove(bundle);
      if (this.#places.get(bundle)) places.remove(bundle);
      else payloads.remove(bundle);
      if (this.#partial.has(bundle)) staying.remove(bundle);
    }
  }

  /**
   * What was removed is no longer in the database.
   * @param isFlushed whether that is on the disk, and what was removed before, too
   */
  removed(positions: readonly number[], isFlushed: boolean): void {
    const bundles = this.#bundlesOf(positions);
    for (const position of positions) {
      const number = Math.floor(position / BLOCK_ROWS);
      const block = this.#blocks.get(number);
      const row = position % BLOCK_ROWS;
      if (!block || block.distances[row] === 0) continue;
      block.distances[row] = 0;
      block.size -= 1;
      if (block.size === 0) this.#blocks.delete(number);
    }
    for (const bundle of bundles) {
      if (this.#messagesOf(bundle).length > 0) this.#partial.add(bundle);
      else this.#gone(bundle);
    }
    if (!isFlushed) return;
    this.#hasFlushed = true;
    for (const place of this.#leaving) this.#file.give(place);
    this.#leaving = [];
  }

  #gone(bundle: number): void {
    this.#partial.delete(bundle);
    const place = this.#places.get(bundle);
    if (!place) return;
    this.#places.delete(bundle);
    this.#leaving.push(place);
  }

  /** The message at a position; undefined where it is not, or not whole. */
  read(position: number, copy: (payload: Buffer) => Buffer = Buffer.from): Message | undefined {
    const bundle = this.#bundleOf(position);
    const found = bundle === undefined ? undefined : this.#tables.records.getBinaryFast(bundle);
    const record = found && recordAt(viewOf(found), position - bundle!);
    return record && decodeBundled(record, () => this.#payloadsOf(bundle!), copy);
  }

  #payloadsOf(bundle: number): Buffer | undefined {
    if (this.#read?.bundle === bundle) return this.#read.bytes;
    const bytes = this.#bytesOf(bundle);
    if (!bytes) return undefined;
    if (bytes.byteLength > BUNDLE_BYTES || this.#messagesOf(bundle).length === 1) return bytes;
    this.#memory ??= Buffer.allocUnsafeSlow(BUNDLE_BYTES);
    const kept = this.#memory.subarray(0, bytes.copy(this.#memory));
    this.#read = { bundle, bytes: kept };
    return kept;
  }

  #bytesOf(bundle: number): Buffer | undefined {
    const place = this.#places.get(bundle);
    if (place) return this.#file.read(place);
    const found = this.#tables.payloads.getBinaryFast(bundle);
    return found && viewOf(found);
  }

  #bundleOf(position: number): number | undefined {
    const block = this.#blocks.get(Math.floor(position / BLOCK_ROWS));
    const distance = block?.distances[position % BLOCK_ROWS] ?? 0;
    return distance === 0 ? undefined : position + 1 - distance;
  }

  /** The positions of what is left of a bundle. */
  #messagesOf(bundle: number): number[] {
    const block = this.#blocks.get(Math.floor(bundle / BLOCK_ROWS));
    const found: number[] = [];
    for (let distance = 0; block && distance < BUNDLE_MESSAGES; distance += 1) {
      if (block.distances[(bundle % BLOCK_ROWS) + distance] === distance + 1) found.push(bundle + distance);
    }
    return found;
  }

  #bundlesOf(positions: readonly number[]): Set<number> {
    const found = new Set<number>();
    for (const position of positions) {
      const bundle = this.#bundleOf(position);
      if (bundle !== undefined) found.add(bundle);
    }
    return found;
  }
}

function isWorthAPlace({ bytes: { byteLength }, items: [first] }: Bundle<Bundled>): boolean {
  const { payload } = first!.message;
  return byteLength >= WORTH_A_PLACE_BYTES && payload.byteLength <= LARGE_BYTES && isLent(payload);
}

import { closeSync, constants, openSync, readSync } from 'node:fs';
import { type FileHandle, open } from 'node:fs/promises';
import { dirname } from 'node:path';
import { PAGE_BYTES } from '../slab';
import { BlockMap } from './block-map';
import { type AddressOf, loadAddressOf } from './lmdb-file';

/** Where bytes lie in the file. */
export interface Place {
  /** The first of its blocks. */
  readonly block: number;
  /** Where in that block they begin. */
  readonly head: number;
  readonly bytes: number;
}

/** How large the file is at the most, in bytes: a few times what is on its way through a busy bridge. */
const FILE_BYTES = 64 * 1024 ** 2;
const BLOCK_BYTES = PAGE_BYTES;
/** How many places one write fills at the most. */
const MAXIMUM_PLACES = 256;

/** Whole pages of memory, which the kernel reads and writes without a copy. */
class AlignedMemory {
  readonly bytes: Buffer;

  constructor(bytes: number, addressOf: AddressOf) {
    const memory = Buffer.from(new ArrayBuffer(bytes + PAGE_BYTES));
    const start = -addressOf(memory.buffer) & (PAGE_BYTES - 1);
    this.bytes = memory.subarray(start, start + bytes);
  }
}

/**
 * A file that bytes are written to straight from where they lie in memory, past the kernel's cache (`O_DIRECT`, open(2)): no
 * copy is made of them, and they are on the disk when the write has ended (`O_DSYNC`). Both sides have to lie at whole pages, so
 * what is around the bytes in their pages is written, too. Who writes keeps the places, and says at each start which are taken.
 *
 * It is an offer: where the kernel, the file system or the disk cannot do it, or the file is full, `write()` says so, and the bytes
 * go elsewhere.
 */
export class PayloadFile {
  readonly #path: string;
  readonly #blocks = new BlockMap(FILE_BYTES / BLOCK_BYTES);
  #handle: FileHandle | undefined;
  #addressOf: AddressOf | undefined;
  /** What the ends of the places are written from, a block each. */
  #ends: AlignedMemory | undefined;
  #read: AlignedMemory | undefined;
  #size = 0;
  #isWritable = constants.O_DIRECT !== undefined;

  /** @param path of the file, which the first write makes */
  constructor(path: string) {
    this.#path = path;
  }

  /** Opens the file of an earlier process, where there is one. */
  async open(): Promise<void> {
    this.#addressOf = await loadAddressOf();
    if (!this.#addressOf) this.#isWritable = false;
    const found = this.#isWritable
      ? await this.#openFile(constants.O_RDWR).catch(() => undefined)
      : undefined;
    this.#handle = found ?? (await open(this.#path, constants.O_RDONLY).catch(ifMissing));
    if (!this.#handle) return;
    if (!found) this.#isWritable = false;
    try {
      this.#size = (await this.#handle.stat()).size;
      // Who made it may have been killed before its name was on the disk.
      if (found) await this.#syncFolder();
    } catch (error) {
      await this.close();
      throw error;
    }
  }

  /** Whether all of a place, which an earlier process has written, is there; from then on it is taken. */
  occupy(place: Place): boolean {
    const end = (place.block + blocksOf(place)) * BLOCK_BYTES;
    if (end > this.#size || end > FILE_BYTES) return false;
    this.#blocks.occupy(place.block, blocksOf(place));
    return true;
  }

  /** What lies at a place may be overwritten. */
  give(place: Place): void {
    this.#blocks.give(place.block, blocksOf(place));
  }

  /**
   * Writes each to a place of its own, and resolves with these when it is on the disk; with fewer where there are more pieces
   * than one write takes or than there is room for, undefined where none can be written. Only one write at a time.
   * @param pieces parts of slabs, which have their first page to spare: nothing may change before or in them meanwhile
   */
  async write(pieces: readonly Buffer[]): Promise<readonly Place[] | undefined> {
    if (!this.#isWritable) return undefined;
    let places: Place[] | undefined;
    for (
      let count = Math.min(pieces.length, MAXIMUM_PLACES);
      count > 0 && !places;
      count = Math.floor(count / 2)
    ) {
      places = this.#take(pieces.slice(0, count));
    }
    if (!places) return undefined;
    try {
      this.#handle ??= await this.#make();
      const parts = places.flatMap((place, index) => this.#partsOf(pieces[index]!, place, index));
      const length = parts.reduce((sum, { byteLength }) => sum + byteLength, 0);
      const position = places[0]!.block * BLOCK_BYTES;
      const { bytesWritten } = await this.#handle.writev(parts, position);
      if (bytesWritten !== length) throw new Error(`${bytesWritten} of ${length} bytes were written`);
      this.#size = Math.max(this.#size, position + length);
      return places;
    } catch {
      // The file system cannot do it, or the disk fails: the database, which is written to instead, will say what is wrong.
      this.#isWritable = false;
      for (const place of places) this.give(place);
      return undefined;
    }
  }

  /** The bytes of a place, until the next are read; undefined where they are not all there. */
  read(place: Place): Buffer | undefined {
    if (!this.#handle) return undefined;
    const length = blocksOf(place) * BLOCK_BYTES;
    if (!this.#read || this.#read.bytes.byteLength < length) {
      this.#read = new AlignedMemory(length, this.#addressOf ?? (() => 0));
    }
    const { bytes } = this.#read;
    const end = place.head + place.bytes;
    const isThere = this.#readInto(bytes.subarray(0, length), place.block * BLOCK_BYTES) >= end;
    return isThere ? bytes.subarray(place.head, end) : undefined;
  }

  /**
   * How much was read. Where a file opens for direct reads and then has none, as after it was moved to another disk, it is read
   * through the kernel's cache.
   */
  #readInto(bytes: Buffer, position: number): number {
    try {
      return readSync(this.#handle!.fd, bytes, 0, bytes.byteLength, position);
    } catch {
      return readCached(this.#path, bytes, position);
    }
  }

  async close(): Promise<void> {
    await this.#handle?.close();
    this.#handle = undefined;
  }

  /** Places that follow each other, so that one write fills them. */
  #take(pieces: readonly Buffer[]): Place[] | undefined {
    const places: Place[] = [];
    let blocks = 0;
    for (const piece of pieces) {
      const head = (this.#addressOf!(piece.buffer) + piece.byteOffset) & (PAGE_BYTES - 1);
      if (head > piece.byteOffset) return undefined;
      const place = { block: blocks, head, bytes: piece.byteLength };
      blocks += blocksOf(place);
      places.push(place);
    }
    const first = this.#blocks.take(blocks);
    if (first === undefined) return undefined;
    return places.map((place) => ({ ...place, block: first + place.block }));
  }

  /** The pages that a piece fills, as they lie; and the last, a copy, since the next bytes may just be coming in behind the piece. */
  #partsOf(piece: Buffer, { head, bytes }: Place, index: number): Buffer[] {
    this.#ends ??= new AlignedMemory(MAXIMUM_PLACES * BLOCK_BYTES, this.#addressOf!);
    const start = piece.byteOffset - head;
    const last = (head + bytes) % BLOCK_BYTES;
    const whole = head + bytes - last;
    const parts: Buffer[] = [];
    if (whole > 0) parts.push(Buffer.from(piece.buffer, start, whole));
    if (last > 0) {
      const end = this.#ends.bytes.subarray(index * BLOCK_BYTES, (index + 1) * BLOCK_BYTES);
      end.set(new Uint8Array(piece.buffer, start + whole, last));
      parts.push(end);
    }
    return parts;
  }

  async #make(): Promise<FileHandle> {
    const handle = await this.#openFile(constants.O_RDWR | constants.O_CREAT);
    try {
      await this.#syncFolder();
      return handle;
    } catch (error) {
      await handle.close();
      throw error;
    }
  }

  /** The file's name is on the disk, too. */
  async #syncFolder(): Promise<void> {
    const folder = await open(dirname(this.#path));
    try {
      await folder.sync();
    } finally {
      await folder.close();
    }
  }

  /** @throws where the file system has no direct writes */
  #openFile(flags: number): Promise<FileHandle> {
    return open(this.#path, flags | constants.O_DIRECT | constants.O_DSYNC, 0o664);
  }
}

function blocksOf({ head, bytes }: Place): number {
  return Math.ceil((head + bytes) / BLOCK_BYTES);
}

/** As much as there is; nothing where it cannot be read. */
function readCached(path: string, bytes: Buffer, position: number): number {
  let file: number | undefined;
  try {
    file = openSync(path, constants.O_RDONLY);
    return readSync(file, bytes, 0, bytes.byteLength, position);
  } catch {
    return 0;
  } finally {
    if (file !== undefined) closeSync(file);
  }
}

function ifMissing(error: NodeJS.ErrnoException): undefined {
  if (error.code === 'ENOENT') return undefined;
  throw error;
}

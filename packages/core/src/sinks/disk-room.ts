import { statfs } from 'node:fs/promises';
import { RelayError } from '../errors';

const MEGABYTE = 1_000_000;
/** What a file takes beyond its bytes: the rest of its last block, and its name. */
const OVERHEAD_BYTES = 8_192;
/** How long what the disk had free is relied on, less what was written since. */
const FRESH_MS = 1_000;

export interface DiskRoomOptions {
  readonly folder: string;
  /** What is left free, in bytes. */
  readonly freeDiskBytes: number;
  /** Removes about so many bytes, where that is wanted. */
  readonly remove?: ((bytes: number) => Promise<void>) | undefined;
}

/** Keeps some of a disk free. */
export class DiskRoom {
  readonly #options: DiskRoomOptions;
  #known = { bytes: 0, until: 0 };

  constructor(options: DiskRoomOptions) {
    this.#options = options;
  }

  /** Resolves when so many bytes leave as much free as is to be. @throws {RelayError} retryable, where they do not */
  async make(dataBytes: number): Promise<void> {
    const bytes = dataBytes + OVERHEAD_BYTES;
    const { freeDiskBytes, remove } = this.#options;
    if (freeDiskBytes === 0) return;
    if (performance.now() < this.#known.until && bytes <= this.#known.bytes) {
      this.#known.bytes -= bytes;
      return;
    }
    let room = await this.#look();
    if (room < bytes && remove) {
      // Some more, so that not every object looks for the oldest.
      await remove(bytes - room + freeDiskBytes / 10);
      room = await this.#look();
    }
    if (room < bytes) throw this.#full(room);
    this.#known = { bytes: room - bytes, until: performance.now() + FRESH_MS };
  }

  /** What may be written, in bytes; what cannot be found out, the write will show. */
  async #look(): Promise<number> {
    const { folder, freeDiskBytes } = this.#options;
    try {
      const { bavail, bsize } = await statfs(folder);
      return bavail * bsize - freeDiskBytes;
    } catch {
      return Number.POSITIVE_INFINITY;
    }
  }

  #full(room: number): RelayError {
    const { folder, freeDiskBytes } = this.#options;
    const free = Math.max(0, Math.floor((room + freeDiskBytes) / MEGABYTE));
    return new RelayError(
      `The disk of ${folder} has ${free} MB free, and ${Math.ceil(freeDiskBytes / MEGABYTE)} MB are to stay free. ` +
        "Free some space, lower freeDiskBytes, or have the oldest objects removed (whenFull: 'remove-oldest').",
      { code: 'STORE_FAILED', stage: 'sink', retryable: true },
    );
  }
}

import { PassingMap } from '../passing-map';
import { giveBack } from '../slab';
import type { SpoolEntry } from './spool';

/** A message that is on its way to the disk, or was there a moment ago. */
export interface Recent {
  readonly entry: SpoolEntry;
  isWritten: boolean;
  isRead: boolean;
}

/** What written messages may take here until they are read, in bytes: more than this is a backlog, which is the disk's. */
const BACKLOG_BYTES = 8 * 1024 ** 2;
/**
 * And where somebody reads who is no further behind: as much as comes while a distant broker takes its time. Read from the disk,
 * each of these takes a third more of the processor's time.
 */
const READING_BYTES = 48 * 1024 ** 2;
/** What its objects take besides, in bytes: of small messages that is most. */
const OBJECTS_BYTES = 1_024;

/**
 * The messages of a spool that are not on the disk yet, and so many of those written last as have room
 * here: what is read soon need not come back from the disk. Once read, a written one is the reader's.
 */
export class RecentMessages<Item extends Recent> {
  readonly #items = new PassingMap<number, Item>();
  /** Of those that are written. */
  #bytes = 0;
  #unwrittenBytes = 0;
  /** Up to where somebody has read; 0 where nobody has. */
  #lastRead = 0;

  /** What is not on the disk yet takes, in bytes. */
  get unwrittenBytes(): number {
    return this.#unwrittenBytes;
  }

  add(item: Item): void {
    this.#unwrittenBytes += item.entry.bytes;
    this.#items.set(item.entry.position, item);
  }

  get(position: number): Item | undefined {
    return this.#items.get(position);
  }

  /** What is on its way to the disk. */
  unwritten(position: number): Item | undefined {
    const item = this.#items.get(position);
    return item?.isWritten ? undefined : item;
  }

  /** The message, for the reader. */
  read(position: number): SpoolEntry | undefined {
    this.#lastRead = Math.max(this.#lastRead, position);
    const item = this.#items.get(position);
    if (!item) return undefined;
    item.isRead = true;
    if (item.isWritten) this.delete(position);
    return item.entry;
  }

  /** The message is on the disk now. */
  written(position: number): void {
    const item = this.#items.get(position);
    if (!item) return;
    this.#unwrittenBytes -= item.entry.bytes;
    item.isWritten = true;
    const bytes = bytesOf(item);
    if (!item.isRead && this.#bytes + bytes <= this.#mostFor(position, bytes)) {
      this.#bytes += bytes;
      return;
    }
    this.#items.delete(position);
    // Nobody has read it, and who does will have it from the disk.
    if (!item.isRead) giveBack(item.entry.message.payload);
  }

  /** It will be read from the beginning, and nobody knows when. */
  rewind(): void {
    this.#lastRead = 0;
  }

  delete(position: number): void {
    const item = this.#items.get(position);
    if (!item) return;
    if (item.isWritten) this.#bytes -= bytesOf(item);
    else this.#unwrittenBytes -= item.entry.bytes;
    this.#items.delete(position);
  }

  clear(): void {
    this.#items.clear();
    this.#bytes = 0;
    this.#unwrittenBytes = 0;
    this.#lastRead = 0;
  }

  /** What may be here, in bytes; what is between the reader and a message is taken to be of its size. */
  #mostFor(position: number, bytes: number): number {
    const isNear = this.#lastRead > 0 && (position - this.#lastRead) * bytes <= READING_BYTES;
    return isNear ? READING_BYTES : BACKLOG_BYTES;
  }
}

function bytesOf({ entry }: Recent): number {
  return entry.bytes + OBJECTS_BYTES;
}

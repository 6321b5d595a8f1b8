import type { Message } from '../message';

interface Recent {
  readonly message: Message;
  readonly bytes: number;
  isWritten: boolean;
  isRead: boolean;
}

/** What written messages may take here until they are read, in bytes. */
const MAXIMUM_BYTES = 16 * 1024 ** 2;

/**
 * The messages of a spool that are not on the disk yet, and so many of those written last as have room
 * here: what is read soon need not come back from the disk. Once read, a written one is the reader's.
 */
export class RecentMessages {
  readonly #messages = new Map<number, Recent>();
  /** Of those that are written. */
  #bytes = 0;
  #unwrittenBytes = 0;

  /** What is not on the disk yet takes, in bytes. */
  get unwrittenBytes(): number {
    return this.#unwrittenBytes;
  }

  add(position: number, message: Message, bytes: number): void {
    this.#unwrittenBytes += bytes;
    this.#messages.set(position, { message, bytes, isWritten: false, isRead: false });
  }

  get(position: number): Message | undefined {
    return this.#messages.get(position)?.message;
  }

  /** The message, for the reader. */
  read(position: number): Message | undefined {
    const recent = this.#messages.get(position);
    if (!recent) return undefined;
    recent.isRead = true;
    if (recent.isWritten) this.delete(position);
    return recent.message;
  }

  isRead(position: number): boolean {
    return this.#messages.get(position)?.isRead ?? false;
  }

  isUnwritten(position: number): boolean {
    return this.#messages.get(position)?.isWritten === false;
  }

  /** The message is on the disk now. */
  written(position: number): void {
    const recent = this.#messages.get(position);
    if (!recent) return;
    this.#unwrittenBytes -= recent.bytes;
    if (recent.isRead || this.#bytes + recent.bytes > MAXIMUM_BYTES) {
      this.#messages.delete(position);
      return;
    }
    recent.isWritten = true;
    this.#bytes += recent.bytes;
  }

  delete(position: number): void {
    const recent = this.#messages.get(position);
    if (!recent) return;
    if (recent.isWritten) this.#bytes -= recent.bytes;
    else this.#unwrittenBytes -= recent.bytes;
    this.#messages.delete(position);
  }

  clear(): void {
    this.#messages.clear();
    this.#bytes = 0;
    this.#unwrittenBytes = 0;
  }
}

import type { SpoolOrder } from './spool';

/** What an index keeps of a message. */
export interface Indexed {
  /** A whole number from 1. */
  readonly position: number;
  readonly bytes: number;
  /** Of what is unread, a higher one is read first. */
  readonly priority: number;
  /** What it is found by; 0 where it is not; see `markOf()`. */
  readonly mark: number;
  /** In milliseconds since 1970 (UTC). */
  readonly storedAt: number;
  /** When it expires, in milliseconds since 1970 (UTC). */
  readonly expiresAt?: number;
}

/** What is unread of one priority. */
interface Unread {
  readonly priority: number;
  positions: number[];
  /** What is before it was read, or has left. Oldest first reading goes on here; newest first it goes from the end. */
  next: number;
}

/** The rows of so many positions lie together. */
const BLOCK_ROWS = 1_024;
/** The numbers of a row, which begins with the bytes: NaN where nothing is. */
const [BYTES, PRIORITY, MARK, STORED_AT, EXPIRES_AT, COLUMNS] = [0, 1, 2, 3, 4, 5];

/** The rows of neighbouring positions. */
class Block {
  readonly numbers = new Float64Array(BLOCK_ROWS * COLUMNS).fill(Number.NaN);
  size = 0;
}

/**
 * Messages by their positions, which are read once each, by priority and then from either end, and removed
 * anywhere. All of it is numbers in blocks, 40 bytes a message: as objects, those of a long outage would be most of what the
 * collection of garbage looks through.
 */
export class SpoolIndex {
  readonly #order: SpoolOrder;
  /** By the number of the block, in the order of their positions; never an empty one but the last. */
  readonly #blocks = new Map<number, Block>();
  /** By priority, the highest first. */
  #unread: Unread[] = [];
  #lastBlock: Block | undefined;
  #last = 0;
  #size = 0;
  #bytes = 0;

  constructor(order: SpoolOrder) {
    this.#order = order;
  }

  get size(): number {
    return this.#size;
  }

  /** What all items take together. */
  get bytes(): number {
    return this.#bytes;
  }

  /**
   * What can best be spared: the oldest of the lowest priority that nobody has read, since what is read may be
   * on its way; if all is read, the oldest.
   */
  get expendable(): Indexed | undefined {
    for (const unread of this.#unread.toReversed()) {
      const { positions } = unread;
      // What has left is passed for good: else each eviction would look at all that were evicted before.
      for (; unread.next < positions.length; unread.next += 1) {
        const item = this.get(positions[unread.next]!);
        if (item) return item;
      }
    }
    return this.oldest;
  }

  /** The one with the lowest position. It looks into no more than two blocks, since no other is empty. */
  get oldest(): Indexed | undefined {
    return this[Symbol.iterator]().next().value;
  }

  /** @throws {RangeError} for a position that does not grow: it would never be found again. */
  add({ position, bytes, priority, mark, storedAt, expiresAt = Number.POSITIVE_INFINITY }: Indexed): void {
    if (!(position > this.#last)) throw new RangeError(`position ${position} comes after ${this.#last}`);
    const block = this.#blockFor(position);
    const row = rowOf(position);
    block.numbers[row + BYTES] = bytes;
    block.numbers[row + PRIORITY] = priority;
    block.numbers[row + MARK] = mark;
    block.numbers[row + STORED_AT] = storedAt;
    block.numbers[row + EXPIRES_AT] = expiresAt;
    block.size += 1;
    this.#unreadOf(priority).positions.push(position);
    this.#last = position;
    this.#size += 1;
    this.#bytes += bytes;
  }

  /** The positions of the next unread items: at most `limit`, and no more than `bytes` together, but one. */
  next(limit: number, bytes = Number.POSITIVE_INFINITY): number[] {
    const found: number[] = [];
    let room = bytes;
    for (const unread of this.#unread) {
      while (found.length < limit) {
        const position = this.#peek(unread);
        if (position === undefined) break;
        room -= this.#number(position, BYTES);
        if (room < 0 && found.length > 0) return found;
        this.#pass(unread);
        found.push(position);
      }
    }
    return found;
  }

  /** All items are unread again. */
  rewind(): void {
    this.#unread = [];
    for (const { priority, position } of this) this.#unreadOf(priority).positions.push(position);
  }

  get(position: number): Indexed | undefined {
    const block = this.#blocks.get(Math.floor(position / BLOCK_ROWS));
    return block && itemAt(block, position);
  }

  /** What the item is found by; NaN where there never was one at this position. */
  mark(position: number): number {
    return this.#number(position, MARK);
  }

  /** When the item expires; Infinity where it does not, NaN where there never was one. */
  expiresAt(position: number): number {
    return this.#number(position, EXPIRES_AT);
  }

  /** Takes an item out, and says how many bytes it took; undefined where there is none at this position. */
  remove(position: number): number | undefined {
    const number = Math.floor(position / BLOCK_ROWS);
    const block = this.#blocks.get(number);
    const bytes = block?.numbers[rowOf(position) + BYTES] ?? Number.NaN;
    if (!block || Number.isNaN(bytes)) return undefined;
    block.numbers[rowOf(position) + BYTES] = Number.NaN;
    block.size -= 1;
    // The last one goes on: a new one for each message that comes alone would cost more than it.
    if (block.size === 0 && block !== this.#lastBlock) this.#blocks.delete(number);
    this.#size -= 1;
    this.#bytes -= bytes;
    this.#compact();
    return bytes;
  }

  /** All items, by their positions. */
  *[Symbol.iterator](): Iterator<Indexed, undefined> {
    for (const [number, block] of this.#blocks) {
      for (let row = 0; row < BLOCK_ROWS; row += 1) {
        const item = itemAt(block, number * BLOCK_ROWS + row);
        if (item) yield item;
      }
    }
    return undefined;
  }

  #has(position: number): boolean {
    return !Number.isNaN(this.#number(position, BYTES));
  }

  /** One number of a row; an object for each look at one would be most of what is made for a message here. */
  #number(position: number, column: number): number {
    const block = this.#blocks.get(Math.floor(position / BLOCK_ROWS));
    return block?.numbers[rowOf(position) + column] ?? Number.NaN;
  }

  #blockFor(position: number): Block {
    const number = Math.floor(position / BLOCK_ROWS);
    const known = this.#blocks.get(number);
    if (known) return known;
    if (this.#lastBlock?.size === 0) this.#blocks.delete(Math.floor(this.#last / BLOCK_ROWS));
    this.#lastBlock = new Block();
    this.#blocks.set(number, this.#lastBlock);
    return this.#lastBlock;
  }

  #unreadOf(priority: number): Unread {
    const at = this.#unread.findIndex((unread) => unread.priority <= priority);
    const known = this.#unread[at];
    if (known?.priority === priority) return known;
    const unread = { priority, positions: [], next: 0 };
    this.#unread.splice(at === -1 ? this.#unread.length : at, 0, unread);
    return unread;
  }

  #peek(unread: Unread): number | undefined {
    for (;;) {
      const { positions, next } = unread;
      const position = this.#order === 'newest-first' ? positions.at(-1) : positions[next];
      if (position === undefined) return undefined;
      if (this.#has(position)) return position;
      this.#pass(unread);
    }
  }

  #pass(unread: Unread): void {
    if (this.#order === 'oldest-first') {
      unread.next += 1;
      return;
    }
    unread.positions.pop();
    unread.next = Math.min(unread.next, unread.positions.length);
  }

  /** Forgets what was read or has left, where that is more than half. */
  #compact(): void {
    for (const unread of this.#unread) {
      if (unread.positions.length > 64 && this.#size * 2 < unread.positions.length) {
        unread.positions = unread.positions.slice(unread.next).filter((position) => this.#has(position));
        unread.next = 0;
      }
    }
  }
}

/** Where the row of a position begins in its block. */
function rowOf(position: number): number {
  return (position % BLOCK_ROWS) * COLUMNS;
}

function itemAt({ numbers }: Block, position: number): Indexed | undefined {
  const row = rowOf(position);
  const bytes = numbers[row + BYTES]!;
  if (Number.isNaN(bytes)) return undefined;
  const [priority, mark] = [numbers[row + PRIORITY]!, numbers[row + MARK]!];
  const [storedAt, expiresAt] = [numbers[row + STORED_AT]!, numbers[row + EXPIRES_AT]!];
  if (expiresAt === Number.POSITIVE_INFINITY) return { position, bytes, priority, mark, storedAt };
  return { position, bytes, priority, mark, storedAt, expiresAt };
}

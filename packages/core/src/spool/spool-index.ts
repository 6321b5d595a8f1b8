import type { SpoolOrder } from './spool';

/** What an index keeps of a message. */
export interface Indexed {
  readonly position: number;
  readonly bytes: number;
  /** Of what is unread, a higher one is read first. */
  readonly priority: number;
  /** What it is found by; 0 where it is not; see `markOf()`. */
  readonly mark: number;
  /** When it expires, in milliseconds since 1970 (UTC). */
  readonly expiresAt?: number;
}

interface Place<Item> {
  readonly position: number;
  item: Item | undefined;
}

/** What is unread of one priority. */
interface Unread<Item> {
  readonly priority: number;
  places: Place<Item>[];
  /** Oldest first: where reading goes on. Newest first it goes from the end. */
  next: number;
}

/**
 * Messages by their positions, which are read once each, by priority and then from either end, and removed
 * anywhere. A removed one leaves a hole until the holes outnumber the rest.
 */
export class SpoolIndex<Item extends Indexed> {
  readonly #order: SpoolOrder;
  #places: Place<Item>[] = [];
  /** Before this index there are holes only. */
  #start = 0;
  /** By priority, the highest first. */
  #unread: Unread<Item>[] = [];
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
  get expendable(): Item | undefined {
    for (const { places, next } of this.#unread.toReversed()) {
      const from = this.#order === 'newest-first' ? 0 : next;
      for (let at = from; at < places.length; at += 1) {
        const { item } = places[at]!;
        if (item) return item;
      }
    }
    return this.#places[this.#start]?.item;
  }

  /** @throws {RangeError} for a position that does not grow: it would never be found again. */
  add(item: Item): void {
    const last = this.#places.at(-1)?.position ?? 0;
    if (item.position <= last) throw new RangeError(`position ${item.position} comes after ${last}`);
    const place = { position: item.position, item };
    this.#places.push(place);
    this.#unreadOf(item.priority).places.push(place);
    this.#size += 1;
    this.#bytes += item.bytes;
  }

  /** The next unread items: at most `limit`, and no more than `bytes` together, but one. */
  next(limit: number, bytes = Number.POSITIVE_INFINITY): Item[] {
    const found: Item[] = [];
    let room = bytes;
    for (const unread of this.#unread) {
      while (found.length < limit) {
        const item = this.#peek(unread);
        if (!item) break;
        room -= item.bytes;
        if (room < 0 && found.length > 0) return found;
        this.#pass(unread);
        found.push(item);
      }
    }
    return found;
  }

  /** All items are unread again. */
  rewind(): void {
    this.#unread = [];
    for (let at = this.#start; at < this.#places.length; at += 1) {
      const place = this.#places[at]!;
      if (place.item) this.#unreadOf(place.item.priority).places.push(place);
    }
  }

  get(position: number): Item | undefined {
    const place = this.#places[this.#indexOf(position)];
    return place?.position === position ? place.item : undefined;
  }

  /** Takes an item out; undefined where there is none at this position. */
  remove(position: number): Item | undefined {
    const item = this.get(position);
    if (!item) return undefined;
    this.#places[this.#indexOf(position)]!.item = undefined;
    this.#size -= 1;
    this.#bytes -= item.bytes;
    while (this.#start < this.#places.length && !this.#places[this.#start]!.item) this.#start += 1;
    this.#compact();
    return item;
  }

  /** All items, by their positions. */
  *[Symbol.iterator](): Iterator<Item> {
    for (let at = this.#start; at < this.#places.length; at += 1) {
      const { item } = this.#places[at]!;
      if (item) yield item;
    }
  }

  #unreadOf(priority: number): Unread<Item> {
    const at = this.#unread.findIndex((unread) => unread.priority <= priority);
    const known = this.#unread[at];
    if (known?.priority === priority) return known;
    const unread = { priority, places: [], next: 0 };
    this.#unread.splice(at === -1 ? this.#unread.length : at, 0, unread);
    return unread;
  }

  #peek(unread: Unread<Item>): Item | undefined {
    for (;;) {
      const place = this.#order === 'newest-first' ? unread.places.at(-1) : unread.places[unread.next];
      if (!place || place.item) return place?.item;
      this.#pass(unread);
    }
  }

  #pass(unread: Unread<Item>): void {
    if (this.#order === 'newest-first') unread.places.pop();
    else unread.next += 1;
  }

  #compact(): void {
    for (const unread of this.#unread) {
      if (unread.places.length > 64 && this.#size * 2 < unread.places.length) {
        unread.places = unread.places.slice(unread.next).filter((place) => place.item);
        unread.next = 0;
      }
    }
    if (this.#places.length <= 64 || this.#size * 2 >= this.#places.length) return;
    this.#places = this.#places.filter((place) => place.item);
    this.#start = 0;
  }

  /** The index of the first place at `position` or behind it, by bisection. */
  #indexOf(position: number): number {
    let low = 0;
    let high = this.#places.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (this.#places[middle]!.position < position) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}

import type { SpoolOrder } from './spool';

/** What an index keeps of a message. */
export interface Indexed {
  readonly position: number;
  readonly bytes: number;
  /** What it is found by; 0 where it is not; see `markOf()`. */
  readonly mark: number;
  /** When it expires, in milliseconds since 1970 (UTC). */
  readonly expiresAt?: number;
}

interface Place<Item> {
  readonly position: number;
  item: Item | undefined;
}

/**
 * Messages by their positions, which are read once each, from either end, and removed anywhere. A removed
 * one leaves a hole until the holes outnumber the rest.
 */
export class SpoolIndex<Item extends Indexed> {
  readonly #order: SpoolOrder;
  #places: Place<Item>[] = [];
  /** Before this index there are holes only. */
  #start = 0;
  /** Oldest first: from this index on nothing has been read. */
  #unreadFrom = 0;
  /** Newest first: what has not been read, the next one last. */
  #unread: Place<Item>[] = [];
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

  /** The item with the lowest position. */
  get oldest(): Item | undefined {
    return this.#places[this.#start]?.item;
  }

  /** @throws {RangeError} for a position that does not grow: it would never be found again. */
  add(item: Item): void {
    const last = this.#places.at(-1)?.position ?? 0;
    if (item.position <= last) throw new RangeError(`position ${item.position} comes after ${last}`);
    const place = { position: item.position, item };
    this.#places.push(place);
    if (this.#order === 'newest-first') this.#unread.push(place);
    this.#size += 1;
    this.#bytes += item.bytes;
  }

  /** The next unread items: at most `limit`, and no more than `bytes` together, but one. */
  next(limit: number, bytes = Number.POSITIVE_INFINITY): Item[] {
    const found: Item[] = [];
    let room = bytes;
    while (found.length < limit) {
      const item = this.#peek();
      if (!item) break;
      room -= item.bytes;
      if (room < 0 && found.length > 0) break;
      this.#pass();
      found.push(item);
    }
    return found;
  }

  /** All items are unread again. */
  rewind(): void {
    this.#unreadFrom = this.#start;
    if (this.#order === 'newest-first') this.#unread = this.#places.slice(this.#start);
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

  #peek(): Item | undefined {
    for (;;) {
      const place =
        this.#order === 'newest-first'
          ? this.#unread.at(-1)
          : this.#places[Math.max(this.#unreadFrom, this.#start)];
      if (!place || place.item) return place?.item;
      this.#pass();
    }
  }

  #pass(): void {
    if (this.#order === 'newest-first') this.#unread.pop();
    else this.#unreadFrom = Math.max(this.#unreadFrom, this.#start) + 1;
  }

  #compact(): void {
    if (this.#unread.length > 64 && this.#size * 2 < this.#unread.length) {
      this.#unread = this.#unread.filter((place) => place.item);
    }
    if (this.#places.length <= 64 || this.#size * 2 >= this.#places.length) return;
    const next = this.#places[this.#unreadFrom]?.position ?? Number.POSITIVE_INFINITY;
    this.#places = this.#places.filter((place) => place.item);
    this.#start = 0;
    this.#unreadFrom = this.#indexOf(next);
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

/** What an index keeps of a message. */
export interface Indexed {
  readonly position: number;
  readonly bytes: number;
}

/** Positions in order, with removal anywhere; a removed one leaves a hole until the holes outnumber the rest. */
export class SpoolIndex<Item extends Indexed> {
  #places: { readonly position: number; item: Item | undefined }[] = [];
  #size = 0;
  #bytes = 0;

  get size(): number {
    return this.#size;
  }

  /** What all items take together. */
  get bytes(): number {
    return this.#bytes;
  }

  /** The item with the lowest position. */
  get oldest(): Item | undefined {
    return this.after(0, 1)[0];
  }

  /** @throws {RangeError} for a position that does not grow: it would never be found again. */
  add(item: Item): void {
    const last = this.#places.at(-1)?.position ?? 0;
    if (item.position <= last) throw new RangeError(`position ${item.position} comes after ${last}`);
    this.#places.push({ position: item.position, item });
    this.#size += 1;
    this.#bytes += item.bytes;
  }

  /** The first items behind `position`: at most `limit`, and no more than `bytes` together, but one. */
  after(position: number, limit: number, bytes = Number.POSITIVE_INFINITY): Item[] {
    const found: Item[] = [];
    let room = bytes;
    for (let at = this.#indexAfter(position); at < this.#places.length && found.length < limit; at += 1) {
      const { item } = this.#places[at]!;
      if (!item) continue;
      room -= item.bytes;
      if (room < 0 && found.length > 0) break;
      found.push(item);
    }
    return found;
  }

  /** Takes an item out; undefined where there is none at this position. */
  remove(position: number): Item | undefined {
    const place = this.#places[this.#indexAfter(position - 1)];
    if (place?.position !== position || !place.item) return undefined;
    const { item } = place;
    place.item = undefined;
    this.#size -= 1;
    this.#bytes -= item.bytes;
    if (this.#places.length > 64 && this.#size * 2 < this.#places.length) {
      this.#places = this.#places.filter((other) => other.item);
    }
    return item;
  }

  /** The index of the first place behind `position`, by bisection. */
  #indexAfter(position: number): number {
    let low = 0;
    let high = this.#places.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (this.#places[middle]!.position <= position) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}

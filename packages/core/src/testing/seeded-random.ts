/** Numbers that look random and are the same again for the same seed (mulberry32). Not for secrets. */
export class SeededRandom {
  #state: number;

  /** @param seed a whole number; of larger ones the lowest 32 bits count. */
  constructor(seed: number) {
    if (!Number.isSafeInteger(seed)) throw new TypeError(`seed must be a whole number, not ${seed}.`);
    this.#state = seed | 0;
  }

  /** From 0 to below 1. */
  next(): number {
    this.#state = (this.#state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(this.#state ^ (this.#state >>> 15), this.#state | 1);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  }

  /** A whole number from `least` to `most`, both included. */
  between(least: number, most: number): number {
    return least + Math.floor(this.next() * (most - least + 1));
  }

  /** One of several. @throws {TypeError} where there is none. */
  pick<Item>(items: readonly Item[]): Item {
    if (items.length === 0) throw new TypeError('there is nothing to pick from.');
    return items[this.between(0, items.length - 1)]!;
  }
}

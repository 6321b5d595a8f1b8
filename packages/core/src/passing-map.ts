/** After how many that have left the rest moves to a fresh Map, at the least. */
const FRESH_AFTER = 512;

/**
 * A Map for what comes and goes by the thousands a second. V8 makes the table of a Map anew for every few hundred of these, and each
 * table points to the one that came after it: once one of them is old garbage, all that came after it is kept, with what was in
 * them, until all of the heap is looked through. So what is left moves to a fresh Map now and then, which nothing old points to.
 */
export class PassingMap<Key, Value> {
  #map = new Map<Key, Value>();
  #left = 0;

  get size(): number {
    return this.#map.size;
  }

  get(key: Key): Value | undefined {
    return this.#map.get(key);
  }

  has(key: Key): boolean {
    return this.#map.has(key);
  }

  set(key: Key, value: Value): void {
    this.#map.set(key, value);
  }

  /** Whether it was there. */
  delete(key: Key): boolean {
    if (!this.#map.delete(key)) return false;
    this.#left += 1;
    if (this.#left >= FRESH_AFTER && this.#left >= this.#map.size * 2) {
      this.#left = 0;
      this.#map = new Map(this.#map);
    }
    return true;
  }

  clear(): void {
    this.#left = 0;
    this.#map = new Map();
  }

  keys(): IterableIterator<Key> {
    return this.#map.keys();
  }

  values(): IterableIterator<Value> {
    return this.#map.values();
  }
}

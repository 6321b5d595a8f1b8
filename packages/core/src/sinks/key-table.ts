import { randomInt } from 'node:crypto';

const FIRST_SLOTS = 1024;
/** Of the slots, at the most; beyond it the table doubles. */
const FULL = 0.6;

/**
 * A set of keys that takes 17 to 34 bytes for each, however long they are, with flags and a number: it
 * remembers 64 bits of a hash (of a million keys, two share one in one audit of 30 million). The hash is seeded
 * at random, so that nobody can make two keys that do.
 */
export class KeyTable {
  readonly #seed = randomInt(2 ** 32);
  #low = new Uint32Array(FIRST_SLOTS);
  #high = new Uint32Array(FIRST_SLOTS);
  #numbers = new Float64Array(FIRST_SLOTS);
  #flags = new Uint8Array(FIRST_SLOTS);
  #size = 0;

  get size(): number {
    return this.#size;
  }

  /** Adds a key; false where it was in already, and stays as it was. */
  add(key: string, number = 0, flags = 0): boolean {
    if (this.#size >= this.#low.length * FULL) this.#grow();
    const [low, high] = this.#hash(key);
    const slot = this.#find(low, high);
    if (this.#low[slot] !== 0) return false;
    this.#set(slot, low, high, number, flags);
    this.#size += 1;
    return true;
  }

  has(key: string): boolean {
    return this.slotOf(key) !== undefined;
  }

  /** Where a key is, until one is added; undefined where it is not in. */
  slotOf(key: string): number | undefined {
    const slot = this.#find(...this.#hash(key));
    return this.#low[slot] === 0 ? undefined : slot;
  }

  flagsAt(slot: number): number {
    return this.#flags[slot]!;
  }

  numberAt(slot: number): number {
    return this.#numbers[slot]!;
  }

  /** Gives a key another number and other flags. */
  replaceAt(slot: number, number: number, flags: number): void {
    this.#numbers[slot] = number;
    this.#flags[slot] = flags;
  }

  /** Adds flags to those of a key. */
  flagAt(slot: number, flags: number): void {
    this.#flags[slot]! |= flags;
  }

  /** Where a hash is, or would go. */
  #find(low: number, high: number): number {
    const mask = this.#low.length - 1;
    let slot = low & mask;
    while (this.#low[slot] !== 0 && !(this.#low[slot] === low && this.#high[slot] === high)) {
      slot = (slot + 1) & mask;
    }
    return slot;
  }

  #set(slot: number, low: number, high: number, number: number, flags: number): void {
    this.#low[slot] = low;
    this.#high[slot] = high;
    this.#numbers[slot] = number;
    this.#flags[slot] = flags;
  }

  #grow(): void {
    const [low, high, numbers, flags] = [this.#low, this.#high, this.#numbers, this.#flags];
    const slots = low.length * 2;
    this.#low = new Uint32Array(slots);
    this.#high = new Uint32Array(slots);
    this.#numbers = new Float64Array(slots);
    this.#flags = new Uint8Array(slots);
    for (let slot = 0; slot < low.length; slot += 1) {
      if (low[slot] === 0) continue;
      this.#set(this.#find(low[slot]!, high[slot]!), low[slot]!, high[slot]!, numbers[slot]!, flags[slot]!);
    }
  }

  /** Two halves of 32 bits; the first is never 0, which marks an empty slot. */
  #hash(key: string): [number, number] {
    let low = this.#seed;
    let high = ~this.#seed;
    for (let at = 0; at < key.length; at += 1) {
      const unit = key.charCodeAt(at);
      low = Math.imul(low ^ unit, 0x9e3779b1);
      low ^= low >>> 15;
      high = Math.imul(high ^ unit, 0x85ebca6b);
      high ^= high >>> 13;
    }
    low = Math.imul(low ^ (high >>> 16), 0xc2b2ae35);
    high = Math.imul(high ^ (low >>> 16), 0x27d4eb2f);
    return [low >>> 0 || 1, high >>> 0];
  }
}

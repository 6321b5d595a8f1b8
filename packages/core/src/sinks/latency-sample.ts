/** How many values are kept; below that, percentiles are exact. */
const KEPT = 10_000;

/** What a set of durations says of itself, in milliseconds. */
export interface LatencySummary {
  readonly count: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
}

/**
 * Durations of any number, in bounded memory: beyond 10,000 a random choice of them is kept (reservoir sampling,
 * Vitter's algorithm R), and the least. The choice is the same each time.
 */
export class LatencySample {
  readonly #kept: number[] = [];
  #count = 0;
  #least = Number.POSITIVE_INFINITY;
  #random = 1;

  get least(): number {
    return this.#least;
  }

  add(milliseconds: number): void {
    this.#count += 1;
    if (milliseconds < this.#least) this.#least = milliseconds;
    if (this.#kept.length < KEPT) {
      this.#kept.push(milliseconds);
      return;
    }
    const place = Math.floor(this.#nextRandom() * this.#count);
    if (place < KEPT) this.#kept[place] = milliseconds;
  }

  /** The percentiles with so many milliseconds added to each; undefined where there are none. */
  summary(plusMs = 0): LatencySummary | undefined {
    if (this.#count === 0) return undefined;
    const sorted = Float64Array.from(this.#kept).sort();
    const at = (share: number) => sorted[Math.max(0, Math.ceil(sorted.length * share) - 1)]! + plusMs;
    return { count: this.#count, p50Ms: at(0.5), p99Ms: at(0.99) };
  }

  /** Marsaglia's xorshift with 32 bits, from 0 up to 1. */
  #nextRandom(): number {
    let value = this.#random;
    value ^= value << 13;
    value ^= value >>> 17;
    value ^= value << 5;
    this.#random = value;
    return (value >>> 0) / 2 ** 32;
  }
}

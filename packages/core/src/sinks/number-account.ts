import type { NumberRange } from '../gap-record';

/** Which numbers of one camera and boot have come, and which are known not to come. */
export class NumberAccount {
  #numbers = new Float64Array(64);
  #count = 0;
  readonly #excused: NumberRange[] = [];

  add(number: number): void {
    if (this.#count === this.#numbers.length) {
      const larger = new Float64Array(this.#count * 2);
      larger.set(this.#numbers);
      this.#numbers = larger;
    }
    this.#numbers[this.#count] = number;
    this.#count += 1;
  }

  excuse(ranges: readonly NumberRange[]): void {
    for (const range of ranges) this.#excused.push(range);
  }

  /**
   * What is in neither, up to the last of all; and how many of those that are excused have not come all the
   * same. @param first the first that counts; without it the first that is known
   */
  balance(first?: number): { missing: NumberRange[]; missed: number; excused: number } {
    const come = runsOf(this.#numbers.subarray(0, this.#count).sort());
    const known = merged([...come, ...this.#excused].sort(([one], [other]) => one - other));
    const missing: NumberRange[] = [];
    let missed = 0;
    let next = first ?? known[0]?.[0] ?? 0;
    for (const [from, to] of known) {
      if (from > next) {
        missing.push([next, from - 1]);
        missed += from - next;
      }
      next = Math.max(next, to + 1);
    }
    return { missing, missed, excused: total(known) - total(come) };
  }
}

/** Numbers that are sorted, as ranges; a number may come more than once. */
function runsOf(sorted: Float64Array): NumberRange[] {
  const runs: [number, number][] = [];
  for (const number of sorted) {
    const last = runs.at(-1);
    if (last && number <= last[1] + 1) last[1] = number;
    else runs.push([number, number]);
  }
  return runs;
}

/** Ranges that are sorted by where they begin, as few as possible. */
function merged(ranges: readonly NumberRange[]): NumberRange[] {
  const result: [number, number][] = [];
  for (const [from, to] of ranges) {
    const last = result.at(-1);
    if (last && from <= last[1] + 1) last[1] = Math.max(last[1], to);
    else result.push([from, to]);
  }
  return result;
}

function total(ranges: readonly NumberRange[]): number {
  return ranges.reduce((sum, [from, to]) => sum + to - from + 1, 0);
}

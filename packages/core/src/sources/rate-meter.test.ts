import { describe, expect, it } from 'vitest';
import { RateMeter } from './rate-meter';

/** What it says to frames at these times, as long as it says anything. */
function measure(times: readonly number[]): number[] {
  const meter = new RateMeter();
  return times.flatMap((time) => meter.add(time) ?? []);
}

const every = (milliseconds: number, count: number) =>
  Array.from({ length: count }, (_, index) => 1_000 + index * milliseconds);

describe('RateMeter', () => {
  it('measures once, when it has seen enough', () => {
    expect(measure(every(40, 54))).toEqual([]);
    expect(measure(every(40, 200))).toEqual([25]);
    expect(measure(every(500, 15))).toEqual([]);
    expect(measure(every(500, 40))).toEqual([2]);
  });

  it('forgives a slow start and one hiccup, and sees a camera that leaves out every other frame', () => {
    const [first, ...rest] = every(40, 200);
    expect(measure([first! - 3_000, ...rest])).toEqual([25]);
    const hiccup = every(40, 200).map((time, index) => (index > 20 ? time + 700 : time));
    expect(measure(hiccup)).toEqual([25]);
    expect(measure(every(40, 400).filter((_, index) => index % 2 === 0))).toEqual([12.5]);
  });
});

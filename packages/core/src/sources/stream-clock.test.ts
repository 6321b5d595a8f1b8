import { describe, expect, it } from 'vitest';
import { StreamBacklog } from './stream-backlog';
import { StreamClock } from './stream-clock';

const NOON = Date.UTC(2026, 0, 2, 12);

describe('StreamClock', () => {
  it('keeps the distances of the stream, however late its frames come', () => {
    const clock = new StreamClock();
    const delays = [50, 20, 5, 80, 300, 40, 5, 200, 5, 7];
    const times = delays.map((delay, index) => clock.timeOf(index * 40, NOON + index * 40 + delay) - NOON);
    expect(times).toEqual([50, 60, 85, 125, 165, 205, 245, 285, 325, 365]);
  });

  it('follows a camera whose clock runs slower or faster than ours', () => {
    for (const pace of [1.0002, 0.9998]) {
      const clock = new StreamClock();
      for (let index = 0; index < 90_000; index += 1) {
        const error = clock.timeOf(index * 40 * pace, NOON + index * 40 + (index % 7)) - (NOON + index * 40);
        expect(Math.abs(error)).toBeLessThan(40);
      }
    }
  });

  it('begins anew with a stream that does, forwards and backwards, and never goes back', () => {
    const clock = new StreamClock();
    const at = (positionMs: number, now: number) => clock.timeOf(positionMs, NOON + now) - NOON;
    expect([at(900_000, 0), at(900_040, 40), at(0, 80), at(40, 120), at(7_000_000, 160)]).toEqual([
      0, 40, 80, 120, 160,
    ]);
  });
});

describe('StreamBacklog', () => {
  it('holds what comes all at once, until frames have to be waited for', () => {
    const backlog = new StreamBacklog(NOON);
    const frames = [
      [0, 500],
      [0, 501],
      [40, 503],
      [80, 510],
      [120, 548],
      [160, 549],
      [200, 590],
      [240, 629],
      [280, 640],
    ] as const;
    const held = frames.map(([positionMs, readAt]) => backlog.holds(positionMs, NOON + readAt));
    expect(held).toEqual([true, true, true, true, true, true, true, false, false]);
  });

  it('gives up on a stream that always comes in bursts, or faster than it was taken', () => {
    for (const [passedMs, expected] of [
      [10_000, 126],
      [400, 11],
    ] as const) {
      const backlog = new StreamBacklog(NOON - passedMs);
      let held = 0;
      for (let index = 0; index < 500; index += 1) if (backlog.holds(index * 40, NOON)) held += 1;
      expect(held).toBe(expected);
    }
  });
});

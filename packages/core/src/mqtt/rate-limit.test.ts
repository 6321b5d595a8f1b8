import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { RateLimit } from './rate-limit';

describe('RateLimit', () => {
  /** When each message goes, in milliseconds, if all of them wait from the start. */
  function times(limit: RateLimit, sizes: readonly number[]): number[] {
    let now = 0;
    return sizes.map((bytes) => {
      for (let delay = limit.delayMs(bytes, now); delay > 0; delay = limit.delayMs(bytes, now)) now += delay;
      limit.take(bytes, now);
      return now;
    });
  }

  it('lets a second of messages go at once, and the rest at its pace', () => {
    const limit = new RateLimit({ messagesPerSecond: 2 }, 'test');
    expect(times(limit, [1, 1, 1, 1, 1])).toEqual([0, 0, 500, 1_000, 1_500]);
  });

  it('lets a message go that is larger than a second, and makes the next one wait for it', () => {
    const limit = new RateLimit({ bytesPerSecond: 1_000 }, 'test');
    expect(times(limit, [500, 3_000, 100])).toEqual([0, 500, 2_600]);
  });

  it('keeps the slower of both', () => {
    const limit = new RateLimit({ messagesPerSecond: 10, bytesPerSecond: 100 }, 'test');
    expect(times(limit, [100, 100, 100]).at(-1)).toBe(2_000);
    expect(times(new RateLimit({}, 'test'), [1e9, 1e9])).toEqual([0, 0]);
  });

  it('never lets more through than its rate and one second', () => {
    const sizes = fc.array(fc.integer({ min: 1, max: 5_000 }), { minLength: 2, maxLength: 100 });
    fc.assert(
      fc.property(sizes, fc.integer({ min: 1, max: 2_000 }), (messages, bytesPerSecond) => {
        const end = times(new RateLimit({ bytesPerSecond }, 'test'), messages).at(-1)!;
        // The last one may go when its bucket is full, whatever its size.
        const before = messages.slice(0, -1).reduce((sum, bytes) => sum + bytes, 0);
        expect(before).toBeLessThanOrEqual(bytesPerSecond * (end / 1_000 + 1));
      }),
    );
  });

  it.each([
    [{ messagesPerSecond: 0 }, /limit.messagesPerSecond .* 0/],
    [{ bytesPerSecond: Number.NaN }, /limit.bytesPerSecond .* NaN/],
  ])('refuses %j', (options, text) => {
    expect(() => new RateLimit(options, 'test')).toThrow(text);
  });
});

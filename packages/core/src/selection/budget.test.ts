import fc from 'fast-check';
import { expect, it } from 'vitest';
import { Budget } from './budget';

const MINUTE = 60_000;

/** Asks at each of the times, and pays where it may; gives the times at which it might. */
function spend(budget: Budget, times: readonly number[], bytes = 1): number[] {
  return times.filter((at) => {
    if (budget.refusal(at) !== undefined) return false;
    budget.takePicture();
    budget.takeBytes(bytes);
    return true;
  });
}

it('allows in any time what a minute brings at once, and then as much as comes in', () => {
  const steps = fc.array(fc.integer({ min: 0, max: 5_000 }), { minLength: 1, maxLength: 200 });
  fc.assert(
    fc.property(steps, fc.integer({ min: 1, max: 60 }), (gaps, picturesPerMinute) => {
      let at = 0;
      const times = gaps.map((gap) => {
        at += gap;
        return at;
      });
      const allowed = spend(new Budget({ picturesPerMinute }), times);
      for (const [index, from] of allowed.entries()) {
        for (const [later, until] of allowed.entries()) {
          if (later <= index) continue;
          const most = picturesPerMinute * (1 + (until - from) / MINUTE);
          expect(later - index + 1).toBeLessThanOrEqual(most + 1e-6);
        }
      }
    }),
  );
});

it('makes up for a quiet time with what one minute brings, and no more', () => {
  const budget = new Budget({ picturesPerMinute: 3 });
  expect(spend(budget, [0])).toEqual([0]);
  const later = Array.from({ length: 10 }, () => 60 * MINUTE);
  expect(spend(budget, later)).toHaveLength(3);
});

it('adds up to a picture where there is less than one a minute', () => {
  const times = Array.from({ length: 600 }, (_, second) => second * 1000);
  expect(spend(new Budget({ picturesPerMinute: 0.5 }), times)).toEqual([
    0, 120_000, 240_000, 360_000, 480_000,
  ]);
});

it('lets a picture through that is larger than what is left, and makes the next ones wait for it', () => {
  const times = Array.from({ length: 300 }, (_, second) => second * 1000);
  // 50 kB: 10 kB on account, then 40 kB to pay back in four minutes.
  expect(spend(new Budget({ bytesPerMinute: 10_000 }), times, 50_000)).toEqual([0, 241_000]);
});

it('says which of the two is used up', () => {
  const budget = new Budget({ picturesPerMinute: 2, bytesPerMinute: 100 });
  budget.takePicture();
  budget.takeBytes(100);
  expect(budget.refusal(0)).toBe('bytes');
  budget.takePicture();
  expect(budget.refusal(0)).toBe('pictures');
});

it('allows everything without a limit, and goes on where the clock is put back', () => {
  const times = Array.from({ length: 1000 }, () => 0);
  expect(spend(new Budget({}), times, 1e9)).toHaveLength(1000);
  const budget = new Budget({ picturesPerMinute: 1 });
  expect(spend(budget, [10 * MINUTE, 1, MINUTE / 2, MINUTE + 1])).toEqual([10 * MINUTE, MINUTE + 1]);
});

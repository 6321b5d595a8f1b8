import { getHeapSpaceStatistics } from 'node:v8';
import fc from 'fast-check';
import { expect, it } from 'vitest';
import { PassingMap } from './passing-map';

it('is a Map, in the order in which things came, however many have left', () => {
  const step = fc.record({
    comes: fc.array(fc.nat(2_000), { minLength: 400, maxLength: 900 }),
    /** Which of what is in leaves, in thousandths of it. */
    leaves: fc.array(fc.nat(999), { minLength: 600, maxLength: 1_500 }),
    isCleared: fc.boolean(),
  });
  fc.assert(
    fc.property(fc.array(step, { minLength: 4, maxLength: 12 }), (steps) => {
      const [passing, model] = [new PassingMap<number, number>(), new Map<number, number>()];
      for (const [number, { comes, leaves, isCleared }] of steps.entries()) {
        for (const key of comes) {
          passing.set(key, number);
          model.set(key, number);
        }
        const keys = [...model.keys()];
        for (const part of leaves) {
          const key = keys[Math.floor((part / 1_000) * keys.length)] ?? -1;
          expect(passing.delete(key)).toBe(model.delete(key));
          expect(passing.has(key)).toBe(false);
        }
        if (isCleared && number % 4 === 3) {
          passing.clear();
          model.clear();
        }
        expect(passing.size).toBe(model.size);
        expect([...passing.keys()]).toEqual([...model.keys()]);
        expect([...passing.values()]).toEqual([...model.values()]);
        for (const key of keys) expect(passing.get(key)).toBe(model.get(key));
      }
    }),
    // What is found is large, and takes minutes to become small.
    { numRuns: 10, endOnFailure: true },
  );
});

it('lets what has left be collected as young garbage, where a Map would make it old', () => {
  const { gc } = globalThis;
  if (!gc) throw new Error('vitest runs with --expose-gc');
  const oldBytes = () =>
    getHeapSpaceStatistics().find((space) => space.space_name === 'old_space')!.space_used_size;
  const passing = new PassingMap<number, number[]>();
  for (let key = 0; key < 100; key += 1) passing.set(key, []);
  gc();
  const before = oldBytes();
  // 20 MB; with a Map three of them would be old garbage in the end.
  for (let key = 100; key < 20_000; key += 1) {
    passing.set(key, new Array(128).fill(key));
    passing.delete(key - 100);
    if (key % 500 === 0) gc({ type: 'minor' });
  }
  gc({ type: 'minor' });
  expect(oldBytes() - before).toBeLessThan(1.5e6);
});

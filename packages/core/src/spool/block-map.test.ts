import fc from 'fast-check';
import { expect, it } from 'vitest';
import { BlockMap } from './block-map';

it('takes the first blocks that are free and follow each other, and none twice', () => {
  const step = fc.record({ blocks: fc.integer({ min: 1, max: 20 }), given: fc.option(fc.nat()) });
  fc.assert(
    fc.property(fc.array(step, { maxLength: 100 }), (steps) => {
      const map = new BlockMap(64);
      const free = Array.from({ length: 64 }, () => true);
      const held: { first: number; blocks: number }[] = [];
      for (const { blocks, given } of steps) {
        const expected = free.findIndex(
          (_, at) => free.slice(at, at + blocks).filter(Boolean).length === blocks,
        );
        const first = map.take(blocks);
        expect(first ?? -1).toBe(expected);
        if (first !== undefined) {
          free.fill(false, first, first + blocks);
          held.push({ first, blocks });
        }
        if (given === null || held.length === 0) continue;
        const [left] = held.splice(given % held.length, 1);
        map.give(left!.first, left!.blocks);
        free.fill(true, left!.first, left!.first + left!.blocks);
      }
    }),
  );
});

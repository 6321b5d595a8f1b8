import fc from 'fast-check';
import { expect, it } from 'vitest';
import type { SpoolOrder } from './spool';
import { type Indexed, SpoolIndex } from './spool-index';

const actions = fc.array(
  fc.oneof(
    { weight: 4, arbitrary: fc.record({ add: fc.integer({ min: 1, max: 50 }) }) },
    { weight: 4, arbitrary: fc.record({ remove: fc.nat(300), count: fc.integer({ min: 1, max: 60 }) }) },
    { weight: 4, arbitrary: fc.record({ read: fc.integer({ min: 1, max: 50 }) }) },
    { weight: 1, arbitrary: fc.constant('rewind' as const) },
  ),
  { maxLength: 60 },
);

it.each(['oldest-first', 'newest-first'] as const)(
  'is a list that is read once, %s, with removal anywhere',
  (order: SpoolOrder) => {
    fc.assert(
      fc.property(actions, (steps) => {
        const index = new SpoolIndex<Indexed>(order);
        let model: number[] = [];
        let unread: number[] = [];
        let position = 0;
        for (const step of steps) {
          if (step === 'rewind') {
            index.rewind();
            unread = [...model];
          } else if ('add' in step) {
            for (let count = 0; count < step.add; count += 1) {
              position += 1;
              index.add({ position, bytes: 1, mark: 0, priority: 0 });
              model.push(position);
              unread.push(position);
            }
          } else if ('read' in step) {
            const expected =
              order === 'oldest-first'
                ? unread.splice(0, step.read)
                : unread.splice(-step.read, step.read).reverse();
            expect(index.next(step.read).map((item) => item.position)).toEqual(expected);
          } else {
            for (let one = step.remove; one < step.remove + step.count; one += 1) {
              expect(index.remove(one)?.position).toBe(model.includes(one) ? one : undefined);
            }
            const isLeft = (one: number) => one < step.remove || one >= step.remove + step.count;
            model = model.filter(isLeft);
            unread = unread.filter(isLeft);
          }
          expect(index.expendable?.position).toBe(unread.length > 0 ? Math.min(...unread) : model[0]);
        }
        expect(index.size).toBe(model.length);
        expect(index.bytes).toBe(model.length);
        expect([...index].map((item) => item.position)).toEqual(model);
        expect(model.every((one) => index.get(one)?.position === one)).toBe(true);
      }),
      { numRuns: 500 },
    );
  },
);

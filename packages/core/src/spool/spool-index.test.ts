import fc from 'fast-check';
import { expect, it } from 'vitest';
import type { SpoolOrder } from './spool';
import { type Indexed, SpoolIndex } from './spool-index';

/** Of all positions so far. */
const share = fc.double({ min: 0, max: 1, noNaN: true });
const actions = fc.array(
  fc.oneof(
    {
      weight: 4,
      arbitrary: fc.record({
        add: fc.integer({ min: 1, max: 300 }),
        priority: fc.constantFrom(0, 0, 0, 5, -1),
      }),
    },
    { weight: 4, arbitrary: fc.record({ remove: share, end: share }) },
    { weight: 4, arbitrary: fc.record({ read: fc.integer({ min: 1, max: 150 }) }) },
    { weight: 1, arbitrary: fc.constant('rewind' as const) },
  ),
  { maxLength: 60, size: 'max' },
);

it.each(['oldest-first', 'newest-first'] as const)(
  'is a list that is read once, by priority and %s, with removal anywhere',
  (order: SpoolOrder) => {
    const isBefore = (one: Indexed, other: Indexed) =>
      other.priority - one.priority || (one.position - other.position) * (order === 'oldest-first' ? 1 : -1);
    fc.assert(
      fc.property(actions, (steps) => {
        const index = new SpoolIndex(order);
        let model: Indexed[] = [];
        let unread: Indexed[] = [];
        let position = 0;
        for (const step of steps) {
          if (step === 'rewind') {
            index.rewind();
            unread = [...model];
          } else if ('add' in step) {
            for (let count = 0; count < step.add; count += 1) {
              position += 1;
              const expires = position % 3 === 0 && { expiresAt: position * 10 };
              const { priority } = step;
              const item = {
                position,
                bytes: position % 7,
                mark: position,
                priority,
                storedAt: -position,
                ...expires,
              };
              index.add(item);
              model.push(item);
              unread.push(item);
            }
          } else if ('read' in step) {
            const next = unread.toSorted(isBefore).slice(0, step.read);
            expect(index.next(step.read)).toEqual(next.map((item) => item.position));
            unread = unread.toSorted(isBefore).slice(step.read);
          } else {
            const [from, end] = [step.remove, step.end].map((part) => Math.round(part * position)) as [
              number,
              number,
            ];
            const isLeft = (item: Indexed) => item.position < from || item.position >= end;
            const removed = [];
            for (let one = from; one < end; one += 1) {
              const item = index.get(one);
              expect(index.remove(one)).toBe(item?.bytes);
              if (item) removed.push(item);
            }
            expect(removed).toEqual(model.filter((item) => !isLeft(item)));
            model = model.filter(isLeft);
            unread = unread.filter(isLeft);
          }
          const lowest = Math.min(...unread.map(({ priority }) => priority));
          const spared = unread.filter(({ priority }) => priority === lowest);
          expect(index.expendable).toEqual(
            spared.length > 0 ? spared.toSorted((a, b) => a.position - b.position)[0] : model[0],
          );
        }
        expect(index.size).toBe(model.length);
        expect(index.oldest).toEqual(model[0]);
        expect(index.bytes).toBe(model.reduce((sum, { bytes }) => sum + bytes, 0));
        expect([...index]).toEqual(model);
        expect(model.every((one) => index.get(one.position)?.position === one.position)).toBe(true);
        for (const { position: one } of model) index.remove(one);
        expect([index.size, index.bytes, [...index].length]).toEqual([0, 0, 0]);
      }),
      { numRuns: 100 },
    );
  },
);

import fc from 'fast-check';
import { expect, it } from 'vitest';
import type { Message } from '../src/message';
import type { Spool, SpoolOrder } from '../src/spool/spool';

interface Model {
  ids: string[];
  unread: string[];
}

type Step =
  | { readonly append: number }
  | { readonly read: number }
  | { readonly remove: number }
  | { readonly reopen: boolean };

const steps: fc.Arbitrary<Step[]> = fc.array(
  fc.oneof(
    { weight: 4, arbitrary: fc.record({ append: fc.integer({ min: 1, max: 20 }) }) },
    { weight: 3, arbitrary: fc.record({ read: fc.integer({ min: 1, max: 20 }) }) },
    { weight: 3, arbitrary: fc.record({ remove: fc.nat(30) }) },
    { weight: 1, arbitrary: fc.record({ reopen: fc.boolean() }) },
  ),
  { minLength: 1, maxLength: 60 },
);

const message = (id: string): Message => ({ id, payload: Buffer.from(id), properties: {} });

/** Does whatever comes to mind to a spool and to a list, and sees the same come out. */
export function spoolModel(name: string, runs: number, create: (order: SpoolOrder) => Spool): void {
  it.each(['oldest-first', 'newest-first'] as const)(`${name} reads as a list would, %s`, async (order) => {
    await fc.assert(
      fc.asyncProperty(steps, async (taken) => {
        const spool = create(order);
        await spool.open();
        const model: Model = { ids: [], unread: [] };
        let count = 0;
        for (const step of taken) {
          if ('append' in step) {
            const ids = Array.from({ length: step.append }, () => String(++count));
            await Promise.all(ids.map((id) => spool.append(message(id))));
            model.ids.push(...ids);
            model.unread.push(...ids);
          } else if ('read' in step) {
            const entries = await spool.read(step.read);
            const expected =
              order === 'oldest-first'
                ? model.unread.splice(0, step.read)
                : model.unread.splice(-step.read, step.read).reverse();
            expect(entries.map((entry) => entry.message.id)).toEqual(expected);
          } else if ('remove' in step) {
            spool.rewind();
            const entries = await spool.read(1_000_000);
            const gone = entries[step.remove % Math.max(1, entries.length)];
            if (gone) await spool.remove(gone.position);
            model.ids = model.ids.filter((id) => id !== gone?.message.id);
            spool.rewind();
            model.unread = [...model.ids];
          } else {
            if (step.reopen && spool.durable) {
              await spool.close();
              await spool.open();
            }
            spool.rewind();
            model.unread = [...model.ids];
          }
          expect(spool.messages).toBe(model.ids.length);
        }
        await spool.close();
      }),
      { numRuns: runs },
    );
  });
}

import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Message } from '../message';
import { MemorySpool } from './memory-spool';
import type { SpoolDrop } from './spool';

const message = (id: string, bytes = 10): Message => ({ id, payload: Buffer.alloc(bytes), properties: {} });
const ids = (entries: readonly { message: Message }[]) => entries.map((entry) => entry.message.id);

describe('MemorySpool', () => {
  it('keeps order, and reads from any position', async () => {
    const spool = new MemorySpool();
    for (const id of ['a', 'b', 'c', 'd']) await spool.append(message(id));
    expect(ids(await spool.read(0, 10))).toEqual(['a', 'b', 'c', 'd']);
    const [, second] = await spool.read(0, 2);
    expect(ids(await spool.read(second!.position, 1))).toEqual(['c']);
    await spool.remove(second!.position);
    await spool.remove(second!.position);
    expect(ids(await spool.read(0, 10))).toEqual(['a', 'c', 'd']);
    expect(spool.messages).toBe(3);
  });

  it('blocks when it is full, and goes on in order when there is room', async () => {
    const spool = new MemorySpool({ maximumMessages: 2 });
    const first = await spool.append(message('a'));
    await spool.append(message('b'));
    const order: string[] = [];
    const waiting = ['c', 'd'].map((id) => spool.append(message(id)).then(() => order.push(id)));
    await new Promise((resolve) => setImmediate(resolve));
    expect(order).toEqual([]);
    await spool.remove(first!.position);
    await waiting[0];
    expect(order).toEqual(['c']);
    await spool.remove((await spool.read(0, 1))[0]!.position);
    await waiting[1];
    expect(ids(await spool.read(0, 10))).toEqual(['c', 'd']);
  });

  it('lets a waiting append go when it is aborted or the spool is closed', async () => {
    const spool = new MemorySpool({ maximumMessages: 1 });
    await spool.append(message('a'));
    const controller = new AbortController();
    const aborted = spool.append(message('b'), controller.signal);
    const closed = spool.append(message('c'));
    controller.abort(new Error('enough'));
    await expect(aborted).rejects.toThrow('enough');
    await spool.close();
    await expect(closed).rejects.toMatchObject({ code: 'CLOSED' });
  });

  it.each([
    ['drop-oldest' as const, ['b', 'c'], ['a']],
    ['drop-newest' as const, ['a', 'b'], ['c']],
  ])('with %s keeps %j and tells of %j', async (whenFull, kept, dropped) => {
    const spool = new MemorySpool({ maximumMessages: 2, whenFull });
    const drops: SpoolDrop[] = [];
    spool.onDrop((drop) => drops.push(drop));
    for (const id of ['a', 'b', 'c']) await spool.append(message(id));
    expect(ids(await spool.read(0, 10))).toEqual(kept);
    expect(ids(drops)).toEqual(dropped);
  });

  it('counts payload, topic and properties against its bytes, and refuses what can never fit', async () => {
    const spool = new MemorySpool({ maximumBytes: 100 });
    await spool.append({
      id: '1',
      topic: 'abc',
      payload: Buffer.alloc(50),
      properties: { one: ['12', '34'] },
    });
    expect(spool.bytes).toBe(1 + 3 + 50 + 5 + 5);
    await expect(spool.append(message('big', 200))).rejects.toMatchObject({ code: 'MESSAGE_TOO_LARGE' });
  });

  it.each([[{ maximumMessages: 0 }], [{ maximumBytes: -1 }], [{ whenFull: 'explode' as 'block' }]])(
    'refuses the options %j',
    (options) => {
      expect(() => new MemorySpool(options)).toThrow(TypeError);
    },
  );

  it('behaves as a list with removals, whatever is appended and removed', async () => {
    const steps = fc.array(fc.oneof(fc.constant('append' as const), fc.nat(300)), { maxLength: 400 });
    await fc.assert(
      fc.asyncProperty(steps, async (actions) => {
        const spool = new MemorySpool();
        let model: string[] = [];
        const positions = new Map<string, number>();
        for (const [index, action] of actions.entries()) {
          if (action === 'append') {
            const id = String(index);
            positions.set(id, (await spool.append(message(id)))!.position);
            model.push(id);
          } else {
            const id = model[action % Math.max(1, model.length)];
            if (id === undefined) continue;
            await spool.remove(positions.get(id)!);
            model = model.filter((other) => other !== id);
          }
        }
        expect(ids(await spool.read(0, 1000))).toEqual(model);
        expect(spool.messages).toBe(model.length);
        expect(spool.bytes).toBe(model.reduce((sum, id) => sum + 10 + id.length, 0));
      }),
      { numRuns: 50 },
    );
  });
});

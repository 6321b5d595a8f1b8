import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import type { RootDatabase } from 'lmdb';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { hasDirectWrites } from '../../test/direct-writes';
import type { Message } from '../message';
import { Slab } from '../slab';
import type { Bundled } from './bundle';
import { LmdbBundles } from './lmdb-bundles';
import { openDatabase } from './lmdb-file';
import { TABLES, type Tables, tablesOf } from './lmdb-tables';
import { PayloadFile } from './payload-file';

const slabBytes = 512 * 1024;

describe('LmdbBundles', () => {
  let folder: string;
  let root: RootDatabase<Buffer, number>;
  let tables: Tables;
  let bundles: LmdbBundles;
  let file: PayloadFile;
  let position = 0;
  let slab = new Slab(slabBytes);
  let end = 0;

  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'edge-relay-bundles-'));
    position = 0;
    await open();
  });
  afterEach(async () => {
    await file.close();
    await root.close();
    await rm(folder, { recursive: true });
  });

  async function open(): Promise<number[]> {
    root = await openDatabase(folder, TABLES, () => {});
    tables = tablesOf(root);
    file = new PayloadFile(join(folder, 'payloads'));
    await file.open();
    bundles = new LmdbBundles(tables, file);
    expect(bundles.findPlaces()).toBe(true);
    return [...bundles.load()].map((loaded) => loaded.position);
  }

  async function reopen(): Promise<number[]> {
    await file.close();
    await root.close();
    return open();
  }

  /** The next message, its payload read into a slab behind the one before. */
  function next(length: number, priority = 0): Bundled {
    position += 1;
    if (end + length > slabBytes) {
      slab = new Slab(slabBytes);
      end = 0;
    }
    const part = slab.bytes.subarray(end, end + length).fill(position);
    end += length + 40;
    const message: Message = { id: `id ${position}`, payload: slab.lend(part), properties: {}, priority };
    return { message, kept: { position, bytes: length, mark: position, priority, storedAt: 5 } };
  }

  /** @param isPrepared after something else of this opening is on the disk */
  async function put(items: readonly Bundled[], isPrepared = false): Promise<void> {
    if (isPrepared) {
      bundles.removed([], true);
      await bundles.prepare(items);
    }
    let places: number[] = [];
    await root.batch(() => {
      places = bundles.put(items);
    });
    for (const [index, { kept }] of items.entries()) bundles.placed(kept.position, places[index]!);
  }

  async function remove(positions: readonly number[]): Promise<void> {
    await root.batch(() => bundles.remove(positions));
    bundles.removed(positions, true);
  }

  const rows = () => [tables.payloads, tables.records, tables.staying].map((table) => table.getCount());
  const places = () => tables.places.getCount();

  it('removes a bundle with the last of its messages, and remembers until then which have left', async () => {
    await put([1, 2, 3, 4].map(() => next(20_000)));
    expect(rows()).toEqual([1, 1, 0]);
    await remove([1, 3]);
    expect(rows()).toEqual([1, 1, 1]);
    expect(bundles.read(3)).toBeUndefined();
    expect(await reopen()).toEqual([2, 4]);
    expect(bundles.read(4)?.id).toBe('id 4');
    await remove([2]);
    expect(await reopen()).toEqual([4]);
    await remove([4]);
    expect(rows()).toEqual([0, 0, 0]);
  });

  it('leaves nothing behind where what was removed by halves is removed once more, one by one', async () => {
    await put([1, 2].map(() => next(20_000)));
    const failing = async () =>
      root.batch(() => {
        bundles.remove([1, 2]);
        throw new Error('failed');
      });
    await expect(failing()).rejects.toThrow('failed');
    for (const one of [1, 2]) await remove([one]);
    expect(rows()).toEqual([0, 0, 0]);
    expect(await reopen()).toEqual([]);
  });

  it('hides no later message where it is killed while it removes once more what is gone', async () => {
    await put([1, 2].map(() => next(20_000)));
    // Committed, but its flush failed.
    await root.batch(() => bundles.remove([1, 2]));
    await remove([2]);
    expect(rows()).toEqual([0, 0, 0]);
    expect(await reopen()).toEqual([]);
    position = 0;
    await put([1, 2].map(() => next(20_000)));
    expect(await reopen()).toEqual([1, 2]);
  });

  it.runIf(hasDirectWrites())(
    'has in the file what lies in a slab, and in the database what does not',
    async () => {
      const own = {
        ...next(20_000),
        message: { id: 'own', payload: Buffer.alloc(20_000, 7), properties: {} },
      };
      await put([...[1, 2, 3].map(() => next(20_000)), own, next(20_000)], true);
      expect(rows()).toEqual([1, 3, 0]);
      expect(places()).toBe(2);
      for (const isAgain of [false, true]) {
        if (isAgain) await reopen();
        for (const one of [2, 3, 4, 5]) {
          // The fourth is the one that is not in a slab; those in it are filled with their positions.
          expect(bundles.read(one)?.payload).toEqual(Buffer.alloc(20_000, one === 1 ? 7 : one));
        }
      }
    },
  );

  it.runIf(hasDirectWrites())(
    'overwrites nothing in the file that a power cut could bring back',
    async () => {
      await put([next(20_000)], true);
      const blockOf = (bundle: number) => tables.places.get(bundle)!.readUInt32LE(0);
      const first = blockOf(1);
      await root.batch(() => bundles.remove([1]));
      bundles.removed([1], false);
      const second = [next(20_000)];
      await bundles.prepare(second);
      await put(second);
      expect(blockOf(2)).toBeGreaterThanOrEqual(first + 20_000 / 4_096);
      await remove([2]);
      await put([next(20_000)], true);
      expect(blockOf(3)).toBe(first);
    },
  );

  it('writes nothing to the file before what an earlier process has removed is sure to be gone', async () => {
    const items = [next(20_000)];
    await bundles.prepare(items);
    await put(items);
    expect([...rows(), places()]).toEqual([1, 1, 0, 0]);
  });

  it('reads what was put once more, alone, from the database', async () => {
    const items = [1, 2].map(() => next(20_000));
    bundles.removed([], true);
    await bundles.prepare(items);
    await root.batch(() => bundles.put(items));
    for (const item of items) await put([item]);
    expect([...rows(), places()]).toEqual([2, 2, 0, 0]);
    expect(await reopen()).toEqual([1, 2]);
    expect(bundles.read(1)?.payload).toEqual(Buffer.alloc(20_000, 1));
    await remove([1, 2]);
    expect([...rows(), places()]).toEqual([0, 0, 0, 0]);
  });

  it('does nothing for a message that was never put', async () => {
    await put([next(10)]);
    await remove([7]);
    expect(await reopen()).toEqual([1]);
  });

  it('has a message once that was put once more, alone', async () => {
    const items = [1, 2, 3].map(() => next(20_000));
    await root.batch(() => bundles.put(items));
    await put([items[1]!]);
    expect(await reopen()).toEqual([1, 2, 3]);
    expect([1, 2, 3].map((one) => bundles.read(one)?.id)).toEqual(['id 1', 'id 2', 'id 3']);
    await remove([1, 2, 3]);
    expect(rows()).toEqual([0, 0, 0]);
  });

  it('has what was put and not removed, whatever left in whatever order, and whenever it is opened again', async () => {
    const length = fc.oneof(fc.nat(100), fc.integer({ min: 4_090, max: 30_000 }));
    const step = fc.record({
      lengths: fc.array(length, { maxLength: 40 }),
      priority: fc.integer({ min: 0, max: 1 }),
      /** Which of what is in leaves, in thousandths of it. */
      leaving: fc.array(fc.nat(999), { maxLength: 60 }),
      isReopened: fc.boolean(),
      isPrepared: fc.boolean(),
    });
    await fc.assert(
      fc.asyncProperty(fc.array(step, { minLength: 1, maxLength: 12 }), async (steps) => {
        const model = new Map<number, Message>();
        for (const { lengths, priority, leaving, isReopened, isPrepared } of steps) {
          const items = lengths.map((length, index) => next(length, index % 9 === 0 ? priority : 0));
          const all = [...model.keys()];
          const left = [...new Set(leaving.map((part) => all[Math.floor((part / 1_000) * all.length)]!))];
          await put(items, isPrepared);
          for (const { kept, message } of items) {
            model.set(kept.position, { ...message, payload: Buffer.from(message.payload) });
          }
          if (all.length > 0) await remove(left);
          for (const one of left) model.delete(one);
          if (isReopened) expect(await reopen()).toEqual([...model.keys()]);
          for (const one of left) expect(bundles.read(one)).toBeUndefined();
          for (const [one, message] of model) {
            const { payload, ...rest } = bundles.read(one)!;
            expect(Buffer.compare(payload, message.payload)).toBe(0);
            const { payload: _, ...expected } = message;
            expect(rest).toEqual(expected);
          }
        }
        await remove([...model.keys()]);
        expect([...rows(), places()]).toEqual([0, 0, 0, 0]);
      }),
      { numRuns: 40 },
    );
  });
});

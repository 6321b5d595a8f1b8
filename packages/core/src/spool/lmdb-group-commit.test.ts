import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import fc from 'fast-check';
import type { RootDatabase } from 'lmdb';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { until } from '../../test/brokers';
import { openDatabase } from './lmdb-file';
import { DiskFullError, GroupCommit, type Put, type Removal } from './lmdb-group-commit';

/** A put and what became of it. */
class Tried implements Put {
  readonly settled: Promise<void>;
  readonly bytes: number;
  readonly apply: () => void;
  written = () => {};
  failed: (error: unknown) => void = () => {};

  constructor(bytes: number, apply: () => void = () => {}) {
    this.bytes = bytes;
    this.apply = apply;
    this.settled = new Promise((resolve, reject) => {
      this.written = resolve;
      this.failed = reject;
    });
    this.settled.catch(() => {});
  }
}

interface TriedRemoval extends Removal {
  readonly key?: number;
  apply(): void;
}

describe('GroupCommit', () => {
  let folder: string;
  let root: RootDatabase<Buffer, number>;
  const open = () => openDatabase(folder, 1, () => {});
  const options = {
    apply: (puts: readonly Tried[], removals: readonly TriedRemoval[]) => {
      for (const one of [...puts, ...removals]) one.apply();
    },
    room: () => Number.POSITIVE_INFINITY,
    full: () => {},
    asError: (error: unknown) => error,
  };
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'edge-relay-commit-'));
    root = await open();
  });
  afterEach(() => rm(folder, { recursive: true }));
  const putAt = (key: number) => new Tried(10, () => root.put(key, Buffer.from('x')));
  const removalOf = (key: number) => ({ bytes: 256, apply: () => root.remove(key) });

  it('is not closed before it has removed what was to leave as soon as it was written', async () => {
    const commits = new GroupCommit(root, { ...options, room: () => delay(20, Number.POSITIVE_INFINITY) });
    const put = putAt(1);
    commits.put(put);
    const removed = put.settled.then(() => commits.remove(removalOf(1), put));
    await Promise.all([commits.close(), removed]);
    root = await open();
    expect(root.get(1)).toBeUndefined();
    await root.close();
  });

  it('says that it has written when the flush is done, and needs none for what it removes', async () => {
    let flush = () => {};
    const flushed = new Promise<void>((resolve) => {
      flush = resolve;
    });
    const slow = { batch: root.batch.bind(root), close: root.close.bind(root), flushed };
    const commits = new GroupCommit(slow as unknown as typeof root, options);
    await commits.remove(removalOf(2));
    const order: string[] = [];
    const put = putAt(1);
    commits.put(put);
    const written = put.settled.then(() => order.push('written'));
    await until(() => root.get(1) !== undefined, 'it is committed');
    await new Promise((resolve) => setTimeout(resolve, 50));
    order.push('flushed');
    flush();
    await written;
    expect(order).toEqual(['flushed', 'written']);
    await commits.close();
  });

  it('never puts and removes the same in one transaction, whenever it is told to, and removes in the end', async () => {
    const batches: string[][] = [];
    let batch: string[] = [];
    const watched = {
      batch: (apply: () => void) => {
        batch = [];
        batches.push(batch);
        return root.batch(apply);
      },
      close: root.close.bind(root),
      get flushed() {
        return root.flushed;
      },
    };
    const commits = new GroupCommit(watched as unknown as typeof root, options);
    const turns = fc.array(fc.nat(5), { minLength: 1, maxLength: 60 });
    await fc.assert(
      fc.asyncProperty(turns, async (waits) => {
        batches.length = 0;
        const removed: Promise<void>[] = [];
        for (const [key, wait] of waits.entries()) {
          const put = new Tried(10, () => batch.push(`+${key}`));
          commits.put(put);
          const remove = () =>
            removed.push(commits.remove({ bytes: 1, apply: () => batch.push(`-${key}`) }, put));
          if (wait === 0) remove();
          else removed.push(delay(wait).then(() => void remove()));
          if (wait % 2 === 1) await new Promise(setImmediate);
        }
        for (let count = 0; count < removed.length; count += 1) await removed[count];
        const at = (what: string) => batches.findIndex((applied) => applied.includes(what));
        for (const key of waits.keys()) {
          expect(at(`+${key}`)).toBeGreaterThanOrEqual(0);
          expect(at(`-${key}`)).toBeGreaterThan(at(`+${key}`));
        }
        const puts = batches.flat().filter((what) => what.startsWith('+'));
        expect(puts).toEqual([...waits.keys()].map((key) => `+${key}`));
      }),
      { numRuns: 30 },
    );
    await commits.close();
  });

  it('where one of a group is at fault, writes the others, and removes', async () => {
    const commits = new GroupCommit(root, options);
    await root.put(3, Buffer.from('x'));
    const [good, other] = [putAt(1), putAt(2)];
    const bad = new Tried(10, () => {
      throw new Error('cannot be written');
    });
    for (const put of [good, bad, other]) commits.put(put);
    const removed = commits.remove(removalOf(3));
    const left = commits.remove(removalOf(2), other);
    await expect(bad.settled).rejects.toThrow('cannot be written');
    await Promise.all([good.settled, other.settled, removed, left]);
    expect([1, 2, 3].map((key) => root.get(key) !== undefined)).toEqual([true, false, false]);
    await expect(
      commits.remove({
        bytes: 1,
        apply: () => {
          throw new Error('cannot be removed');
        },
      }),
    ).rejects.toThrow('cannot be removed');
    await commits.close();
  });

  it('says what it has removed before it begins the next transaction, and nothing of what failed', async () => {
    const told: string[] = [];
    const removalAt = (key: number, apply = () => root.remove(key)) => ({ bytes: 1, apply, key });
    const commits = new GroupCommit(root, {
      ...options,
      apply: (puts: readonly Tried[], removals: readonly TriedRemoval[]) => {
        told.push('begins');
        options.apply(puts, removals);
      },
      removed: (removals: readonly TriedRemoval[]) => {
        for (const { key } of removals) told.push(`removed ${key}`);
      },
    });
    const first = commits.remove(removalAt(1));
    await until(() => told.length > 0, 'the first has begun');
    const fails = () => {
      throw new Error('cannot be removed');
    };
    const others = [commits.remove(removalAt(2)), commits.remove(removalAt(3, fails))];
    await first;
    await Promise.allSettled(others);
    expect(told.slice(0, 3)).toEqual(['begins', 'removed 1', 'begins']);
    expect(told.filter((what) => what !== 'begins')).toEqual(['removed 1', 'removed 2']);
    await commits.close();
  });

  it('prepares a group once, before its transaction, and goes on where that fails', async () => {
    const told: string[] = [];
    const commits = new GroupCommit(root, {
      ...options,
      prepare: async (puts: readonly Tried[]) => {
        told.push(`prepares ${puts.length}`);
        await delay(5);
        throw new Error('cannot be prepared');
      },
      apply: (puts: readonly Tried[], removals: readonly TriedRemoval[]) => {
        told.push(`puts ${puts.length}`);
        options.apply(puts, removals);
      },
    });
    const good = putAt(1);
    const bad = new Tried(10, () => {
      throw new Error('cannot be written');
    });
    for (const put of [good, bad]) commits.put(put);
    await expect(bad.settled).rejects.toThrow('cannot be written');
    await good.settled;
    expect(told).toEqual(['prepares 2', 'puts 2', 'puts 1', 'puts 1']);
    await commits.close();
  });

  it('says that a removal is on the disk where a flush has come with it', async () => {
    const told: boolean[] = [];
    const commits = new GroupCommit(root, {
      ...options,
      removed: (removals: readonly TriedRemoval[], isFlushed: boolean) => {
        if (removals.length > 0) told.push(isFlushed);
      },
    });
    await commits.remove(removalOf(1));
    const put = putAt(2);
    commits.put(put);
    await Promise.all([put.settled, commits.remove(removalOf(3))]);
    expect(told).toEqual([false, true]);
    await commits.close();
  });

  it('lets nothing smaller overtake what finds no room, and removes all the same', async () => {
    const commits = new GroupCommit(root, { ...options, room: () => 20_000 });
    await root.put(1, Buffer.from('x'));
    const puts = [10_000, 100_000, 10].map((bytes) => new Tried(bytes));
    for (const put of puts) commits.put(put);
    const removed = commits.remove(removalOf(1));
    const settled = await Promise.allSettled(puts.map((put) => put.settled));
    expect(settled.map(({ status }) => status)).toEqual(['fulfilled', 'rejected', 'rejected']);
    expect(settled[1]).toMatchObject({ reason: expect.any(DiskFullError) });
    await removed;
    expect(root.get(1)).toBeUndefined();
    await commits.close();
  });
});

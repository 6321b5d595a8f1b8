import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import type { RootDatabase } from 'lmdb';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { until } from '../../test/brokers';
import { openDatabase } from './lmdb-file';
import { GroupCommit, type Write } from './lmdb-group-commit';

describe('GroupCommit', () => {
  let folder: string;
  let root: RootDatabase<Buffer, number>;
  const open = () => openDatabase(folder, 1, () => {});
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'edge-relay-commit-'));
    root = await open();
  });
  afterEach(() => rm(folder, { recursive: true }));

  it('does not take the disk for full because all that was old enough to be written has left', async () => {
    let old: Write[] = [];
    let full = 0;
    const commits = new GroupCommit(root, {
      writesAlways: false,
      // Looking at the disk takes a moment, in which the broker takes the oldest.
      room: async () => {
        for (const write of old) commits.cancel(write);
        return Number.POSITIVE_INFINITY;
      },
      full: () => {
        full += 1;
      },
    });
    const add = (count: number) => Array.from({ length: count }, () => commits.write(10, () => {}));
    // What comes while a group is being committed has to wait.
    await new Promise<void>((begun) => {
      commits.write(10, () => {
        old = add(150);
        begun();
      });
    });
    const leaving = setInterval(() => commits.cancel(add(1)[0]!), 5);
    await delay(1_500);
    const young = add(150);
    const settled = await Promise.allSettled(young.map((write) => write.settled));
    clearInterval(leaving);
    expect(settled.filter(({ status }) => status === 'rejected')).toHaveLength(0);
    expect(full).toBe(0);
    await commits.close();
  });

  it('is not closed before it has removed what was to leave as soon as it was written', async () => {
    const commits = new GroupCommit(root, {
      writesAlways: true,
      room: () => delay(20, Number.POSITIVE_INFINITY),
      full: () => {},
    });
    const { settled } = commits.write(10, () => root.put(1, Buffer.from('x')));
    const removed = settled.then(() => commits.remove(0, () => root.remove(1)));
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
    const commits = new GroupCommit(slow as unknown as typeof root, {
      writesAlways: true,
      room: () => Number.POSITIVE_INFINITY,
      full: () => {},
    });
    await commits.remove(0, () => root.remove(2));
    const order: string[] = [];
    const written = commits
      .write(10, () => root.put(1, Buffer.from('x')))
      .settled.then(() => order.push('written'));
    await until(() => root.get(1) !== undefined, 'it is committed');
    await new Promise((resolve) => setTimeout(resolve, 50));
    order.push('flushed');
    flush();
    await written;
    expect(order).toEqual(['flushed', 'written']);
    await commits.close();
  });

  it('puts before it removes, also where the group has to be written again', async () => {
    const commits = new GroupCommit(root, {
      writesAlways: false,
      room: () => Number.POSITIVE_INFINITY,
      full: () => {},
    });
    let removed: Promise<void> | undefined;
    const put = commits.write(10, () => {
      root.put(1, Buffer.from('x'));
      // It leaves while it is being written.
      expect(commits.cancel(put)).toBe(false);
      removed ??= commits.remove(0, () => root.remove(1));
    });
    const bad = commits.write(10, () => {
      throw new Error('cannot be written');
    });
    await expect(bad.settled).rejects.toThrow('cannot be written');
    await Promise.all([put.settled, removed]);
    expect(root.get(1)).toBeUndefined();
    await commits.close();
  });

  it('lets nothing smaller overtake what finds no room', async () => {
    const commits = new GroupCommit(root, { writesAlways: true, room: () => 20_000, full: () => {} });
    const writes = [100_000, 10].map((bytes) => commits.write(bytes, () => {}).settled);
    const settled = await Promise.allSettled(writes);
    expect(settled.map(({ status }) => status)).toEqual(['rejected', 'rejected']);
    await commits.close();
  });
});

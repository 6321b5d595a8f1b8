import { mkdir, mkdtemp, readdir, rm, utimes, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { keysOf } from '../../test/deliveries';
import { describeWith } from '../../test/requirements';
import { SmallDisk } from '../../test/small-disk';
import { FileStore } from './file-store';
import type { FileStoreOptions } from './file-store-options';
import type { RemovedEvent } from './store-events';
import { tombstone } from './tombstone';

const HOUR_MS = 3_600_000;
const KILOBYTE = 1_000;
let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'edge-relay-retention-'));
});
afterAll(() => rm(folder, { recursive: true }));

/** Puts files of a kilobyte each where a store will find them, so many hours old. */
async function fill(place: string, hoursByKey: Readonly<Record<string, number>>): Promise<void> {
  for (const [key, hours] of Object.entries(hoursByKey)) {
    const path = join(place, key);
    await mkdir(dirname(path), { recursive: true });
    await writeFile(path, Buffer.alloc(KILOBYTE));
    const time = (Date.now() - hours * HOUR_MS) / 1000;
    await utimes(path, time, time);
    await utimes(dirname(path), time, time);
  }
}

/** What a store removes and what it leaves when it is opened, and closed when it has looked at all. */
async function sweep(place: string, options: FileStoreOptions) {
  const store = new FileStore(place, options);
  const removed: RemovedEvent[] = [];
  store.events.on('removed', (event) => removed.push(event));
  await store.open();
  await store.close();
  return { removed, left: await keysOf(store) };
}

describe('FileStore that keeps so much and so long', () => {
  it('removes what is older, with the folders that are empty then, and tells', async () => {
    const place = await mkdtemp(join(folder, 'store-'));
    await fill(place, { 'a/old/1.png': 50, 'a/old/2.png': 49, 'a/new/3.png': 47, 'rejected/4.bin': 100 });
    const { removed, left } = await sweep(place, { maxAgeHours: 48 });
    expect(left).toEqual(['a/new/3.png']);
    expect(removed).toHaveLength(3);
    expect(removed).toContainEqual({ key: 'a/old/1.png', bytes: KILOBYTE, reason: 'age' });
    expect(await readdir(join(place, 'a'))).toEqual(['new', 'old']);
  });

  it('removes the oldest where there is too much, and no more than it must', async () => {
    const place = await mkdtemp(join(folder, 'store-'));
    await fill(place, { 'z/1.png': 9, 'b/2.png': 7.1, 'y/3.png': 7.3, 'x/4.png': 7.2, 'a/5.png': 1 });
    const { removed, left } = await sweep(place, { maxBytes: 3.2 * KILOBYTE });
    expect(left).toEqual(['a/5.png', 'b/2.png', 'x/4.png']);
    expect(removed.map(({ key, reason }) => [key, reason])).toEqual([
      ['z/1.png', 'size'],
      ['y/3.png', 'size'],
    ]);
  });

  it('leaves all of the hours after the one that is enough', async () => {
    const place = await mkdtemp(join(folder, 'store-'));
    await fill(place, { 'a/1.png': 1, 'a/2.png': 9, 'a/3.png': 5 });
    expect((await sweep(place, { maxBytes: 2.9 * KILOBYTE })).left).toEqual(['a/1.png', 'a/3.png']);
  });

  it('keeps the accounts of what there was', async () => {
    const place = await mkdtemp(join(folder, 'store-'));
    await fill(place, { 'manifest/1.jsonl': 900, 'gaps/2.json': 900, 'a/3.png': 900 });
    expect((await sweep(place, { maxAgeHours: 1, maxBytes: 1 })).left).toEqual([
      'gaps/2.json',
      'manifest/1.jsonl',
    ]);
  });

  it('keeps tombstones, and the note of an arrival an hour longer than what was stored by it', async () => {
    const place = await mkdtemp(join(folder, 'store-'));
    await fill(place, {
      'a/1.png': 900,
      'a/2.png': 900,
      'arrivals/3.json': 1.5,
      'a/3.png': 1.5,
      'a/4.png': 0,
    });
    const long = new Date(Date.now() - 900 * HOUR_MS);
    for (const [name, data] of [
      ['a/1.png', tombstone(0)],
      ['a/2.png', Buffer.alloc(tombstone(0).length)],
    ] as const) {
      await writeFile(join(place, name), data);
      await utimes(join(place, name), long, long);
    }
    const { left, removed } = await sweep(place, { maxAgeHours: 1 });
    expect(left).toEqual(['a/1.png', 'a/4.png', 'arrivals/3.json']);
    expect(removed).toHaveLength(2);
    // A tombstone takes no room of what may be kept, either.
    expect((await sweep(place, { maxBytes: 1 })).left).toEqual(['a/1.png']);
  });

  it('looks again when more is stored, and stays near its bound', async () => {
    const place = await mkdtemp(join(folder, 'store-'));
    const store = new FileStore(place, { maxBytes: 20 * KILOBYTE });
    for (let index = 0; index < 100; index += 1) await store.put(`a/${index}.png`, Buffer.alloc(KILOBYTE));
    await store.close();
    const left = await keysOf(store);
    expect(left.length).toBeGreaterThan(10);
    expect(left.length).toBeLessThan(60);
    expect(left).toContain('a/99.png');
    expect(left).not.toContain('a/0.png');
  });

  it('keeps everything unless told otherwise', async () => {
    const place = await mkdtemp(join(folder, 'store-'));
    await fill(place, { 'a/1.png': 100_000 });
    expect((await sweep(place, {})).left).toEqual(['a/1.png']);
  });
});

describeWith('tmpfs', 'FileStore on a disk that fills', () => {
  const MEGABYTE = 1_000_000;
  const photo = Buffer.alloc(MEGABYTE, 1);
  const reserve = { freeDiskBytes: 5 * MEGABYTE };

  it('leaves so much free, asks to be tried again, and goes on when there is room', async () => {
    const disk = new SmallDisk(10 * MEGABYTE);
    try {
      const store = new FileStore(disk.folder, reserve);
      const failed = async () => {
        for (let index = 0; index < 10; index += 1) await store.put(`a/${index}.png`, photo);
      };
      await expect(failed()).rejects.toMatchObject({
        code: 'STORE_FAILED',
        retryable: true,
        message: expect.stringMatching(/ MB free, and 5 MB are to stay free\. Free some space, lower/),
      });
      expect(disk.free).toBeGreaterThanOrEqual(5 * MEGABYTE);
      expect(disk.free).toBeLessThan(6.2 * MEGABYTE);
      disk.resize(20 * MEGABYTE);
      expect(await store.put('a/later.png', photo)).toBe('created');
      await store.close();
    } finally {
      disk.close();
    }
  });

  it('removes the oldest to make room where it is told to', async () => {
    const disk = new SmallDisk(10 * MEGABYTE);
    try {
      const store = new FileStore(disk.folder, { ...reserve, whenFull: 'remove-oldest' });
      const removed: RemovedEvent[] = [];
      store.events.on('removed', (event) => removed.push(event));
      for (let index = 0; index < 12; index += 1) {
        expect(await store.put(`a/${index}.png`, photo)).toBe('created');
      }
      expect(removed.map(({ reason }) => reason)).toContain('disk');
      expect(removed.map(({ key }) => key)).toContain('a/0.png');
      expect(disk.free).toBeGreaterThanOrEqual(5 * MEGABYTE);
      expect(await keysOf(store)).toContain('a/11.png');
      await store.close();
    } finally {
      disk.close();
    }
  });

  it('meets a disk that is full all the same without a part under a name', async () => {
    const disk = new SmallDisk(3 * MEGABYTE);
    try {
      for (const placement of ['link', 'rename', 'write'] as const) {
        const store = new FileStore(join(disk.folder, placement), { placement, freeDiskBytes: 0 });
        await expect(store.put('a.png', Buffer.alloc(4 * MEGABYTE))).rejects.toMatchObject({
          code: 'STORE_FAILED',
          retryable: true,
          message: expect.stringMatching(/The disk is full/),
        });
        expect(await keysOf(store)).toEqual([]);
        expect(await readdir(join(disk.folder, placement, '.incoming'))).toEqual([]);
      }
    } finally {
      disk.close();
    }
  });
});

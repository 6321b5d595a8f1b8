import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it, onTestFinished } from 'vitest';
import { archiveMessage } from '../../test/archive-messages';
import { collect } from '../../test/collect';
import { deliveryOf, id, keysOf, noisePng, properties } from '../../test/deliveries';
import { FailingStore } from '../../test/failing-store';
import { audit } from './audit';
import { FileStore } from './file-store';
import { type ForgetOptions, forget } from './forget';
import { compactManifest } from './manifest-compaction';
import { FORGOTTEN } from './manifest-keys';
import { manifestPages, readManifest } from './manifest-reader';
import { MemoryStore } from './memory-store';
import { Sink } from './sink';
import type { Store } from './store';
import { isTombstone } from './tombstone';

const upTo = (count: number) => Array.from({ length: count }, (_, number) => number);
const manifest = { compactAfterParts: 1_000_000 };

async function archive<S extends Store>(store: S, numbers: readonly number[] = upTo(40)): Promise<S> {
  const sink = new Sink(store, { accept: 'any', manifest });
  for (const number of numbers) await sink.write(archiveMessage(number));
  await sink.close();
  return store;
}

/** Message numbers of what is there, and of what has a tombstone. */
async function contentOf(store: Store): Promise<{ there: number[]; buried: number[] }> {
  const content = { there: [] as number[], buried: [] as number[] };
  for (const key of await keysOf(store)) {
    if (key.startsWith('manifest/')) continue;
    const { data } = (await store.get(key))!;
    const number = Number(/-(\d+)\.bin$/.exec(key)?.[1]);
    (isTombstone(data) ? content.buried : content.there).push(number);
  }
  const byNumber = (one: number, other: number) => one - other;
  return { there: content.there.sort(byNumber), buried: content.buried.sort(byNumber) };
}

const time = (number: number) => archiveMessage(number).properties.time as string;
const even = upTo(40).filter((number) => number % 2 === 0);

describe('forget()', () => {
  it.each([
    ['a camera', { camera: 'front-door' }, even],
    ['a track', { track: 'visit-1' }, upTo(40).slice(20)],
    ['what is older', { before: new Date(time(7)) }, upTo(7)],
    ['a camera before a time', { camera: 'front-door', before: new Date(time(7)) }, [0, 2, 4, 6]],
    ['nobody', { camera: 'nobody' }, []],
  ] as [string, ForgetOptions, number[]][])('deletes %s and no more', async (_, selection, gone) => {
    for (const isCompacted of [false, true]) {
      const store = await archive(new MemoryStore());
      if (isCompacted) await compactManifest(store);
      const left = upTo(40).filter((number) => !gone.includes(number));
      const bytes = gone.reduce((sum, number) => sum + archiveMessage(number).payload.length, 0);
      expect(await forget(store, selection)).toMatchObject({
        dryRun: false,
        objects: gone.length,
        versions: gone.length,
        rows: gone.length,
        bytes,
        remaining: [],
        proven: true,
        ...(gone.length > 0 && { first: time(gone[0]!), last: time(gone.at(-1)!) }),
      });
      expect(await contentOf(store)).toEqual({ there: left, buried: gone });
      const rows = await collect(readManifest(store));
      expect(rows.map(({ sequence: _, ...row }) => row.id).sort()).toEqual(
        left.map((number) => archiveMessage(number).properties.id as string).sort(),
      );
    }
  });

  it('leaves nothing in the manifest but that it is gone', async () => {
    const store = await archive(new MemoryStore());
    await forget(store, { track: 'visit-0' });
    const text = (await Promise.all((await keysOf(store)).map((key) => store.get(key))))
      .map((object) => Buffer.from(object!.data).toString())
      .join('');
    expect(text).not.toContain('visit-0');
    expect(text).toContain('visit-1');
    const pages = await collect(manifestPages(store, [FORGOTTEN]));
    expect(pages.flatMap(({ rows }) => rows)[0]).toEqual({
      outcome: 'forgotten',
      id: expect.any(String),
      key: expect.any(String),
      camera: expect.any(String),
      boot: '0badcafe',
      number: expect.any(Number),
      captured: expect.any(String),
      stored: expect.any(String),
      bytes: 0,
      sha256: '',
    });
  });

  it('does not count as a loss in an audit', async () => {
    const store = await archive(new MemoryStore());
    await forget(store, { camera: 'front-door', before: new Date(time(11)) });
    const report = await audit(store, { verify: true });
    expect(report).toMatchObject({ complete: true });
    expect(report.cameras).toMatchObject([{ stored: 14, forgotten: 6, missing: 0 }, { stored: 20 }]);
    expect(await audit(store)).toMatchObject({ complete: true, unlistedObjects: { count: 0 } });
  });

  it('does nothing in a dry run', async () => {
    const store = await archive(new MemoryStore());
    const before = await keysOf(store);
    const seen: string[] = [];
    const options = { dryRun: true, onForgotten: ({ key }: { key: string }) => seen.push(key) };
    expect(await forget(store, { camera: 'yard', ...options })).toMatchObject({
      dryRun: true,
      objects: 20,
      rows: 20,
      cameras: { yard: 20 },
      proven: false,
    });
    expect(seen).toHaveLength(20);
    expect(await keysOf(store)).toEqual(before);
    expect((await contentOf(store)).buried).toEqual([]);
  });

  it('lets no late delivery bring anything back', async () => {
    const store = await archive(new MemoryStore());
    await forget(store, { camera: 'front-door' });
    const before = await keysOf(store);
    const sink = new Sink(store, { accept: 'any', manifest });
    const events: unknown[] = [];
    sink.on('forgotten', (event) => events.push(event));
    expect((await sink.write(archiveMessage(0))).outcome).toBe('forgotten');
    // Other bytes under the same id neither.
    const other = { ...archiveMessage(0), payload: Buffer.from('other') };
    expect((await sink.write(other)).outcome).toBe('forgotten');
    expect((await sink.write(archiveMessage(1))).outcome).toBe('duplicate');
    expect(sink.stats).toMatchObject({ forgotten: 2, duplicates: 1, stored: 0, conflicts: 0 });
    expect(events).toHaveLength(2);
    const names = (keys: string[]) => keys.filter((key) => !key.startsWith('manifest/'));
    expect(names(await keysOf(store))).toEqual(names(before));
  });

  it('takes conflicts and what was rejected along, with its note', async () => {
    const store = new MemoryStore();
    const sink = new Sink(store, { manifest });
    const text = deliveryOf(Buffer.from('no picture'), { properties: { ...properties, id: 'text' } });
    for (const payload of [await noisePng(), await noisePng()]) await sink.write(deliveryOf(payload));
    await sink.write(text);
    expect(await forget(store, { camera: 'front-door' })).toMatchObject({ objects: 3, proven: true });
    const keys = (await keysOf(store)).filter((key) => !key.startsWith('manifest/'));
    expect(keys.map((key) => key.split('/')[0])).toEqual(['conflicts', 'front-door', 'rejected']);
    for (const key of keys) expect(isTombstone((await store.get(key))!.data)).toBe(true);
    expect((await sink.write(text)).outcome).toBe('forgotten');
    expect((await keysOf(store)).filter((key) => key.endsWith('.json'))).toEqual([]);
  });

  it('lets no late delivery bring back the row of what was in conflict', async () => {
    const store = new MemoryStore();
    const sink = new Sink(store, { manifest });
    const late = deliveryOf(await noisePng(), { properties: { ...properties, subject: 'visit-9' } });
    for (const message of [deliveryOf(await noisePng()), late]) await sink.write(message);
    expect(await forget(store, { track: 'visit-9' })).toMatchObject({ objects: 1, proven: true });
    expect((await sink.write(late)).outcome).toBe('forgotten');
    for await (const { rows } of manifestPages(store)) {
      expect(rows.filter(({ track }) => track === 'visit-9')).toEqual([]);
    }
  });

  it('finds what has no row by its metadata, and by what is in the picture', async () => {
    const store = new MemoryStore();
    await archive(store, [0, 1]);
    const sink = new Sink(store, { accept: 'any' });
    for (const number of [2, 3]) await sink.write(archiveMessage(number));
    await store.put('by-hand/unknown.txt', Buffer.from('whose?'));
    const report = await forget(store, { camera: 'front-door' });
    expect(report).toMatchObject({ objects: 2, rows: 1, proven: true });
    expect((await contentOf(store)).buried).toEqual([0, 2]);
    expect(await store.get('by-hand/unknown.txt')).toBeDefined();

    const folder = await mkdtemp(join(tmpdir(), 'edge-relay-forget-'));
    onTestFinished(() => rm(folder, { recursive: true }));
    const { default: sharp } = await import('sharp');
    const exif = { IFD2: { UserComment: JSON.stringify(properties) } };
    const payload = await sharp(await noisePng())
      .withExif(exif)
      .png()
      .toBuffer();
    await new Sink(folder).write(deliveryOf(payload));
    expect(await forget(folder, { camera: 'front-door' })).toMatchObject({ objects: 1, proven: true });
    expect((await readdir(join(folder, 'front-door'), { recursive: true })).at(-1)).toContain(id);
    expect((await new Sink(folder).write(deliveryOf(payload))).outcome).toBe('forgotten');
  });

  it('forgets one object by its row, reading no other hour', async () => {
    const store = await archive(new MemoryStore(), [0, 2, 600, 602]);
    await compactManifest(store);
    const rows = await collect(readManifest(store));
    const row = rows.find(({ number }) => number === 300)!;
    expect(await forget(store, { objects: [row] })).toMatchObject({ objects: 1, rows: 1, proven: true });
    expect(await contentOf(store)).toEqual({ there: [0, 2, 602], buried: [600] });
  });

  it('ends what a killed one has begun, wherever that was', async () => {
    let stops = 0;
    for (let step = 0; ; step += 1) {
      const inner = await archive(new MemoryStore(), upTo(8));
      if (step % 2 === 0) await compactManifest(inner);
      const store = new FailingStore(inner);
      store.failAfter(step);
      const outcome = await forget(store, { camera: 'front-door', concurrency: 1 }).catch(() => 'stopped');
      store.heal();
      await forget(store, { camera: 'front-door' });
      await compactManifest(store);
      expect(await contentOf(store)).toEqual({ there: [1, 3, 5, 7], buried: [0, 2, 4, 6] });
      expect(await audit(store)).toMatchObject({ complete: true, rows: 8 });
      if (outcome !== 'stopped') break;
      stops += 1;
    }
    expect(stops).toBeGreaterThan(15);
  });

  it('stands against a sink that stores the same messages meanwhile, and against compaction', async () => {
    const store = new FailingStore(await archive(new MemoryStore()));
    store.shuffle();
    const sink = new Sink(store, { accept: 'any', manifest });
    const redelivery = Promise.all(upTo(40).map((number) => sink.write(archiveMessage(number))));
    const [report] = await Promise.all([
      forget(store, { camera: 'front-door' }),
      redelivery,
      compactManifest(store),
      compactManifest(store),
    ]);
    expect(report.objects).toBe(20);
    expect((await contentOf(store)).buried).toEqual(even);
    await compactManifest(store);
    const rows = await collect(readManifest(store));
    expect(rows.filter(({ camera }) => camera === 'front-door')).toEqual([]);
    expect(rows).toHaveLength(20);
  });

  it('says what is left when a store does not delete', async () => {
    class Keeping extends MemoryStore {
      override async delete(): Promise<void> {}
    }
    const store = await archive(new Keeping(), [0, 2]);
    const report = await forget(store, { camera: 'front-door' });
    expect(report.proven).toBe(false);
    expect(report.remaining).toHaveLength(2);
  });

  it('works on a folder', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'edge-relay-forget-'));
    onTestFinished(() => rm(folder, { recursive: true }));
    const store = await archive(new FileStore(folder), upTo(10));
    expect(await forget(folder, { track: 'visit-0', camera: 'yard' })).toMatchObject({ proven: true });
    expect(await contentOf(store)).toEqual({ there: [0, 2, 4, 6, 8], buried: [1, 3, 5, 7, 9] });
  });

  it.each([
    [{}, /Name a camera/],
    [{ before: new Date('never') }, /valid Date/],
  ])('refuses %j', async (selection, message) => {
    await expect(forget(new MemoryStore(), selection)).rejects.toThrow(message);
  });
});

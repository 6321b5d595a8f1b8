import { mkdtemp, readdir, rm, utimes } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { describe, expect, it, onTestFinished } from 'vitest';
import { archiveMessage } from '../../test/archive-messages';
import { until } from '../../test/brokers';
import { describeWith } from '../../test/requirements';
import { SmallDisk } from '../../test/small-disk';
import { encodeGap, GAP_EVENT_TYPE, type GapReason, type NumberRange } from '../gap-record';
import type { Delivery } from '../message';
import { type AuditOptions, audit } from './audit';
import { FileStore } from './file-store';
import { forget } from './forget';
import { KeyTable } from './key-table';
import { LatencySample } from './latency-sample';
import { compactManifest } from './manifest-compaction';
import { PARTS } from './manifest-keys';
import { MemoryStore } from './memory-store';
import { NumberAccount } from './number-account';
import { Sink } from './sink';

const key = (number: number) => {
  const { properties } = archiveMessage(number);
  const time = properties.time as string;
  return `${properties.camera}/dt=2026-01-02/hour=${time.slice(11, 13)}/${properties.id}.bin`;
};

function gapMessage(camera: string, numbers: readonly NumberRange[], reason: GapReason = 'full'): Delivery {
  const gap = {
    type: GAP_EVENT_TYPE,
    id: `gap-${camera}`,
    camera,
    boot: '0badcafe',
    numbers,
    reason,
  } as const;
  const payload = encodeGap({ ...gap, time: '2026-01-02T03:04:05.678Z' });
  return { ...archiveMessage(0), id: gap.id, payload, properties: {} };
}

/** A store with these messages of two cameras: even ones are of the front door, and count half as far. */
async function archive(numbers: readonly number[], ...more: readonly Delivery[]): Promise<MemoryStore> {
  const store = new MemoryStore();
  const sink = new Sink(store, { accept: 'any', manifest: { compactAfterParts: 1_000_000 } });
  for (const message of [...numbers.map(archiveMessage), ...more]) await sink.write(message);
  await sink.close();
  return store;
}

const upTo = (count: number) => Array.from({ length: count }, (_, number) => number);
const camerasOf = async (store: MemoryStore, options?: AuditOptions) =>
  new Map((await audit(store, options)).cameras.map((camera) => [camera.camera, camera]));

describe('audit()', () => {
  it('says that all is there, by camera', async () => {
    const store = await archive(upTo(40));
    const report = await audit(store);
    expect(report).toMatchObject({
      location: 'memory',
      rows: 40,
      damagedRows: 0,
      verified: false,
      missingObjects: { count: 0, keys: [] },
      damagedObjects: { count: 0, keys: [] },
      unlistedObjects: { count: 0, keys: [] },
      complete: true,
    });
    expect(report.cameras).toMatchObject([
      {
        camera: 'front-door',
        stored: 20,
        boots: 1,
        missing: 0,
        missingNumbers: [],
        dropped: 0,
        first: archiveMessage(0).properties.time,
        last: archiveMessage(38).properties.time,
      },
      { camera: 'yard', stored: 20, missing: 0 },
    ]);
    const bytes = report.cameras.reduce((sum, camera) => sum + camera.bytes, 0);
    expect(bytes).toBe(upTo(40).reduce((sum, number) => sum + archiveMessage(number).payload.length, 0));
  });

  it('names the numbers that are missing', async () => {
    const gone = [0, 6, 8, 10, 26];
    const store = await archive(upTo(40).filter((number) => !gone.includes(number)));
    const report = await audit(store);
    expect(report.complete).toBe(false);
    expect(report.cameras).toMatchObject([
      { camera: 'front-door', missing: 5, missingNumbers: [{ boot: '0badcafe', numbers: '0,3-5,13' }] },
      { camera: 'yard', missing: 0, missingNumbers: [] },
    ]);
    await compactManifest(store);
    expect((await audit(store)).cameras).toEqual(report.cameras);
  });

  it('takes a gap record for an answer, for what it names and no more', async () => {
    const gone = [6, 8, 10, 26];
    const gap = gapMessage('front-door', [[3, 4]], 'expired');
    const store = await archive(
      upTo(40).filter((number) => !gone.includes(number)),
      gap,
    );
    const first = await audit(store);
    expect(first.cameras[0]).toMatchObject({ missing: 2, dropped: 2, dropReasons: ['expired'] });
    expect(first.cameras[0]?.missingNumbers).toEqual([{ boot: '0badcafe', numbers: '5,13' }]);
    expect(first.complete).toBe(false);
    // It counts also where it is about the last ones, and where some have come all the same.
    const rest = gapMessage('front-door', [
      [5, 6],
      [13, 13],
      [20, 24],
    ]);
    const sink = new Sink(store, { manifest: true });
    const { payload } = rest;
    await sink.write({
      ...rest,
      payload: Buffer.from(Buffer.from(payload).toString().replace('gap-', 'gap-2-')),
    });
    const second = await audit(store);
    expect(second.cameras[0]).toMatchObject({ missing: 0, dropped: 9, dropReasons: ['expired', 'full'] });
    expect(second.complete).toBe(true);
  });

  it('counts each picture once, however often it came', async () => {
    const store = await archive([...upTo(20), ...upTo(20), 3, 3]);
    expect((await audit(store)).rows).toBe(20);
    expect((await camerasOf(store)).get('yard')?.stored).toBe(10);
  });

  it('finds an object that is gone, one of another size, and one without a row', async () => {
    const store = await archive(upTo(20));
    await store.delete(key(4));
    const { data } = (await store.get(key(5)))!;
    await store.delete(key(5));
    await store.put(key(5), data.subarray(1));
    await new Sink(store, { accept: 'any' }).write(archiveMessage(30));
    expect(await audit(store)).toMatchObject({
      missingObjects: { count: 1, keys: [key(4)] },
      damagedObjects: { count: 1, keys: [key(5)] },
      unlistedObjects: { count: 1, keys: [key(30)] },
      complete: false,
    });
  });

  it('finds a changed byte with verify, and only then', async () => {
    const store = await archive(upTo(20));
    const data = Buffer.from((await store.get(key(5)))!.data);
    data[77]! ^= 1;
    await store.delete(key(5));
    await store.put(key(5), data);
    await store.delete(key(6));
    expect(await audit(store)).toMatchObject({ damagedObjects: { count: 0 }, missingObjects: { count: 1 } });
    const seen: number[] = [];
    const report = await audit(store, { verify: true, onProgress: ({ done }) => seen.push(done) });
    expect(report).toMatchObject({
      verified: true,
      damagedObjects: { count: 1, keys: [key(5)] },
      missingObjects: { count: 1, keys: [key(6)] },
      complete: false,
    });
    expect(seen.at(-1)).toBe(20);
  });

  it('does not count what was rejected, or is in conflict, as missing', async () => {
    const store = await archive([0, 2]);
    const conflict = { ...archiveMessage(2), payload: Buffer.from('other bytes') };
    const strict = new Sink(store, { manifest: true });
    await strict.write(archiveMessage(4));
    const open = new Sink(store, { accept: 'any', manifest: true });
    await open.write(conflict);
    expect((await audit(store)).cameras).toMatchObject([
      { stored: 2, rejected: 1, conflicts: 1, missing: 0 },
    ]);
    expect((await audit(store)).unlistedObjects?.count).toBe(0);
  });

  it('looks at one camera, or at a time, when asked', async () => {
    const store = await archive([...upTo(40).slice(10), 500, 504]);
    expect([...(await camerasOf(store, { camera: 'yard' })).keys()]).toEqual(['yard']);
    const since = new Date(archiveMessage(500).properties.time as string);
    const late = (await camerasOf(store, { since })).get('front-door');
    // 250 is the first that counts.
    expect(late).toMatchObject({ stored: 2, missing: 1, missingNumbers: [{ numbers: '251' }] });
  });

  it('says that lines are damaged', async () => {
    const store = await archive([0]);
    await store.put(`${PARTS}x.jsonl`, Buffer.from('{"outcome":'));
    expect(await audit(store)).toMatchObject({ damagedRows: 1, complete: false });
  });

  it('tells what the store was told to remove from what is lost', async () => {
    const place = await mkdtemp(join(tmpdir(), 'edge-relay-audit-'));
    onTestFinished(() => rm(place, { recursive: true }));
    const options = { accept: 'any', manifest: true } as const;
    const first = new Sink(place, options);
    for (const message of upTo(20).map(archiveMessage)) await first.write(message);
    const strict = new Sink(place, { manifest: true });
    await strict.write(archiveMessage(21));
    await Promise.all([first.close(), strict.close()]);
    const longAgo = new Date(Date.now() - 100 * 3_600_000);
    const rejected = 'rejected/dt=2026-01-02/hour=03/yard-21';
    for (const name of [key(0), key(1), key(2), `${rejected}.bin`, `${rejected}.json`])
      await utimes(join(place, name), longAgo, longAgo);
    const keeping = new Sink(place, { ...options, files: { maxAgeHours: 48 } });
    const removed: string[] = [];
    keeping.on('removed', (event) => removed.push(event.key));
    await keeping.open();
    await keeping.close();
    expect(removed).toHaveLength(5);
    for (const verify of [false, true]) {
      const report = await audit(place, { verify });
      expect(report).toMatchObject({ complete: true, rows: 21, missingObjects: { count: 0 } });
      expect(report.cameras).toMatchObject([
        { camera: 'front-door', stored: 8, removed: 2, missing: 0 },
        { camera: 'yard', stored: 9, removed: 2, rejected: 0, missing: 0 },
      ]);
    }
    await rm(join(place, key(3)));
    expect(await audit(place)).toMatchObject({
      complete: false,
      missingObjects: { count: 1, keys: [key(3)] },
    });
    // Nothing of this is taken for a row, or gathered.
    await compactManifest(new FileStore(place));
    expect(await audit(place)).toMatchObject({ damagedRows: 0, missingObjects: { count: 1 } });
  });

  it.each([false, true])(
    'misses what came again after it was removed by the rules, and was then deleted by hand (gathered: %s)',
    async (isGathered) => {
      const place = await mkdtemp(join(tmpdir(), 'edge-relay-audit-'));
      onTestFinished(() => rm(place, { recursive: true }));
      const options = { accept: 'any', manifest: true } as const;
      const write = async (...numbers: number[]) => {
        await using sink = new Sink(place, options);
        for (const message of numbers.map(archiveMessage)) await sink.write(message);
      };
      await write(0, 1, 2, 3);
      const longAgo = new Date(Date.now() - 100 * 3_600_000);
      for (const number of [1, 2, 3]) await utimes(join(place, key(number)), longAgo, longAgo);
      const removeOld = async () => {
        await using sink = new Sink(place, { ...options, files: { maxAgeHours: 48 } });
        await sink.open();
      };
      await removeOld();
      const removedAt = Date.now();
      await until(() => Date.now() > removedAt, 'the next millisecond');
      await write(1, 2);
      if (isGathered) await compactManifest(new FileStore(place));
      const { data } = (await new FileStore(place).get(key(2)))!;
      for (const verify of [false, true]) {
        const report = await audit(place, { verify });
        expect(report).toMatchObject({ complete: true, rows: 4, missingObjects: { count: 0 } });
        expect(report.cameras).toMatchObject([
          { camera: 'front-door', stored: 2, removed: 0 },
          { camera: 'yard', stored: 1, removed: 1 },
        ]);
        expect(report.cameras[0]?.bytes).toBe(archiveMessage(0).payload.length + data.length);
      }
      await rm(join(place, key(1)));
      for (const verify of [false, true]) {
        expect(await audit(place, { verify })).toMatchObject({
          complete: false,
          missingObjects: { count: 1, keys: [key(1)] },
        });
      }
      await utimes(join(place, key(2)), longAgo, longAgo);
      await removeOld();
      const { cameras, missingObjects } = await audit(place);
      expect(missingObjects.keys).toEqual([key(1)]);
      expect(cameras).toMatchObject([{ removed: 1 }, { removed: 1 }]);
    },
  );

  it('measures each hop, and corrects a clock that is certainly wrong', async () => {
    const at = (ms: number) => new Date(Date.UTC(2026, 0, 2, 3) + ms).toISOString();
    const message = (number: number, wayMs: number, cloudMs: number, more = {}): Delivery => {
      const start = number * 1_000;
      const times = { readat: at(start), detectedat: at(start + 40), publishedat: at(start + 50) };
      const properties = {
        ...archiveMessage(number * 2).properties,
        ...times,
        time: at(start - 10),
        ...more,
      };
      const receivedAt = Date.parse(at(start + 50 + wayMs + cloudMs));
      return { ...archiveMessage(number * 2), properties: { ...properties, clock: 'device' }, receivedAt };
    };
    const ways = upTo(100).map((number) => 20 + number);
    const hops = async (cloudMs: number, more: (number: number) => object = () => ({})) => {
      const messages = ways.map((wayMs, number) => message(number, wayMs, cloudMs, more(number)));
      const store = await archive([], ...messages);
      return (await audit(store)).cameras[0]!;
    };
    const right = await hops(0);
    const crossing = { from: 'published', to: 'received', count: 100 };
    expect(right.clock).toEqual({ cloudAheadMs: 0, movedMs: 0 });
    expect(right.hops.slice(0, 4)).toEqual([
      { from: 'captured', to: 'read', count: 100, p50Ms: 10, p99Ms: 10 },
      { from: 'read', to: 'detected', count: 100, p50Ms: 40, p99Ms: 40 },
      { from: 'detected', to: 'published', count: 100, p50Ms: 10, p99Ms: 10 },
      { ...crossing, p50Ms: 69, p99Ms: 118 },
    ]);
    expect(right.hops[4]).toMatchObject({ from: 'received', to: 'stored' });
    expect(right.total).toMatchObject({ from: 'read', to: 'stored', count: 100 });
    // An hour behind: the fastest way of 20 ms is all that the figures cannot know.
    const behind = await hops(-3_600_000);
    expect(behind.clock).toEqual({ cloudAheadMs: -(3_600_000 - 20), movedMs: 0 });
    expect(behind.hops[3]).toEqual({ ...crossing, p50Ms: 49, p99Ms: 98 });
    // Receipts that took 30 ms or more tell of the way back: 5 ms is what neither direction knows.
    const back = (cloudMs: number) => (number: number) =>
      number % 3 === 0 ? { receiptms: String(30 + number - cloudMs) } : {};
    for (const cloudMs of [-3_600_000, 0, 777_777]) {
      const both = await hops(cloudMs, back(cloudMs));
      expect(both.clock).toEqual({ cloudAheadMs: cloudMs - 5, uncertaintyMs: 26, movedMs: 0 });
      expect(both.hops[3]).toEqual({ ...crossing, p50Ms: 74, p99Ms: 123 });
      const start = both.hops.slice(0, 3).reduce((sum, { p50Ms }) => sum + p50Ms, 0);
      expect(start).toBe(60);
    }
    // A clock that was set meanwhile: no difference fits both directions.
    const moved = await hops(-1_000, back(5_000));
    expect(moved.clock).toEqual({ cloudAheadMs: 1_995, uncertaintyMs: 1, movedMs: 5_950 });
  });

  it('makes no folder where there is none', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'edge-relay-audit-'));
    onTestFinished(() => rm(folder, { recursive: true }));
    const typo = join(folder, 'typo');
    const wrong = {
      code: 'STORE_NOT_FOUND',
      message: `The folder ${typo} does not exist. Correct the path.`,
    };
    await expect(audit(typo)).rejects.toMatchObject(wrong);
    await expect(forget(typo, { camera: 'door' })).rejects.toMatchObject(wrong);
    expect(await readdir(folder)).toEqual([]);
  });

  it('is stopped by its signal', async () => {
    const signal = AbortSignal.abort(new Error('enough'));
    await expect(audit(await archive([0]), { signal })).rejects.toThrow('enough');
  });
});

describeWith('tmpfs', 'audit() where nobody may write', () => {
  it('reads all the same, as a dry run does', async () => {
    const disk = new SmallDisk(10_000_000);
    onTestFinished(() => disk.close());
    const sink = new Sink(disk.folder, { accept: 'any', manifest: true, files: { freeDiskBytes: 0 } });
    for (const message of upTo(4).map(archiveMessage)) await sink.write(message);
    await sink.close();
    disk.forbidWriting();
    expect(await audit(disk.folder, { verify: true })).toMatchObject({ complete: true, rows: 4 });
    const camera = 'front-door';
    expect(await forget(disk.folder, { camera, dryRun: true })).toMatchObject({ objects: 2, proven: false });
    await expect(forget(disk.folder, { camera })).rejects.toMatchObject({ code: 'STORE_DENIED' });
  });
});

describe('NumberAccount', () => {
  it('balances as plain sets do', () => {
    const number = fc.integer({ min: 0, max: 60 });
    const range = fc
      .tuple(number, number)
      .map(([one, other]): NumberRange => [Math.min(one, other), Math.max(one, other)]);
    fc.assert(
      fc.property(
        fc.array(number, { maxLength: 200 }),
        fc.array(range, { maxLength: 5 }),
        (come, excused) => {
          const account = new NumberAccount();
          for (const each of come) account.add(each);
          account.excuse(excused);
          const known = new Set(come);
          for (const [from, to] of excused) for (let each = from; each <= to; each += 1) known.add(each);
          const missing = upTo(Math.max(-1, ...known) + 1).filter((each) => !known.has(each));
          const balance = account.balance(0);
          expect(
            balance.missing.flatMap(([from, to]) => upTo(to - from + 1).map((each) => from + each)),
          ).toEqual(missing);
          expect(balance.missed).toBe(missing.length);
          expect(balance.excused).toBe(known.size - new Set(come).size);
        },
      ),
    );
  });
});

describe('KeyTable', () => {
  it('knows what was added, once each, with its size and flags', () => {
    const table = new KeyTable();
    for (const number of upTo(20_000)) expect(table.add(`key-${number}`, number)).toBe(true);
    for (const number of upTo(20_000)) expect(table.add(`key-${number}`, 0)).toBe(false);
    expect(table.size).toBe(20_000);
    const seven = table.slotOf('key-7')!;
    table.flagAt(seven, 2);
    table.flagAt(seven, 1);
    expect([table.flagsAt(seven), table.numberAt(seven)]).toEqual([3, 7]);
    const eight = table.slotOf('key-8')!;
    expect([table.flagsAt(eight), table.numberAt(eight)]).toEqual([0, 8]);
    expect([table.has('key-8'), table.has('other'), table.slotOf('other')]).toEqual([true, false, undefined]);
  });
});

describe('LatencySample', () => {
  it('is exact for few, and near for many', () => {
    const few = new LatencySample();
    for (const value of upTo(100)) few.add(value + 1);
    expect(few.summary(5)).toEqual({ count: 100, p50Ms: 55, p99Ms: 104 });
    const many = new LatencySample();
    for (const value of upTo(200_000)) many.add(value);
    const { count, p50Ms, p99Ms } = many.summary()!;
    expect(count).toBe(200_000);
    expect(Math.abs(p50Ms - 100_000)).toBeLessThan(4_000);
    expect(Math.abs(p99Ms - 198_000)).toBeLessThan(800);
    expect(many.least).toBe(0);
    expect(new LatencySample().summary()).toBeUndefined();
  });
});

import { createHash } from 'node:crypto';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { archiveMessage } from '../../test/archive-messages';
import { collect } from '../../test/collect';
import { deliveryOf, id, key, keysOf, noisePng, properties } from '../../test/deliveries';
import { FailingStore } from '../../test/failing-store';
import { Gate, quiet } from '../../test/gate';
import { encodeGap, GAP_EVENT_TYPE } from '../gap-record';
import { compactManifest } from './manifest-compaction';
import { FORGOTTEN, HOURS, MANIFEST, PARTS, partKey } from './manifest-keys';
import { manifestPages, readManifest } from './manifest-reader';
import { decodeRows, encodeRow, type ManifestRow } from './manifest-row';
import { MemoryStore } from './memory-store';
import { Sink } from './sink';
import type { PutOptions } from './store';

const manifest = { rows: 4, delayMs: 1_000_000, compactAfterParts: 1_000_000 };

function rowsOf(store: MemoryStore): Promise<ManifestRow[]> {
  return collect(readManifest(store));
}

async function partsOf(store: MemoryStore): Promise<string[]> {
  return (await keysOf(store)).filter((each) => each.startsWith(PARTS));
}

/** Stores messages, and gives what the store held when the last was stored. */
async function stored(numbers: readonly number[]): Promise<MemoryStore> {
  const store = new MemoryStore();
  const sink = new Sink(store, { accept: 'any', manifest });
  for (const number of numbers) await sink.write(archiveMessage(number));
  await sink.close();
  return store;
}

describe('the manifest', () => {
  it('tells of a picture what is known of it', async () => {
    const png = await noisePng();
    const store = new MemoryStore();
    const sink = new Sink(store, { manifest: true });
    const known = {
      ...properties,
      boot: '0badcafe',
      sequence: '12',
      number: '7',
      detector: 'haar',
      subject: 'visit-3',
      box: '10,20.5,30,40',
      framesize: '1920x1080',
      clock: 'device',
      detectedat: '2026-01-02T03:04:05.800Z',
      publishedat: '2026-01-02T03:04:05.900Z',
      bridgedat: '2026-01-02T03:04:06.000Z',
    };
    await sink.write(deliveryOf(png, { properties: known }));
    expect(await rowsOf(store)).toEqual([
      {
        outcome: 'stored',
        id,
        key,
        camera: 'front-door',
        boot: '0badcafe',
        number: 7,
        sequence: 12,
        detector: 'haar',
        track: 'visit-3',
        box: { x: 10, y: 20.5, width: 30, height: 40 },
        framesize: '1920x1080',
        score: 7.5,
        clock: 'device',
        captured: '2026-01-02T03:04:05.678Z',
        read: '2026-01-02T03:04:05.700Z',
        detected: '2026-01-02T03:04:05.800Z',
        published: '2026-01-02T03:04:05.900Z',
        bridged: '2026-01-02T03:04:06.000Z',
        received: '2026-06-07T08:09:10.000Z',
        stored: expect.stringMatching(/^\d{4}-.*Z$/),
        topic: 'hw3faces',
        type: 'image/png',
        bytes: png.length,
        sha256: createHash('sha256').update(png).digest('hex'),
      },
    ]);
  });

  it('tells of a conflict, of what is rejected and of a gap record too', async () => {
    const store = new MemoryStore();
    const sink = new Sink(store, { manifest: true });
    const [png, other] = [await noisePng(), await noisePng()];
    await sink.write(deliveryOf(png));
    await sink.write(deliveryOf(other));
    await sink.write(deliveryOf(Buffer.from('a text')));
    const gap = {
      type: GAP_EVENT_TYPE,
      id: 'gap-1',
      camera: 'front-door',
      boot: '0badcafe',
      numbers: [
        [3, 5],
        [9, 9],
      ],
      reason: 'full',
      time: '2026-01-02T03:04:05.678Z',
    } as const;
    const events: unknown[] = [];
    sink.on('gap', (event) => events.push(event));
    expect(await sink.write(deliveryOf(encodeGap(gap), { properties: {} }))).toEqual({
      key: 'gaps/dt=2026-01-02/hour=03/gap-1.json',
      outcome: 'gap',
    });
    expect(events).toEqual([{ key: 'gaps/dt=2026-01-02/hour=03/gap-1.json', gap }]);
    const rows = await rowsOf(store);
    expect(rows).toMatchObject([
      { outcome: 'stored', id, key },
      { outcome: 'conflict', id, key: expect.stringMatching(/^conflicts\//) },
      {
        outcome: 'rejected',
        id,
        key: expect.stringMatching(/^rejected\//),
        reason: expect.stringMatching(/not a/),
      },
      {
        outcome: 'gap',
        id: 'gap-1',
        camera: 'front-door',
        boot: '0badcafe',
        numbers: '3-5,9',
        reason: 'full',
      },
    ]);
    // One row for each object that is not a note beside a rejected one.
    const objects = (await keysOf(store)).filter((each) => !/^manifest|^rejected.*json$/.test(each));
    expect(rows.map((row) => row.key).sort()).toEqual(objects);
  });

  it('is written before a message counts as stored', async () => {
    const gate = new Gate();
    class SlowManifest extends MemoryStore {
      override async put(name: string, data: Uint8Array, options?: PutOptions) {
        if (name.startsWith(MANIFEST)) await gate.passed;
        return super.put(name, data, options);
      }
    }
    const store = new SlowManifest();
    const sink = new Sink(store, { accept: 'any', manifest });
    const outcomes: string[] = [];
    sink.on('stored', () => outcomes.push('told'));
    const writing = sink.write(archiveMessage(0)).then(() => outcomes.push('acknowledged'));
    await quiet();
    expect(await keysOf(store)).toHaveLength(1);
    expect(outcomes).toEqual([]);
    gate.open();
    await writing;
    expect(outcomes).toEqual(['told', 'acknowledged']);
    expect(await keysOf(store)).toHaveLength(2);
  });

  it('has a part for each that comes alone, and few for many that come at once', async () => {
    expect(await partsOf(await stored([0, 1, 2]))).toHaveLength(3);
    const store = new MemoryStore();
    const sink = new Sink(store, { accept: 'any', concurrency: 8, manifest });
    expect(sink.concurrency).toBe(8 + 3 * 4);
    await Promise.all(Array.from({ length: 18 }, (_, number) => sink.write(archiveMessage(number))));
    // Four full ones, and one of the last two, which wait for nobody.
    expect(await partsOf(store)).toHaveLength(5);
    expect(await rowsOf(store)).toHaveLength(18);
  });

  it('does not wait for a row that will not come', async () => {
    const gate = new Gate();
    class Refusing extends MemoryStore {
      override async put(name: string, data: Uint8Array, options?: PutOptions) {
        if (!name.startsWith('yard')) return super.put(name, data, options);
        await gate.passed;
        throw new TypeError('refused');
      }
    }
    const store = new Refusing();
    const sink = new Sink(store, { accept: 'any', manifest });
    const writes = [0, 1, 2].map((number) => sink.write(archiveMessage(number)));
    await quiet();
    // Two are stored, and wait for the third.
    expect(await keysOf(store)).toHaveLength(2);
    gate.open();
    const outcomes = await Promise.allSettled(writes);
    expect(outcomes.map(({ status }) => status)).toEqual(['fulfilled', 'rejected', 'fulfilled']);
    expect(await rowsOf(store)).toHaveLength(2);
  });

  it('fails the messages whose rows cannot be written, for good', async () => {
    class NoManifest extends MemoryStore {
      override async put(name: string, data: Uint8Array, options?: PutOptions) {
        if (name.startsWith(MANIFEST)) throw new TypeError('no place for a manifest');
        return super.put(name, data, options);
      }
    }
    const sink = new Sink(new NoManifest(), { accept: 'any', manifest });
    await expect(sink.write(archiveMessage(0))).rejects.toThrow(/no place/);
    expect(sink.stats.stored).toBe(0);
  });

  it('gets the row of an object whose writer was killed before it was written down', async () => {
    const store = new MemoryStore();
    await new Sink(store, { accept: 'any' }).write(archiveMessage(0));
    expect(await rowsOf(store)).toEqual([]);
    const sink = new Sink(store, { accept: 'any', manifest });
    expect((await sink.write(archiveMessage(0))).outcome).toBe('duplicate');
    expect(await rowsOf(store)).toMatchObject([{ outcome: 'stored', id: 'front-door-0' }]);
  });

  it('has one row for an object however often its message comes: the first, with the time of the last', async () => {
    const store = await stored([0]);
    const [row] = (await rowsOf(store)) as [ManifestRow];
    const at = (milliseconds: number) => new Date(Date.parse(row.stored) + milliseconds).toISOString();
    const deliver = (milliseconds: number) =>
      store.put(partKey(PARTS), Buffer.from(encodeRow({ ...row, stored: at(milliseconds) })));
    const gathered = async () => {
      await compactManifest(store);
      return (await collect(manifestPages(store))).flatMap(({ rows }) => rows);
    };
    for (const milliseconds of [2, 0, 3, 1]) await deliver(milliseconds);
    expect(await rowsOf(store)).toHaveLength(1);
    expect(await gathered()).toEqual([{ ...row, again: at(3) }]);
    await deliver(2);
    expect(await gathered()).toEqual([{ ...row, again: at(3) }]);
    await deliver(4);
    await deliver(-1);
    expect(await gathered()).toEqual([{ ...row, stored: at(-1), again: at(4) }]);
  });

  it('survives anything that attributes can be', async () => {
    const store = new MemoryStore();
    const sink = new Sink(store, { accept: 'any', manifest });
    const text = fc.oneof(
      fc.string({ unit: 'binary' }),
      fc.string({ maxLength: 20_000 }),
      fc.constant('1e999'),
    );
    const names = ['camera', 'boot', 'number', 'sequence', 'subject', 'box', 'score', 'detectedat', 'topic'];
    let count = 0;
    await fc.assert(
      fc.asyncProperty(fc.dictionary(fc.constantFrom(...names), text), async (wild) => {
        count += 1;
        const time = '2026-01-02T03:04:05.678Z';
        await sink.write(
          deliveryOf(Buffer.from('x'), { properties: { ...wild, id: `wild-${count}`, time } }),
        );
      }),
    );
    expect(await rowsOf(store)).toHaveLength(count);
    for (const page of await collect(manifestPages(store))) {
      expect(page.damaged).toBe(0);
      for (const row of page.rows) expect(encodeRow(row).length).toBeLessThan(60_000);
    }
    await compactManifest(store);
    expect(await partsOf(store)).toEqual([]);
    expect(await rowsOf(store)).toHaveLength(count);
  });

  it('passes over a line that is none, and counts it', () => {
    const { rows, damaged } = decodeRows(Buffer.from('{"outcome":"stored"\n\n[]\n{"id":5}\nnull\n'));
    expect(rows).toEqual([]);
    expect(damaged).toBe(4);
  });

  it.each([
    ['yes', /manifest must be/],
    [{ rows: 0 }, /manifest\.rows/],
    [{ compactEveryMs: 1.5 }, /manifest\.compactEveryMs/],
  ])('refuses %j', (given, message) => {
    expect(() => new Sink(new MemoryStore(), { manifest: given as object })).toThrow(message);
  });
});

describe('compactManifest()', () => {
  const numbers = Array.from({ length: 1_200 }, (_, number) => number);

  it('gathers the parts by camera and hour', async () => {
    const store = await stored(numbers);
    const before = await rowsOf(store);
    expect(await compactManifest(store)).toEqual({ parts: 1_200, rows: 1_200, files: 6 });
    const names = (await keysOf(store)).filter((each) => each.startsWith(MANIFEST));
    expect(names.map((name) => name.replace(/[0-9a-f]{24}/, 'digest'))).toEqual(
      ['front-door', 'yard'].flatMap((camera) =>
        ['03', '04', '05'].map((hour) => `manifest/hours/${camera}/dt=2026-01-02/hour=${hour}/digest.jsonl`),
      ),
    );
    expect(sorted(await rowsOf(store))).toEqual(sorted(before));
    expect(await compactManifest(store)).toEqual({ parts: 0, rows: 0, files: 0 });
  });

  it('adds what comes later to the file of its hour', async () => {
    const store = await stored([0, 2, 4]);
    await compactManifest(store);
    const sink = new Sink(store, { accept: 'any', manifest });
    for (const number of [2, 6]) await sink.write(archiveMessage(number));
    await compactManifest(store);
    const pages = await collect(manifestPages(store));
    expect(pages.map(({ rows }) => rows.map((row) => row.number))).toEqual([[0, 1, 2, 3]]);
    // A part that its gatherer had no time to delete: the file stays, and is not taken for its own predecessor.
    await store.put(partKey(PARTS), Buffer.from(pages.flatMap(({ rows }) => rows.map(encodeRow)).join('')));
    await compactManifest(store);
    expect(await collect(manifestPages(store))).toEqual(pages);
  });

  it('loses no row and invents none, wherever it is stopped', async () => {
    const before = sorted(await rowsOf(await stored(numbers.slice(0, 30))));
    let stops = 0;
    for (let step = 0; ; step += 1) {
      const store = new FailingStore(await stored(numbers.slice(0, 30)));
      store.failAfter(step);
      const outcome = await compactManifest(store).catch(() => 'stopped');
      store.heal();
      expect(shape(await rowsOf(store))).toEqual(shape(before));
      if (outcome !== 'stopped') break;
      stops += 1;
      await compactManifest(store);
      expect(shape(await rowsOf(store))).toEqual(shape(before));
      expect(await partsOf(store)).toEqual([]);
    }
    // Each get, put and delete was a place to stop at.
    expect(stops).toBeGreaterThan(60);
  });

  it('does no harm when several do it at once, while somebody reads and somebody writes', async () => {
    const store = new FailingStore(await stored(numbers.slice(0, 200)));
    store.shuffle();
    const sink = new Sink(store, { accept: 'any', manifest });
    const writing = Promise.all(numbers.slice(200, 260).map((each) => sink.write(archiveMessage(each))));
    const compacting = Promise.all(Array.from({ length: 4 }, () => compactManifest(store)));
    const seen = new Set((await rowsOf(store)).map((row) => row.id));
    for (const number of numbers.slice(0, 200)) expect(seen).toContain(archiveMessage(number).properties.id);
    await Promise.all([writing, compacting]);
    await compactManifest(store);
    expect(await partsOf(store)).toEqual([]);
    expect((await rowsOf(store)).map((row) => row.id).sort()).toEqual(
      numbers
        .slice(0, 260)
        .map((number) => archiveMessage(number).properties.id as string)
        .sort(),
    );
  });

  it('hides no row from somebody who has listed the parts before', async () => {
    class Overtaken extends MemoryStore {
      #isDone = false;
      override async get(name: string) {
        if (!this.#isDone) {
          this.#isDone = true;
          await compactManifest(this);
        }
        return super.get(name);
      }
    }
    const store = new Overtaken();
    const sink = new Sink(store, { accept: 'any', manifest });
    for (const number of numbers.slice(0, 20)) await sink.write(archiveMessage(number));
    expect(await rowsOf(store)).toHaveLength(20);
    expect(await partsOf(store)).toEqual([]);
  });

  it('gathers no row of what is forgotten, which a late message may have brought', async () => {
    const store = await stored([0, 2]);
    const [row] = await rowsOf(store);
    await store.put(partKey(FORGOTTEN), Buffer.from(encodeRow({ ...row!, outcome: 'forgotten' })));
    await compactManifest(store);
    const pages = await collect(manifestPages(store, [HOURS]));
    expect(pages.flatMap(({ rows }) => rows.map(({ id }) => id))).toEqual(['front-door-2']);
  });

  it('leaves a damaged part where it is', async () => {
    const store = await stored([0, 2]);
    const damaged = `${PARTS}20260102T030405.678Z-0badcafe-1.jsonl`;
    await store.put(damaged, Buffer.from('{"outcome":"sto'));
    await compactManifest(store);
    expect(await partsOf(store)).toEqual([damaged]);
    expect(await rowsOf(store)).toHaveLength(2);
  });

  it('is done by a sink by itself, after so many parts', async () => {
    const store = new MemoryStore();
    const options = { ...manifest, compactAfterParts: 3 };
    const sink = new Sink(store, { accept: 'any', manifest: options });
    const compacted = new Promise((resolve) => sink.on('compacted', resolve));
    for (const number of [0, 2, 4]) await sink.write(archiveMessage(number));
    expect(await compacted).toMatchObject({ files: 1 });
    await sink.close();
    expect(await rowsOf(store)).toHaveLength(3);
  });
});

function sorted(rows: readonly ManifestRow[]): ManifestRow[] {
  return [...rows].sort((one, other) => (one.key < other.key ? -1 : 1));
}

/** Without when it was stored, which differs between two that stored the same. */
function shape(rows: readonly ManifestRow[]): object[] {
  return sorted(rows).map(({ stored: _, ...row }) => row);
}

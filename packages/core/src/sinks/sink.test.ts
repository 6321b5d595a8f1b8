import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import sharp from 'sharp';
import { beforeAll, describe, expect, it } from 'vitest';
import { RelayError } from '../errors';
import type { Delivery, Message } from '../message';
import { pipeline } from '../pipeline';
import { FileStore } from './file-store';
import { MemoryStore } from './memory-store';
import { S3Store } from './s3-store';
import { Sink } from './sink';
import type { PutOptions } from './store';

const id = 'front-door-20260102T030405.678Z-0badcafe-12-haar-0';
const properties = {
  id,
  time: '2026-01-02T03:04:05.678Z',
  camera: 'front-door',
  readat: '2026-01-02T03:04:05.700Z',
  score: '7.5',
  specversion: '1.0',
};
const key = `front-door/dt=2026-01-02/hour=03/${id}.png`;
const receivedAt = Date.UTC(2026, 5, 7, 8, 9, 10);
const quick = { retry: { firstDelayMs: 1, longestDelayMs: 2 } };
/** Nobody waits for the end of an hour: what ends before has been ended. */
const patient = { retry: { firstDelayMs: 3_600_000, longestDelayMs: 3_600_000 } };

let png: Buffer;
let other: Buffer;
beforeAll(async () => {
  // Noise does not compress: cutting it anywhere cuts pixels off.
  const noise = { type: 'gaussian', mean: 128, sigma: 40 } as const;
  const picture = () => sharp({ create: { width: 64, height: 64, channels: 3, background: 'red', noise } });
  png = await picture().png().toBuffer();
  other = await picture().png().toBuffer();
});

function delivery(parts: Partial<Delivery> = {}): Delivery {
  return {
    id: 'as the subscriber calls it',
    topic: 'hw3faces',
    payload: png,
    properties,
    receivedAt,
    redelivered: false,
    ack() {},
    ...parts,
  };
}

async function contents(store: MemoryStore): Promise<string[]> {
  const keys: string[] = [];
  for await (const object of store.list()) keys.push(object.key);
  return keys.sort();
}

const failure = (retryable: boolean) =>
  new RelayError('The store is not well.', { code: 'STORE_FAILED', stage: 'sink', retryable });

/** Fails as often as it is told before it works. */
class FailingStore extends MemoryStore {
  failures = { open: 0, put: 0, get: 0 };
  retryable = true;
  attempts = 0;

  override async open(): Promise<void> {
    this.#fail('open');
  }

  override async put(key: string, data: Uint8Array, options?: PutOptions): Promise<'created' | 'exists'> {
    this.#fail('put');
    return super.put(key, data, options);
  }

  override async get(key: string) {
    this.#fail('get');
    return super.get(key);
  }

  #fail(what: 'open' | 'put' | 'get'): void {
    this.attempts += 1;
    if (this.failures[what] === 0) return;
    this.failures[what] -= 1;
    throw failure(this.retryable);
  }
}

describe('Sink', () => {
  it('stores a picture under its camera, capture time and id', async () => {
    const sink = new Sink(new MemoryStore());
    const events: unknown[] = [];
    sink.on('stored', (event) => events.push(event));
    expect(await sink.write(delivery())).toEqual({ key, outcome: 'stored' });
    expect(Buffer.from((await sink.store.get(key))!.data)).toEqual(png);
    expect(sink.stats).toEqual({
      stored: 1,
      duplicates: 0,
      conflicts: 0,
      rejected: 0,
      bytes: png.length,
      retries: 0,
    });
    expect(events).toEqual([
      {
        id,
        key,
        bytes: png.length,
        capturedAt: Date.parse(properties.time),
        readAt: Date.parse(properties.readat),
        storedAt: expect.any(Number),
      },
    ]);
  });

  it('keeps the attributes and the hash with the object, and what the bytes are', async () => {
    const sink = new Sink(new MemoryStore());
    await sink.write(delivery({ contentType: 'text/plain', properties: { ...properties, foreign: 'no' } }));
    expect(await sink.store.get(key)).toMatchObject({
      contentType: 'image/png',
      metadata: { ...properties, sha256: expect.stringMatching(/^[0-9a-f]{64}$/) },
    });
    expect((await sink.store.get(key))?.metadata).not.toHaveProperty('foreign');
  });

  it('keeps metadata small enough for S3, however much comes along', async () => {
    const sink = new Sink(new MemoryStore());
    const report = await sink.write(delivery({ properties: { ...properties, subject: '長'.repeat(5000) } }));
    const { metadata } = (await sink.store.get(report.key))!;
    expect(metadata).not.toHaveProperty('subject');
    expect(metadata).toMatchObject({ id, score: '7.5' });
  });

  it.each(['png', 'jpeg', 'webp'] as const)(
    'names a %s that came without properties by its EXIF',
    async (format) => {
      const payload = await sharp(png)
        .withExif({ IFD2: { UserComment: JSON.stringify(properties) } })
        .toFormat(format)
        .toBuffer();
      const sink = new Sink(new MemoryStore());
      const report = await sink.write(delivery({ payload, properties: {} }));
      expect(report).toEqual({
        key: key.replace('.png', format === 'jpeg' ? '.jpg' : `.${format}`),
        outcome: 'stored',
      });
      expect((await sink.store.get(report.key))?.metadata).toMatchObject(properties);
    },
  );

  it.each([
    ['without attributes', {}],
    ['without a time', { id }],
    ['with a time that is none', { id, time: '5' }],
    ['with an empty id', { id: '', time: properties.time }],
  ])('names a picture %s by its hash and the time it arrived', async (_, given) => {
    const sink = new Sink(new MemoryStore());
    const report = await sink.write(delivery({ properties: given }));
    expect(report.key).toMatch(/^unknown\/dt=2026-06-07\/hour=08\/[0-9a-f]{32}\.png$/);
    expect(await sink.write(delivery({ properties: given }))).toEqual({ ...report, outcome: 'duplicate' });
  });

  it('counts the same bytes again as a duplicate', async () => {
    const store = new MemoryStore();
    const sink = new Sink(store);
    const events: unknown[] = [];
    sink.on('duplicate', (event) => events.push(event));
    const outcomes = await Promise.all(Array.from({ length: 20 }, () => sink.write(delivery())));
    expect(outcomes.filter(({ outcome }) => outcome === 'stored')).toHaveLength(1);
    expect(sink.stats).toMatchObject({ stored: 1, duplicates: 19, bytes: png.length });
    expect(events).toHaveLength(19);
    expect(await contents(store)).toEqual([key]);
  });

  it('keeps other bytes under the same id apart, once', async () => {
    const store = new MemoryStore();
    const sink = new Sink(store);
    const events: unknown[] = [];
    sink.on('conflict', (event) => events.push(event));
    await sink.write(delivery());
    const report = await sink.write(delivery({ payload: other }));
    expect(report.outcome).toBe('conflict');
    expect(report.key).toMatch(
      /^conflicts\/front-door\/dt=2026-01-02\/hour=03\/front-door-.*-0-[0-9a-f]{12}\.png$/,
    );
    expect(await sink.write(delivery({ payload: other }))).toEqual({ ...report, outcome: 'duplicate' });
    expect(events).toEqual([{ id, key: report.key, existingKey: key }]);
    expect(Buffer.from((await store.get(key))!.data)).toEqual(png);
    expect(Buffer.from((await store.get(report.key))!.data)).toEqual(other);
    expect(await contents(store)).toHaveLength(2);
  });

  it('keeps a text apart with the reason, and goes on', async () => {
    const store = new MemoryStore();
    const sink = new Sink(store);
    const payload = Buffer.from('is anybody there?');
    const report = await sink.write(
      delivery({ payload, properties: { hello: 'world' }, contentType: 'text/plain' }),
    );
    expect(report.outcome).toBe('rejected');
    expect(report.key).toMatch(/^rejected\/dt=2026-06-07\/hour=08\/[0-9a-f]{32}\.bin$/);
    expect(Buffer.from((await store.get(report.key))!.data)).toEqual(payload);
    const note = await store.get(report.key.replace('.bin', '.json'));
    expect(JSON.parse(Buffer.from(note!.data).toString())).toEqual({
      reason: expect.stringMatching(/not a JPEG, PNG or WebP/),
      topic: 'hw3faces',
      receivedAt: '2026-06-07T08:09:10.000Z',
      properties: { hello: 'world' },
      contentType: 'text/plain',
      bytes: payload.length,
    });
    await sink.write(delivery());
    expect(sink.stats).toMatchObject({ stored: 1, rejected: 1 });
  });

  it('keeps a rejected message once when it is delivered again', async () => {
    const store = new MemoryStore();
    const sink = new Sink(store);
    const payload = Buffer.from('again');
    await sink.write(delivery({ payload }));
    await sink.write(delivery({ payload, redelivered: true }));
    expect(await contents(store)).toHaveLength(2);
  });

  it('rejects a picture that is cut short anywhere in its pixels, damaged, empty or too large', async () => {
    const store = new MemoryStore();
    const sink = new Sink(store);
    const reasons: string[] = [];
    sink.on('rejected', ({ reason }) => reasons.push(reason));
    const jpeg = await sharp(png).jpeg().toBuffer();
    // A small file that says in its header that it is 20,000 x 20,000 pixels.
    const bomb = Buffer.from(jpeg);
    const frameHeader = bomb.indexOf('ffc0', 'hex');
    bomb.writeUInt16BE(20_000, frameHeader + 5);
    bomb.writeUInt16BE(20_000, frameHeader + 7);
    const damaged = Buffer.from(png);
    damaged[png.length >> 1]! ^= 0xff;
    const bad = [
      ...[0.1, 0.5, 0.9, 0.99].flatMap((part) => [
        png.subarray(0, png.length * part),
        jpeg.subarray(0, jpeg.length * part),
      ]),
      png.subarray(0, 8),
      damaged,
      Buffer.alloc(0),
      bomb,
    ];
    for (const payload of bad) {
      expect((await sink.write(delivery({ payload, properties: {} }))).outcome).toBe('rejected');
    }
    expect(sink.stats).toMatchObject({ stored: 0, rejected: bad.length });
    expect(reasons.filter((reason) => /20000 x 20000/.test(reason))).toHaveLength(1);
    expect(await contents(store)).toHaveLength(2 * bad.length);
  });

  it('takes smaller pictures only when told so, and anything when told so', async () => {
    const strict = new Sink(new MemoryStore(), { maxPixels: 4000 });
    expect((await strict.write(delivery())).outcome).toBe('rejected');
    const open = new Sink(new MemoryStore(), { accept: 'any' });
    const report = await open.write(delivery({ payload: Buffer.from('text'), contentType: 'text/plain' }));
    expect(report).toEqual({ key: key.replace('.png', '.bin'), outcome: 'stored' });
    expect(await open.store.get(report.key)).toMatchObject({ contentType: 'text/plain' });
    expect((await open.write(delivery())).key).toBe(key);
  });

  it('tries again what fails in passing, and tells each time', async () => {
    const store = new FailingStore();
    store.failures = { open: 2, put: 3, get: 0 };
    const sink = new Sink(store, quick);
    const events: unknown[] = [];
    sink.on('retry', (event) => events.push(event));
    expect((await sink.write(delivery())).outcome).toBe('stored');
    store.failures.get = 1;
    expect((await sink.write(delivery())).outcome).toBe('duplicate');
    expect(sink.stats.retries).toBe(6);
    expect(events).toHaveLength(6);
    expect(events[0]).toEqual({ error: expect.any(RelayError), inMs: expect.any(Number) });
    expect(events[2]).toEqual({ key, error: expect.any(RelayError), inMs: expect.any(Number) });
  });

  it('fails at once with what trying again cannot cure', async () => {
    const store = new FailingStore();
    store.retryable = false;
    store.failures.open = 1;
    const sink = new Sink(store, quick);
    await expect(sink.open()).rejects.toMatchObject({ code: 'STORE_FAILED' });
    store.failures.put = 1;
    await expect(sink.write(delivery())).rejects.toMatchObject({ code: 'STORE_FAILED' });
    expect((await sink.write(delivery())).outcome).toBe('stored');
    expect(sink.stats.retries).toBe(0);
  });

  it.each(['open', 'put'] as const)('gives up when its signal is aborted while %s fails', async (what) => {
    const store = new FailingStore();
    store.failures[what] = Number.POSITIVE_INFINITY;
    const sink = new Sink(store, patient);
    const controller = new AbortController();
    sink.once('retry', () => controller.abort(new Error('enough')));
    await expect(sink.write(delivery(), controller)).rejects.toThrow('enough');
    await sink.close();
  });

  it('does not write when its signal is aborted already', async () => {
    const store = new MemoryStore();
    const signal = AbortSignal.abort(new Error('enough'));
    await expect(new Sink(store).write(delivery(), { signal })).rejects.toThrow('enough');
    expect(await contents(store)).toEqual([]);
  });

  it('gives up what waits to be tried again when it is closed', async () => {
    const store = new FailingStore();
    store.failures.put = Number.POSITIVE_INFINITY;
    const sink = new Sink(store, patient);
    const closed = new Promise<void>((resolve) => {
      sink.once('retry', () => resolve(sink.close()));
    });
    await expect(sink.write(delivery())).rejects.toMatchObject({ code: 'STORE_FAILED', retryable: true });
    await closed;
  });

  it('finishes what is in flight before it is closed, and takes nothing after that', async () => {
    let finish = () => {};
    const gate = new Promise<void>((resolve) => {
      finish = resolve;
    });
    class SlowStore extends MemoryStore {
      override async put(key: string, data: Uint8Array, options?: PutOptions) {
        await gate;
        return super.put(key, data, options);
      }
    }
    const sink = new Sink(new SlowStore());
    const writing = sink.write(delivery());
    let isClosed = false;
    const closing = sink.close().then(() => {
      isClosed = true;
    });
    await delay(20);
    expect(isClosed).toBe(false);
    finish();
    await closing;
    expect((await writing).outcome).toBe('stored');
    await sink.close();
    await expect(sink.write(delivery())).rejects.toMatchObject({ code: 'CLOSED' });
    await expect(sink.open()).rejects.toMatchObject({ code: 'CLOSED' });
  });

  it('does not wait for ever for an object that is there and is not', async () => {
    class ContradictoryStore extends MemoryStore {
      override async put(): Promise<'exists'> {
        return 'exists';
      }
    }
    await expect(new Sink(new ContradictoryStore()).write(delivery())).rejects.toMatchObject({
      code: 'STORE_FAILED',
    });
  });

  it('acknowledges in a pipeline only what is stored', async () => {
    const store = new FailingStore();
    const sink = new Sink(store, { ...quick, concurrency: 1 });
    const acknowledged: number[] = [];
    async function* source(): AsyncGenerator<Message> {
      for (const number of [1, 2, 3]) {
        const own = { ...properties, id: `picture-${number}` };
        yield delivery({ properties: own, ack: () => void acknowledged.push(number) });
      }
    }
    sink.on('stored', ({ id }) => {
      if (id !== 'picture-2') return;
      store.retryable = false;
      store.failures.put = 1;
    });
    await expect(pipeline(source(), sink)).rejects.toMatchObject({ code: 'STORE_FAILED' });
    expect(acknowledged).toEqual([1, 2]);
    expect(await contents(store)).toHaveLength(2);
  });

  it('chooses the store by the location', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'edge-relay-sink-'));
    const files = new Sink(folder);
    expect(files.store).toBeInstanceOf(FileStore);
    expect(files.store.location).toBe(folder);
    expect(await files.write(delivery())).toEqual({ key, outcome: 'stored' });
    await files.close();
    await rm(folder, { recursive: true });
    expect(new Sink('./faces').store).toBeInstanceOf(FileStore);
    expect(new Sink('file:///srv/faces').store.location).toBe('/srv/faces');
    expect(new Sink('s3://faces/a').store).toBeInstanceOf(S3Store);
  });

  it.each([
    ['http://faces', {}, /location must be/],
    [undefined, {}, /location must be/],
    [{}, {}, /location must be/],
    ['faces', { concurrency: 0 }, /concurrency must be/],
    ['faces', { accept: 'all' }, /accept must be/],
    ['faces', { maxPixels: -1 }, /maxPixels must be/],
    ['faces', { retry: { firstDelayMs: 0 } }, /retry\.firstDelayMs must be/],
    ['s3://faces', { s3: { endpoint: 'nowhere' } }, /endpoint must be/],
  ])('refuses %j with %j', (location, options, message) => {
    expect(() => new Sink(location as string, options as object)).toThrow(TypeError);
    expect(() => new Sink(location as string, options as object)).toThrow(message);
  });
});

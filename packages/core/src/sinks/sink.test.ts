import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import sharp from 'sharp';
import { beforeAll, describe, expect, it } from 'vitest';
import { deliveryOf, id, key, keysOf, noisePng, properties } from '../../test/deliveries';
import type { Delivery } from '../message';
import { FileStore } from './file-store';
import { MemoryStore } from './memory-store';
import { S3Store } from './s3-store';
import { Sink } from './sink';

let png: Buffer;
let other: Buffer;
beforeAll(async () => {
  png = await noisePng();
  other = await noisePng();
});
const delivery = (parts: Partial<Delivery> = {}) => deliveryOf(png, parts);

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
      gaps: 0,
      forgotten: 0,
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
    expect(await keysOf(store)).toEqual([key]);
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
    expect(await keysOf(store)).toHaveLength(2);
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
    expect(await keysOf(store)).toHaveLength(2);
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
    expect(await keysOf(store)).toHaveLength(2 * bad.length);
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

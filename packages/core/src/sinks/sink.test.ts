import { createHash } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import sharp from 'sharp';
import { beforeAll, describe, expect, it } from 'vitest';
import { deliveryOf, id, key, keysOf, noisePng, properties } from '../../test/deliveries';
import { blackPng } from '../../test/png';
import { GAP_EVENT_TYPE } from '../gap-record';
import type { Delivery } from '../message';
import { makeProbe } from '../probe';
import { audit } from './audit';
import { FileStore } from './file-store';
import { MemoryStore } from './memory-store';
import { conflictKey, isPictureKey } from './object-key';
import { S3Store } from './s3-store';
import { Sink } from './sink';
import { isTombstone, tombstone } from './tombstone';

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

  it('stores, reads and removes a probe, and counts none', async () => {
    const sink = new Sink(new MemoryStore());
    const { payload, properties: ownProperties } = makeProbe('hw3faces');
    const probe = delivery({ payload, properties: ownProperties });
    const report = await sink.write(probe);
    expect(report).toEqual({ key: expect.stringMatching(/^probes\/[0-9a-f]{64}\.json$/), outcome: 'probe' });
    // On MQTT 3.1.1 it comes without properties; and it may come twice.
    expect(await sink.write(delivery({ payload, properties: {} }))).toEqual(report);
    expect(await keysOf(sink.store)).toEqual([]);
    await sink.close();
    expect(await keysOf(sink.store)).toEqual([]);
    expect(sink.stats).toMatchObject({ stored: 0, duplicates: 0, rejected: 0, gaps: 0, bytes: 0 });
  });

  it('takes a probe that it may not remove for stored, and says that it stays', async () => {
    const store = new MemoryStore();
    store.delete = async () => {
      throw new Error('Access Denied');
    };
    const sink = new Sink(store);
    const notices: string[] = [];
    sink.on('notice', ({ message }) => notices.push(message));
    const { payload } = makeProbe('hw3faces');
    const { key: place } = (await sink.write(delivery({ payload })))!;
    expect(notices).toEqual([`The probe ${place} is stored and stays: Access Denied`]);
    await sink.close();
    expect(await keysOf(store)).toEqual([place]);
    expect(isPictureKey(place)).toBe(false);
    expect((await audit(store)).unlistedObjects).toEqual(expect.objectContaining({ count: 0 }));
  });

  it('keeps the attributes and the hash with the object, and what the bytes are', async () => {
    const sink = new Sink(new MemoryStore());
    await sink.write(delivery({ contentType: 'image/x-png', properties: { ...properties, foreign: 'no' } }));
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

  it.each(['image', 'any'] as const)(
    'lets nobody plant a tombstone that keeps others away (%s)',
    async (accept) => {
      const store = new MemoryStore();
      const sink = new Sink(store, { accept, manifest: true });
      const payload = tombstone(0);
      const planted = await sink.write(delivery({ payload }));
      expect(planted.outcome).toBe('rejected');
      expect((await sink.write(delivery({ payload, redelivered: true }))).key).toBe(planted.key);
      expect(Buffer.from((await store.get(planted.key))!.data)).toEqual(Buffer.from(`\n${payload}`));
      expect((await sink.write(delivery())).outcome).toBe('stored');
      const text = await sink.write(delivery({ payload: Buffer.alloc(9), contentType: 'image/png' }));
      expect(text).toMatchObject({
        outcome: 'rejected',
        key: expect.stringMatching(/^conflicts\/rejected\//),
      });
      expect(sink.stats).toMatchObject({ stored: 1, rejected: 3, forgotten: 0 });
      await sink.close();
      const report = await audit(store, { verify: true });
      expect(report).toMatchObject({ complete: true, rows: 3, damagedObjects: { count: 0 } });
      expect((await audit(store)).unlistedObjects?.keys).toEqual([]);
    },
  );

  it('stores nothing that works as a tombstone, whatever kind of message it comes as', async () => {
    const store = new MemoryStore();
    const sink = new Sink(store, { accept: 'any', manifest: true });
    const gap = {
      id,
      camera: 'door',
      boot: '0badcafe',
      numbers: [[1, 2]],
      reason: 'full',
      time: properties.time,
    };
    const types = ['dev.edge-relay.tombstone.v1', GAP_EVENT_TYPE, 'dev.edge-relay.probe.v1'];
    const rest = JSON.stringify(gap).slice(1);
    const forged = types.flatMap((first) =>
      types.map((second) => Buffer.from(`{"type":"${first}","type":"${second}",${rest}`)),
    );
    for (const payload of [...forged, tombstone(0), tombstone(0).subarray(0, -1)]) {
      await sink.write(delivery({ payload }));
      await sink.write(delivery({ payload, properties: {} }));
    }
    const left = await Promise.all((await keysOf(store)).map((key) => store.get(key)));
    expect(left.filter((object) => isTombstone(object!.data))).toEqual([]);
    const genuine = Buffer.from(JSON.stringify({ type: GAP_EVENT_TYPE, ...gap }));
    expect((await sink.write(delivery({ payload: genuine }))).outcome).toBe('gap');
    expect((await sink.write(delivery())).outcome).toBe('stored');
    expect(sink.stats).toMatchObject({ forgotten: 0 });
  });

  it('keeps bytes that meet the key of others in conflict, too', async () => {
    const store = new MemoryStore();
    const sink = new Sink(store);
    await sink.write(delivery());
    const sha256 = createHash('sha256').update(other).digest('hex');
    await store.put(conflictKey(key, sha256), Buffer.from('somebody has searched long for this'));
    const report = await sink.write(delivery({ payload: other }));
    expect(report).toEqual({ outcome: 'conflict', key: conflictKey(key, sha256.slice(12)) });
    expect(Buffer.from((await store.get(report.key))!.data)).toEqual(other);
    expect((await sink.write(delivery({ payload: other }))).outcome).toBe('duplicate');
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
    const kept = (await keysOf(store)).filter((key) => !key.startsWith('arrivals/'));
    expect(kept).toHaveLength(2 * bad.length);
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

  it('accepts by topic: the first filter that fits, pictures where none does', async () => {
    const sink = new Sink(new MemoryStore(), {
      accept: { hw3faces: 'image', '+/logs': 'any', 'site/#': (message) => message.payload.length < 9 },
    });
    const payload = Buffer.from('text');
    const outcomeOn = async (topic: string, parts: Partial<Delivery> = {}) =>
      (await sink.write(delivery({ payload, topic, properties: {}, ...parts }))).outcome;
    expect(await outcomeOn('hw3faces')).toBe('rejected');
    expect(await outcomeOn('front/logs')).toBe('stored');
    for (const topic of ['front/logs/more', 'logs', '$front/logs', 'elsewhere']) {
      expect(await outcomeOn(topic), topic).toBe('rejected');
    }
    for (const topic of ['site', 'site/a/b']) expect(await outcomeOn(topic), topic).toBe('stored');
    expect(await outcomeOn('site/a', { payload: Buffer.from('longer text') })).toBe('rejected');
  });

  it('keeps with a message why a function does not accept it, also when the function fails', async () => {
    const answers = [false, '', 'too late', new Error('no idea')];
    const reasons: string[] = [];
    const sink = new Sink(new MemoryStore(), {
      accept: async () => {
        const answer = answers.shift()!;
        if (answer instanceof Error) throw answer;
        return answer;
      },
    });
    sink.on('rejected', ({ reason }) => reasons.push(reason));
    for (const text of ['a', 'b', 'c', 'd']) {
      await sink.write(delivery({ payload: Buffer.from(text), properties: {} }));
    }
    expect(reasons).toEqual([
      'It is not accepted.',
      'It is not accepted.',
      'too late',
      'Whether to accept it could not be found out: no idea',
    ]);
  });

  it.each([
    ['image', 'text/plain', 'rejected'],
    ['image', 'image/jpeg', 'rejected'],
    ['image', 'IMAGE/PNG; charset=x', 'stored'],
    ['image', 'application/octet-stream', 'stored'],
    ['image', '', 'stored'],
    ['any', 'image/webp', 'rejected'],
    ['any', 'image/png', 'stored'],
  ] as const)('with accept %j and a PNG that says it is %j: %s', async (accept, contentType, outcome) => {
    const sink = new Sink(new MemoryStore(), { accept });
    expect((await sink.write(delivery({ contentType }))).outcome).toBe(outcome);
  });

  it.each([
    ['image/png', 'rejected', 'application/octet-stream'],
    ['image/gif', 'stored', 'image/gif'],
    ['text/plain; charset=utf-8', 'stored', 'text/plain; charset=utf-8'],
    ['text/plain\r\nx-amz-acl: public-read', 'stored', undefined],
    ['☃', 'stored', undefined],
  ])('with anything accepted, a text that says it is %j is %s', async (contentType, outcome, kept) => {
    const sink = new Sink(new MemoryStore(), { accept: 'any' });
    const report = await sink.write(delivery({ payload: Buffer.from('text'), contentType }));
    expect(report.outcome).toBe(outcome);
    expect((await sink.store.get(report.key))?.contentType).toBe(kept);
  });

  it('does not go over all pixels of a JPEG more often than one needs', async () => {
    const jpeg = await sharp(png).jpeg().toBuffer();
    const scan = jpeg.lastIndexOf('ffda', undefined, 'hex');
    const end = jpeg.length - 2;
    const scans = Array.from({ length: 100 }, () => jpeg.subarray(scan, end));
    const payload = Buffer.concat([jpeg.subarray(0, end), ...scans, jpeg.subarray(end)]);
    const sink = new Sink(new MemoryStore());
    const reasons: string[] = [];
    sink.on('rejected', ({ reason }) => reasons.push(reason));
    expect((await sink.write(delivery({ payload }))).outcome).toBe('rejected');
    expect(reasons).toEqual([expect.stringMatching(/101 scans; the limit is 100/)]);
  });

  it('ends the decoding of what takes too long', { timeout: 60_000 }, async () => {
    const payload = blackPng(100_000, 40_000);
    const sink = new Sink(new MemoryStore(), { maxPixels: 1e10, maxDecodeSeconds: 1 });
    const reasons: string[] = [];
    sink.on('rejected', ({ reason }) => reasons.push(reason));
    expect((await sink.write(delivery({ payload }))).outcome).toBe('rejected');
    expect(reasons).toEqual([expect.stringMatching(/takes longer than 1 s/)]);
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

  it('gives what is delivered again the key that it had, whatever the clock says then', async () => {
    const store = new MemoryStore();
    const payload = Buffer.from('not a picture');
    const first = { receivedAt: Date.UTC(2026, 5, 7, 8, 59) };
    const again = { receivedAt: Date.UTC(2026, 5, 8, 0, 1), redelivered: true };
    const named = { key: '{received:%F}/{captured:%H}/{id}.{ext}' };
    const dated = { key: `2026-06-07/03/${id}.png`, outcome: 'stored' };
    for (const { options, parts, report } of [
      { options: named, parts: {}, report: dated },
      { options: {}, parts: { properties: {} }, report: { outcome: 'stored' } },
      { options: {}, parts: { payload, properties: {} }, report: { outcome: 'rejected' } },
    ]) {
      const before = await new Sink(store, options).write(delivery({ ...first, ...parts }));
      expect(before).toMatchObject(report);
      const keys = await keysOf(store);
      // Another process, which remembers nothing.
      const after = await new Sink(store, options).write(delivery({ ...again, ...parts }));
      expect(after.key).toBe(before.key);
      expect(await keysOf(store)).toEqual(keys);
    }
  });

  it('does without a note of the arrival that somebody has cut short', async () => {
    const store = new MemoryStore();
    const sink = new Sink(store, { key: '{received:%F}/{id}.{ext}' });
    await store.put(`arrivals/${id}-0.json`, Buffer.from('{"rec'));
    const { key } = await sink.write(delivery());
    const again = await sink.write(delivery({ receivedAt: Date.UTC(2027, 0, 1) }));
    expect(again).toEqual({ key, outcome: 'duplicate' });
  });

  it.each([
    ['http://faces', {}, /location must be/],
    [undefined, {}, /location must be/],
    [{}, {}, /location must be/],
    ['faces', { concurrency: 0 }, /concurrency must be/],
    ['faces', { accept: 'all' }, /accept must be/],
    ['faces', { accept: { 'a/#': 'most' } }, /accept\["a\/#"\] must be/],
    ['faces', { accept: { 'a/#/b': 'any' } }, /topic filters/],
    ['faces', { accept: { '$share/g/a': 'any' } }, /topic filters/],
    ['faces', { maxDecodeSeconds: 0.5 }, /maxDecodeSeconds must be/],
    ['faces', { key: '{camera}.{ext}' }, /two pictures could get one key.*\{received:FORMAT\}/],
    ['faces', { maxPixels: -1 }, /maxPixels must be/],
    ['faces', { retry: { firstDelayMs: 0 } }, /retry\.firstDelayMs must be/],
    ['s3://faces', { s3: { endpoint: 'nowhere' } }, /endpoint must be/],
  ])('refuses %j with %j', (location, options, message) => {
    expect(() => new Sink(location as string, options as object)).toThrow(TypeError);
    expect(() => new Sink(location as string, options as object)).toThrow(message);
  });
});

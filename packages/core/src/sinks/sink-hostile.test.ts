import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import sharp from 'sharp';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { keysOf, noisePng } from '../../test/deliveries';
import { blackPng, pngChunk, zeros } from '../../test/png';
import type { Delivery } from '../message';
import { FileStore } from './file-store';
import { Sink } from './sink';
import type { StoredReport } from './sink-events';

/** `EDGE_RELAY_HOSTILE=10000` for the long run. */
const MESSAGES = Number(process.env.EDGE_RELAY_HOSTILE ?? 3000);
const MEBIBYTE = 1024 ** 2;
const AT_ONCE = 32;

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'edge-relay-hostile-'));
});
afterAll(() => rm(folder, { recursive: true }));

const wild = fc.oneof(
  fc.string({ unit: 'binary', maxLength: 60 }),
  fc.constantFrom(
    ...['', '.', '..', '../../../outside', '/etc/passwd', 'C:\\windows', '.incoming', '.incoming/x', 'a\0b'],
    ...[
      'line\r\nbreak',
      'rejected',
      'conflicts',
      'arrivals',
      'manifest',
      '\ud800',
      '%2e%2e%2f',
      '~',
      '*',
      '😀',
    ],
    ...['__proto__', 'constructor', 'a/b', 'x'.repeat(4096), '../'.repeat(1365), '長'.repeat(2000)],
  ),
);
const time = fc.oneof(
  wild,
  fc.date({ noInvalidDate: true, min: new Date('0000-01-01'), max: new Date('9999-12-31') }).map(String),
  fc
    .date({ noInvalidDate: true, min: new Date('0000-01-01'), max: new Date('9999-12-31') })
    .map((date) => date.toISOString()),
  fc.constantFrom('9999-12-31T23:59:59-23:59', '0000-01-01T00:00:00+23:59', '2026-13-45T99:99:99Z'),
);
const value = fc.oneof(wild, fc.array(wild, { maxLength: 3 }));
const properties = fc.oneof(
  fc.record(
    {
      id: value,
      time,
      camera: value,
      subject: value,
      sequence: value,
      readat: time,
      score: value,
      box: value,
    },
    { requiredKeys: [] },
  ),
  // Few enough that ids meet.
  fc.record({ id: wild, time: fc.constant('2026-01-02T03:04:05.678Z'), camera: fc.constant('..') }),
  fc.dictionary(wild, value, { maxKeys: 20 }),
);

/** A picture with some bytes changed, cut out, or added. */
function mutated(picture: Buffer): fc.Arbitrary<Buffer> {
  const place = fc.nat(picture.length - 1);
  type Change = (data: Buffer) => Buffer;
  const change: fc.Arbitrary<Change> = fc.oneof(
    fc.record({ at: place, byte: fc.nat(255) }).map(({ at, byte }) => (data: Buffer) => {
      data[at % data.length] = byte;
      return data;
    }),
    place.map((at) => (data: Buffer) => data.subarray(0, Math.max(1, at))),
    fc.record({ at: place, more: fc.uint8Array({ maxLength: 50 }) }).map(({ at, more }) => (data: Buffer) => {
      return Buffer.concat([data.subarray(0, at), more, data.subarray(at)]);
    }),
  );
  return fc
    .array(change, { maxLength: 4 })
    .map((changes) => changes.reduce<Buffer>((data, apply) => apply(data), Buffer.from(picture)));
}

/** Small messages that want much. */
function bombs(png: Buffer): Buffer[] {
  const large = zeros(100_000_000);
  const insert = (type: string, head: string) =>
    Buffer.concat([
      png.subarray(0, 33),
      pngChunk(type, Buffer.concat([Buffer.from(head, 'latin1'), large])),
      png.subarray(33),
    ]);
  return [
    blackPng(60_000, 60_000),
    blackPng(2 ** 31 - 1, 1),
    blackPng(1, 10_000_000),
    blackPng(5_000, 4_900),
    insert('zTXt', 'k\0\0'),
    insert('iCCP', 'k\0\0'),
    insert('iTXt', 'k\0\x01\0\0\0'),
  ];
}

async function messages(): Promise<fc.Arbitrary<Delivery>> {
  const png = await noisePng();
  const comment = JSON.stringify({
    id: '../../x',
    time: '2026-01-02T03:04:05Z',
    camera: '..',
    ['__proto__']: 'y',
  });
  const telling = sharp(png).withExif({ IFD2: { UserComment: comment } });
  const pictures = [
    png,
    await sharp(png).jpeg({ progressive: true }).toBuffer(),
    await sharp(png).webp().toBuffer(),
    await telling.clone().png().toBuffer(),
    await telling.clone().jpeg().toBuffer(),
  ];
  const payload = fc.oneof(
    { weight: 8, arbitrary: fc.uint8Array({ maxLength: 300 }).map((bytes) => Buffer.from(bytes)) },
    { weight: 20, arbitrary: fc.oneof(...pictures.map(mutated)) },
    { weight: 8, arbitrary: fc.constantFrom(...pictures) },
    { weight: 1, arbitrary: fc.constantFrom(...bombs(png)) },
  );
  const contentType = fc.option(
    fc.oneof(wild, fc.constantFrom('image/png', 'image/jpeg', 'text/plain', 'text/html; charset=utf-8')),
    { nil: undefined },
  );
  return fc
    .record({
      topic: fc.oneof(wild, fc.constant('any/thing')),
      payload,
      properties,
      contentType,
      received: fc.nat(),
    })
    .map(({ contentType, received, ...rest }) => ({
      ...rest,
      ...(contentType !== undefined && { contentType }),
      id: 'as the subscriber calls it',
      receivedAt: Date.UTC(2026, 0) + received,
      redelivered: false,
      ack() {},
    }));
}

it('survives whatever comes, keeps each message, and all of them in its own folder', {
  timeout: 300_000,
}, async () => {
  const place = join(folder, 'store');
  const sink = new Sink(new FileStore(place), { accept: { 'any/#': 'any' }, maxDecodeSeconds: 20 });
  const list = fc.sample(await messages(), { numRuns: MESSAGES, seed: 6 });
  await sink.open();
  await writeFile(join(folder, 'canary'), 'alive');
  global.gc?.();
  const before = process.memoryUsage.rss();
  let most = before;

  const reports = new Map<Delivery, StoredReport>();
  const waiting = list.values();
  await Promise.all(
    Array.from({ length: AT_ONCE }, async () => {
      for (const message of waiting) {
        reports.set(message, await sink.write(message));
        most = Math.max(most, process.memoryUsage.rss());
      }
    }),
  );

  // Each is accounted for, and its bytes lie where the report says.
  const { stored, duplicates, conflicts, rejected } = sink.stats;
  expect(reports.size).toBe(MESSAGES);
  expect(stored + duplicates + conflicts + rejected).toBe(MESSAGES);
  for (const count of [stored, duplicates, conflicts, rejected]) expect(count).toBeGreaterThan(10);
  for (const [message, { key }] of reports) {
    expect(Buffer.compare(await readFile(join(place, key)), message.payload), key).toBe(0);
  }
  // There is nothing that nobody has reported, but notes of ours beside what is rejected or undated.
  const reported = new Set([...reports.values()].map(({ key }) => key));
  const isNote = (key: string) =>
    /^arrivals\/.*\.json$/.test(key) || /^rejected\/.*\.json$|^conflicts\/rejected\/.*\.json$/.test(key);
  expect((await keysOf(sink.store)).filter((key) => !reported.has(key) && !isNote(key))).toEqual([]);
  expect(await readdir(join(place, '.incoming'))).toEqual([]);
  expect((await readdir(folder)).sort()).toEqual(['canary', 'store']);
  // What wants much gets little: a bomb of 100 million pixels would take hundreds of megabytes.
  expect(most - before).toBeLessThan(400 * MEBIBYTE);
  await sink.close();
});

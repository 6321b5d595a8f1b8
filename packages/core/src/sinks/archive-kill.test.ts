import { createHash } from 'node:crypto';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { archiveMessage } from '../../test/archive-messages';
import { collect } from '../../test/collect';
import { keysOf } from '../../test/deliveries';
import { bundleWriter, startWriter } from '../../test/writer-process';
import { FileStore } from './file-store';
import { MANIFEST } from './manifest-keys';
import { manifestPages, readManifest } from './manifest-reader';

const KILLS = 200;

let folder: string;
let program: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'edge-relay-archive-'));
  program = await bundleWriter('archive-writer');
});
afterAll(() => rm(folder, { recursive: true }));

it(`after ${KILLS} kills holds each message once, whole, and written down once`, {
  timeout: 600_000,
}, async () => {
  const place = join(folder, 'store');
  const acknowledged = new Set<number>();
  let first = 0;
  for (let kill = 0; kill < KILLS; kill += 1) {
    const lines = await startWriter(program, place, first, 1e9).killAfter(Math.random() * 60);
    for (const line of lines) acknowledged.add(Number(line));
    // As a broker does it: what is not acknowledged comes again, and with it some that are.
    while (acknowledged.has(first)) first += 1;
    first = Math.max(0, first - 5);
  }
  const store = new FileStore(place);
  const rows = new Map((await collect(readManifest(store))).map((row) => [row.key, row]));
  const written = new Set([...rows.values()].map((row) => row.id));
  const idOf = (number: number) => archiveMessage(number).properties.id as string;
  expect(acknowledged.size).toBeGreaterThan(KILLS * 5);
  expect([...acknowledged].filter((number) => !written.has(idOf(number)))).toEqual([]);

  // What was stored and not acknowledged comes once more; then all is accounted for.
  const last = Math.max(...acknowledged) + 100;
  await startWriter(program, place, first, last).end();
  const pages = await collect(manifestPages(store));
  expect(pages.filter(({ damaged }) => damaged > 0)).toEqual([]);
  const all = await collect(readManifest(store));
  expect(all.map((row) => row.id).sort()).toEqual(
    Array.from({ length: last + 1 }, (_, number) => idOf(number)).sort(),
  );
  const objects = (await keysOf(store)).filter((key) => !key.startsWith(MANIFEST));
  expect(all.map((row) => row.key).sort()).toEqual(objects);
  for (const { key, bytes, sha256 } of all) {
    const data = await readFile(join(place, key));
    expect(data.length).toBe(bytes);
    expect(createHash('sha256').update(data).digest('hex')).toBe(sha256);
  }
});

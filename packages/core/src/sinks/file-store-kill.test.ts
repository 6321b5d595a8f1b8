import { createHash } from 'node:crypto';
import { mkdtemp, readdir, readFile, rm, stat, utimes } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { bundleWriter, startWriter } from '../../test/writer-process';
import { FileStore } from './file-store';

let folder: string;
let program: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'edge-relay-kill-'));
  program = await bundleWriter('store-writer');
});
afterAll(() => rm(folder, { recursive: true }));

it('leaves only whole files, each once, however often its process is killed', {
  timeout: 180_000,
}, async () => {
  const place = join(folder, 'store');
  const durable: string[] = [];
  for (let round = 0; round < 20; round += 1) {
    durable.push(...(await startWriter(program, place).killAfter(Math.random() * 150)));
  }

  const store = new FileStore(place);
  const found = new Map<string, string>();
  for await (const { key } of store.list()) {
    const name = basename(key, '.bin');
    const data = await readFile(join(place, key));
    expect(createHash('sha256').update(data).digest('hex')).toBe(name);
    expect(found.has(name)).toBe(false);
    found.set(name, key);
  }
  expect(durable.length).toBeGreaterThan(20);
  expect(durable.filter((name) => !found.has(name))).toEqual([]);

  const key = [...found.values()][0]!;
  expect(await store.put(key, await readFile(join(place, key)))).toBe('exists');

  // An hour later, what the killed processes left is gone and the files are as they were.
  const incoming = join(place, '.incoming');
  const longAgo = Date.now() / 1000 - 7200;
  for (const name of await readdir(incoming)) await utimes(join(incoming, name), longAgo, longAgo);
  await new FileStore(place).open();
  expect(await readdir(incoming)).toEqual([]);
  for (const key of found.values()) expect((await stat(join(place, key))).nlink).toBe(1);
});

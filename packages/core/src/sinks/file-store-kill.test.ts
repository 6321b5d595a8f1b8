import { spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { mkdtemp, readdir, readFile, rm, stat, utimes } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { build } from 'tsup';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { FileStore } from './file-store';

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'edge-relay-kill-'));
  // A process of its own, with nothing of the test runner in it.
  await build({
    entry: { writer: fileURLToPath(new URL('../../test/store-writer.ts', import.meta.url)) },
    config: false,
    format: 'esm',
    target: 'node20',
    outDir: folder,
    outExtension: () => ({ js: '.mjs' }),
    silent: true,
  });
});
afterAll(() => rm(folder, { recursive: true }));

/** Lets a writer write for a while, kills it, and gives the names that it called durable. */
async function writeAndKill(place: string, milliseconds: number): Promise<string[]> {
  const writer = spawn(process.execPath, [join(folder, 'writer.mjs'), place], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const output: Buffer[] = [];
  writer.stdout.on('data', (chunk) => output.push(chunk));
  const closed = once(writer, 'close');
  await Promise.race([once(writer.stdout, 'data'), closed]);
  await delay(milliseconds);
  writer.kill('SIGKILL');
  await closed;
  return Buffer.concat(output).toString().split('\n').slice(0, -1);
}

it('leaves only whole files, each once, however often its process is killed', {
  timeout: 180_000,
}, async () => {
  const place = join(folder, 'store');
  const durable: string[] = [];
  for (let round = 0; round < 20; round += 1) {
    durable.push(...(await writeAndKill(place, Math.random() * 150)));
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

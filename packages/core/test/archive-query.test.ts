import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { DuckDBInstance } from '@duckdb/node-api';
import { expect, onTestFinished, test } from 'vitest';
import { FileStore } from '../src/sinks/file-store';
import { compactManifest } from '../src/sinks/manifest-compaction';
import { Sink } from '../src/sinks/sink';
import { archiveMessage } from './archive-messages';
import { blocksOf } from './markdown';

const FILE = 'docs/archive.md';

/** The queries of the guide, in their order. */
async function queries(): Promise<string[]> {
  const guide = await readFile(fileURLToPath(new URL(`../../../${FILE}`, import.meta.url)), 'utf8');
  return blocksOf(FILE, guide)
    .filter(({ language }) => language === 'sql')
    .map(({ text }) => text);
}

test.each([false, true])('DuckDB answers the queries of the guide (gathered: %s)', async (isGathered) => {
  const folder = await mkdtemp(join(tmpdir(), 'edge-relay-duckdb-'));
  onTestFinished(() => rm(folder, { recursive: true }));
  const sink = new Sink(folder, { accept: 'any', manifest: true });
  // Some twice; some stay in parts while the others are gathered.
  for (let number = 0; number < 600; number += 1) await sink.write(archiveMessage(number));
  if (isGathered) await compactManifest(new FileStore(folder));
  for (let number = 580; number < 620; number += 1) await sink.write(archiveMessage(number));
  await sink.close();

  const database = await DuckDBInstance.create();
  const connection = await database.connect();
  onTestFinished(() => {
    connection.closeSync();
    database.closeSync();
  });
  const [byHour = '', slowest = ''] = await queries();
  const run = async (query: string) =>
    (await connection.runAndReadAll(query.replaceAll('./faces', folder))).getRowObjectsJson();
  expect(await run(byHour)).toEqual(
    [
      ['front-door', 3, '250'],
      ['yard', 3, '250'],
      ['front-door', 4, '60'],
      ['yard', 4, '60'],
    ].map(([camera, hour, faces]) => ({
      camera,
      hour: `2026-01-02 0${hour}:00:00`,
      faces,
      score: 0.875,
    })),
  );
  const rows = await run(slowest);
  expect(rows).toHaveLength(10);
  expect(rows[0]).toMatchObject({ key: expect.stringContaining('dt=2026-01-02'), total: expect.anything() });
});

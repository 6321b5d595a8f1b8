import { createHash } from 'node:crypto';
import { expect } from 'vitest';
import { MANIFEST } from '../src/sinks/manifest-keys';
import { manifestPages, readManifest } from '../src/sinks/manifest-reader';
import type { S3StoreOptions } from '../src/sinks/s3-options';
import type { Store } from '../src/sinks/store';
import { archiveMessage } from './archive-messages';
import { collect } from './collect';
import { keysOf } from './deliveries';
import { startWriter } from './writer-process';

export interface Kills {
  /** The bundled `archive-writer`. */
  readonly program: string;
  /** Where it stores. */
  readonly store: Store;
  readonly s3?: S3StoreOptions;
  readonly kills: number;
  /** From the first message of a writer that is acknowledged to its end, at the most. */
  readonly longestMs: number;
}

/** Kills a sink at random points of storing, over and over; then each message must be there once, whole, and written down. */
export async function expectAllAfterKills({ program, store, s3, kills, longestMs }: Kills): Promise<void> {
  const write = (from: number, to: number) =>
    startWriter(program, store.location, from, to, JSON.stringify(s3 ?? {}));
  const acknowledged = new Set<number>();
  let first = 0;
  for (let kill = 0; kill < kills; kill += 1) {
    const lines = await write(first, 1e9).killAfter(Math.random() * longestMs);
    for (const line of lines) acknowledged.add(Number(line));
    // As a broker does it: what is not acknowledged comes again, and with it some that are.
    while (acknowledged.has(first)) first += 1;
    first = Math.max(0, first - 5);
  }
  const rows = new Map((await collect(readManifest(store))).map((row) => [row.key, row]));
  const written = new Set([...rows.values()].map((row) => row.id));
  const idOf = (number: number) => archiveMessage(number).properties.id as string;
  expect(acknowledged.size).toBeGreaterThan(kills * 3);
  expect([...acknowledged].filter((number) => !written.has(idOf(number)))).toEqual([]);

  // What was stored and not acknowledged comes once more; then all is accounted for.
  const last = Math.max(...acknowledged) + 100;
  await write(first, last).end();
  const pages = await collect(manifestPages(store));
  expect(pages.filter(({ damaged }) => damaged > 0)).toEqual([]);
  const all = await collect(readManifest(store));
  expect(all.map((row) => row.id).sort()).toEqual(
    Array.from({ length: last + 1 }, (_, number) => idOf(number)).sort(),
  );
  const objects = (await keysOf(store)).filter((key) => !key.startsWith(MANIFEST));
  expect(all.map((row) => row.key).sort()).toEqual(objects);
  for (const { key, bytes, sha256 } of all) {
    const { data } = (await store.get(key)) ?? { data: new Uint8Array() };
    expect(data.length).toBe(bytes);
    expect(createHash('sha256').update(data).digest('hex')).toBe(sha256);
  }
}

import { constants } from 'node:fs';
import { mkdtemp, readdir, readFile, readlink, rm, stat, truncate } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { hasDirectWrites } from '../../test/direct-writes';
import { Slab } from '../slab';
import { PayloadFile } from './payload-file';

describe.runIf(hasDirectWrites())('PayloadFile', () => {
  let folder: string;
  let path: string;
  const opened: PayloadFile[] = [];
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'edge-relay-payloads-'));
    path = join(folder, 'payloads');
  });
  afterEach(async () => {
    for (const file of opened.splice(0)) await file.close();
    await rm(folder, { recursive: true });
  });

  async function openFile(at = path): Promise<PayloadFile> {
    const file = new PayloadFile(at);
    await file.open();
    opened.push(file);
    return file;
  }

  /** Pieces of these lengths, one after the other in a slab, with some bytes between them. */
  function piecesOf(lengths: readonly number[]): Buffer[] {
    const slab = new Slab(lengths.reduce((sum, length) => sum + length + 100, 0));
    let end = 0;
    return lengths.map((length, index) => {
      const piece = slab.bytes.subarray(end, end + length).fill(index + 1);
      piece[length - 1] = 255;
      end += length + 100;
      return piece;
    });
  }

  it('gives back what was written, of whatever length, also after it was opened again', async () => {
    const file = await openFile();
    const pieces = piecesOf([1, 100, 4_095, 4_096, 4_097, 20_000, 100_000, 160 * 1_024]);
    const places = await file.write(pieces);
    expect(places).toHaveLength(pieces.length);
    for (const [index, place] of places!.entries())
      expect(file.read(place)?.equals(pieces[index]!)).toBe(true);
    const again = await openFile();
    for (const [index, place] of places!.entries()) {
      expect(again.occupy(place)).toBe(true);
      expect(again.read(place)?.equals(pieces[index]!)).toBe(true);
    }
    // Nothing of an earlier process is overwritten.
    await again.write(piecesOf([150_000, 150_000]));
    for (const [index, place] of places!.entries())
      expect(again.read(place)?.equals(pieces[index]!)).toBe(true);
  });

  it('has room for no more than its bound, and again for what is given back', async () => {
    const file = await openFile();
    const places = [];
    const pieces = piecesOf(Array.from({ length: 30 }, () => 150_000));
    for (let found = await file.write(pieces); found; found = await file.write(pieces)) places.push(found);
    // In what is left at the end not all of them have room.
    const counts = places.map(({ length }) => length);
    expect(counts.slice(0, 14).every((count) => count === 30)).toBe(true);
    expect(counts.slice(14).every((count) => count < 30)).toBe(true);
    expect(counts.reduce((sum, count) => sum + count, 0)).toBeGreaterThan(430);
    for (const place of places[3]!) file.give(place);
    expect(await file.write(pieces)).toEqual(places[3]);
    expect((await stat(path)).size).toBeLessThanOrEqual(64 * 1024 ** 2);
  });

  it('takes as many pieces as one write takes', async () => {
    const file = await openFile();
    const pieces = piecesOf(Array.from({ length: 300 }, () => 5_000));
    const places = await file.write(pieces);
    expect(places).toHaveLength(256);
    for (const [index, place] of places!.entries())
      expect(file.read(place)?.equals(pieces[index]!)).toBe(true);
  });

  it('says so where it cannot be made, and where what was written is gone', async () => {
    const nowhere = await openFile(join(folder, 'missing', 'payloads'));
    expect(await nowhere.write(piecesOf([20_000]))).toBeUndefined();
    const file = await openFile();
    const [place] = (await file.write(piecesOf([20_000])))!;
    await truncate(path, 4_096);
    expect(file.read(place!)).toBeUndefined();
    expect((await openFile()).occupy(place!)).toBe(false);
  });

  it('leaves alone what is not in a slab: it has no page before it', async () => {
    const file = await openFile();
    const piece = Buffer.from(new ArrayBuffer(20_000));
    expect(await file.write([piece])).toBeUndefined();
    expect(await file.write(piecesOf([20_000]))).toHaveLength(1);
  });

  it('is written past the cache of the kernel, and to the disk', async () => {
    const file = await openFile();
    await file.write(piecesOf([20_000]));
    const flags: number[] = [];
    for (const one of await readdir('/proc/self/fd')) {
      const link = await readlink(`/proc/self/fd/${one}`).catch(() => '');
      if (link !== path) continue;
      const info = await readFile(`/proc/self/fdinfo/${one}`, 'utf8');
      flags.push(Number.parseInt(/flags:\s*(\d+)/.exec(info)![1]!, 8));
    }
    expect(flags).toHaveLength(1);
    expect(flags[0]! & constants.O_DIRECT).toBe(constants.O_DIRECT);
    expect(flags[0]! & constants.O_DSYNC).toBe(constants.O_DSYNC);
  });
});

import { mkdir, mkdtemp, readdir, readFile, rm, stat, utimes, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { storeSuite } from '../testing/store-suite';
import { FileStore } from './file-store';

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'edge-relay-file-store-'));
});
afterAll(() => rm(folder, { recursive: true }));

const emptyFolder = () => mkdtemp(join(folder, 'store-'));
const png = new TextEncoder().encode('as good as a picture');

storeSuite({ describe, it, name: 'FileStore', create: async () => new FileStore(await emptyFolder()) });

describe('FileStore', () => {
  it('makes its folder, however deep, and takes file URLs', async () => {
    const place = join(await emptyFolder(), 'deep', 'er');
    const store = new FileStore(pathToFileURL(place).href);
    await store.open();
    await store.put('a/b.png', png);
    expect(store.location).toBe(place);
    expect(await readFile(join(place, 'a', 'b.png'))).toEqual(Buffer.from(png));
  });

  it('leaves no temporary file behind, whether the object was new or there already', async () => {
    const place = await emptyFolder();
    const store = new FileStore(place);
    await store.open();
    await Promise.all([store.put('a.png', png), store.put('a.png', png), store.put('b.png', png)]);
    expect(await readdir(join(place, '.incoming'))).toEqual([]);
    expect((await readdir(place)).sort()).toEqual(['.incoming', 'a.png', 'b.png']);
    expect((await stat(join(place, 'a.png'))).nlink).toBe(1);
  });

  it('removes what a killed process left, but not what may still be written', async () => {
    const place = await emptyFolder();
    await mkdir(join(place, '.incoming'));
    await writeFile(join(place, '.incoming', 'old'), 'half a pic');
    await writeFile(join(place, '.incoming', 'new'), 'half a pic');
    const twoHoursAgo = Date.now() / 1000 - 7200;
    await utimes(join(place, '.incoming', 'old'), twoHoursAgo, twoHoursAgo);
    await new FileStore(place).open();
    expect(await readdir(join(place, '.incoming'))).toEqual(['new']);
  });

  it('neither lists its temporary files nor takes keys among them', async () => {
    const place = await emptyFolder();
    const store = new FileStore(place);
    await store.open();
    await writeFile(join(place, '.incoming', 'half'), 'half a pic');
    expect((await store.list('.incoming').next()).done).toBe(true);
    await expect(store.put('.incoming/half', png)).rejects.toThrow(TypeError);
    await expect(store.get('.incoming/half')).rejects.toThrow(TypeError);
  });

  it('tells the content type by the extension', async () => {
    const store = new FileStore(await emptyFolder());
    await store.put('a.JPG', png);
    await store.put('a.unknown', png);
    expect((await store.get('a.JPG'))?.contentType).toBe('image/jpeg');
    expect((await store.get('a.unknown'))?.contentType).toBeUndefined();
  });

  it('asks to be tried again when its folders are removed, and makes them anew', async () => {
    const place = await emptyFolder();
    const store = new FileStore(place);
    await store.put('a/1.png', png);
    await rm(place, { recursive: true });
    await expect(store.put('a/2.png', png)).rejects.toMatchObject({ code: 'STORE_FAILED', retryable: true });
    expect(await store.put('a/2.png', png)).toBe('created');
  });

  it('says when there is a file where it needs a folder', async () => {
    const place = join(await emptyFolder(), 'file');
    await writeFile(place, '');
    await expect(new FileStore(place).open()).rejects.toMatchObject({
      code: 'STORE_FAILED',
      retryable: false,
      message: expect.stringMatching(/file where a folder is needed/),
    });
    const store = new FileStore(await emptyFolder());
    await store.put('a', png);
    await expect(store.put('a/b', png)).rejects.toMatchObject({ code: 'STORE_FAILED', retryable: false });
  });

  it.each(['', 7, undefined])('does not take %j for a folder', (location) => {
    expect(() => new FileStore(location as string)).toThrow(TypeError);
  });
});

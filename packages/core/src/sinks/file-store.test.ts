import { existsSync, linkSync } from 'node:fs';
import { mkdir, mkdtemp, readdir, readFile, rm, stat, utimes, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { storeSuite } from '../testing/store-suite';
import { placeFile } from './file-placement';
import { FileStore } from './file-store';
import { Sink } from './sink';

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'edge-relay-file-store-'));
});
afterAll(() => rm(folder, { recursive: true }));

const emptyFolder = () => mkdtemp(join(folder, 'store-'));
const png = new TextEncoder().encode('as good as a picture');

storeSuite({ describe, it, name: 'FileStore', create: async () => new FileStore(await emptyFolder()) });

for (const placement of ['rename', 'write'] as const) {
  storeSuite({
    describe,
    it,
    name: `FileStore that can only ${placement}`,
    create: async () => new FileStore(await emptyFolder(), { placement }),
  });
}

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

  it('takes a link that is refused for its own where it is, as over NFS when an answer is lost', async () => {
    const place = await emptyFolder();
    const [path, temporary] = [join(place, 'a.png'), join(place, 'temporary')];
    let isPlaced = false;
    // Makes the link as soon as there is a file: the store's own is refused then.
    const overtaking = (async () => {
      while (!isPlaced && !existsSync(path)) {
        if (existsSync(temporary)) linkSync(temporary, path);
        await new Promise(setImmediate);
      }
    })();
    expect(await placeFile('link', { path, temporary, data: png })).toBe('created');
    isPlaced = true;
    await overtaking;
    expect(await readFile(path)).toEqual(Buffer.from(png));
    expect(await placeFile('link', { path, temporary, data: png })).toBe('exists');
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

  it('takes hard links where there are some, and has nothing to say of that', async () => {
    const store = new FileStore(await emptyFolder());
    expect(store.supports.exclusive).toBeUndefined();
    store.events.on('notice', ({ message }) => expect.fail(message));
    await store.open();
    expect(store.supports.exclusive).toBe(true);
  });

  it.each([
    ['rename', /has no hard links/],
    ['write', /can neither link nor rename/],
  ] as const)('says once what it means that it can only %s, also through a sink', async (placement, text) => {
    const sink = new Sink(await emptyFolder(), { files: { placement } });
    const notices: string[] = [];
    sink.on('notice', ({ message }) => notices.push(message));
    await sink.open();
    await sink.store.open();
    expect(notices).toEqual([expect.stringMatching(text)]);
    expect(sink.store.supports.exclusive).toBe(false);
    await sink.close();
  });

  it('leaves no part under a name when it cannot write all of it in its place', async () => {
    const place = await emptyFolder();
    const store = new FileStore(place, { placement: 'write' });
    await store.open();
    const data = { byteLength: 4, length: 4 } as Uint8Array;
    await expect(store.put('a.png', data)).rejects.toThrow();
    expect(await readdir(place)).toEqual(['.incoming']);
  });

  it.each([
    [{ placement: 'copy' }, /placement must be/],
    [{ whenFull: 'drop' }, /whenFull must be/],
    [{ freeDiskBytes: -1 }, /freeDiskBytes must be/],
    [{ maxAgeHours: 0 }, /maxAgeHours must be/],
    [{ maxBytes: Number.NaN }, /maxBytes must be/],
  ])('refuses %j', (options, message) => {
    expect(() => new FileStore('faces', options as object)).toThrow(TypeError);
    expect(() => new FileStore('faces', options as object)).toThrow(message);
  });

  it.each(['', 7, undefined])('does not take %j for a folder', (location) => {
    expect(() => new FileStore(location as string)).toThrow(TypeError);
  });
});

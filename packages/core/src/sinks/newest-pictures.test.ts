import fc from 'fast-check';
import { expect, it } from 'vitest';
import { hourFolder, hourKey, PARTS, partKey } from './manifest-keys';
import { manifestDays } from './manifest-reader';
import { encodeRow, type ManifestRow } from './manifest-row';
import { MemoryStore } from './memory-store';
import { newestPictures } from './newest-pictures';

/** Soon it is the next day. */
const START = Date.UTC(2026, 0, 2, 22);

function rowOf(number: number, seconds: number, outcome: ManifestRow['outcome'] = 'stored'): ManifestRow {
  const captured = new Date(START + seconds * 1_000).toISOString();
  const camera = number % 2 === 0 ? 'front-door' : 'yard/é';
  const id = `${camera}-${number}`;
  return { outcome, id, key: `${number}.png`, camera, captured, stored: captured, bytes: 1, sha256: '' };
}

/** A store whose manifest has some rows in parts, some gathered, and counts what is read. */
class Archive extends MemoryStore {
  bytesRead = 0;
  keysListed = 0;

  async add(rows: readonly ManifestRow[], isGathered: boolean): Promise<void> {
    const files = new Map<string, ManifestRow[]>();
    for (const row of rows) {
      const folder = isGathered ? hourFolder(row) : PARTS;
      files.set(folder, [...(files.get(folder) ?? []), row]);
    }
    for (const [folder, lines] of files) {
      const content = Buffer.from(lines.map(encodeRow).join(''));
      await this.put(isGathered ? hourKey(folder, content) : partKey(PARTS), content);
    }
  }

  override async get(key: string) {
    const object = await super.get(key);
    this.bytesRead += object?.data.byteLength ?? 0;
    return object;
  }

  override async *list(prefix = '') {
    for await (const object of super.list(prefix)) {
      this.keysListed += 1;
      yield object;
    }
  }
}

/** One that can tell what folders there are, as folders and buckets can. */
class FoldedArchive extends Archive {
  async *folders(prefix: string) {
    const names = new Set<string>();
    for await (const { key } of MemoryStore.prototype.list.call(this, prefix)) {
      const [name = '', ...rest] = key.slice(prefix.length).split('/');
      if (rest.length > 0) names.add(name);
    }
    yield* names;
  }
}

async function keysByPage(store: Archive, query: { camera?: string; day?: string; limit: number }) {
  const pages: string[][] = [];
  let before: string | undefined;
  do {
    const { rows, next } = await newestPictures(store, { ...query, before });
    pages.push(rows.map(({ key }) => key));
    before = next;
  } while (before !== undefined);
  return pages;
}

it('gives each picture once, the newest first, wherever its row is', async () => {
  const entry = fc.record({
    seconds: fc.integer({ min: 0, max: 14_000 }),
    place: fc.constantFrom('part', 'hour', 'both'),
    outcome: fc.constantFrom('stored', 'stored', 'stored', 'rejected', 'gap'),
    isForgotten: fc.boolean(),
  });
  const query = fc.record(
    { camera: fc.constantFrom('front-door', 'yard/é', 'none'), day: fc.constant('2026-01-03') },
    { requiredKeys: [] },
  );
  const given = [
    fc.array(entry, { maxLength: 60, size: 'max' }),
    query,
    fc.integer({ min: 1, max: 9 }),
    fc.boolean(),
  ] as const;
  await fc.assert(
    fc.asyncProperty(...given, async (entries, wanted, limit, isFolded) => {
      const store = isFolded ? new FoldedArchive() : new Archive();
      const all = entries.map((each, number) => ({
        ...each,
        row: rowOf(number, each.seconds, each.outcome as ManifestRow['outcome']),
      }));
      const rows = (...places: string[]) =>
        all.filter(({ place }) => places.includes(place)).map(({ row }) => row);
      await store.add(rows('part', 'both'), false);
      await store.add(rows('hour', 'both'), true);
      const forgotten = all.filter(({ isForgotten, outcome }) => isForgotten && outcome === 'stored');
      for (const { row } of forgotten) {
        const line = Buffer.from(encodeRow({ ...row, outcome: 'forgotten' }));
        await store.put(partKey('manifest/forgotten/'), line);
      }
      const expected = all
        .filter(({ row, isForgotten }) => row.outcome === 'stored' && !isForgotten)
        .map(({ row }) => row)
        .filter((row) => wanted.camera === undefined || row.camera === wanted.camera)
        .filter((row) => wanted.day === undefined || row.captured.startsWith(wanted.day))
        .sort((one, other) => (`${one.captured} ${one.key}` < `${other.captured} ${other.key}` ? 1 : -1))
        .map(({ key }) => key);
      const pages = await keysByPage(store, { ...wanted, limit });
      expect(pages.flat()).toEqual(expected);
      expect(pages.slice(0, -1).every((page) => page.length === limit)).toBe(true);
    }),
  );
});

it('reads an hour of a day with 100,000 pictures for a page of it, and not the day', async () => {
  const store = new Archive();
  const day = Array.from({ length: 100_000 }, (_, number) => rowOf(number, 7_200 + number * 0.864));
  await store.add(day, true);
  const { rows, next } = await newestPictures(store, { limit: 60 });
  expect(rows.map(({ key }) => key)).toEqual(
    day
      .slice(-60)
      .map(({ key }) => key)
      .reverse(),
  );
  let all = 0;
  for await (const { bytes } of store.list()) all += bytes;
  expect(store.bytesRead).toBeLessThan(all / 20);
  const before = store.bytesRead;
  await newestPictures(store, { limit: 60, before: next });
  expect(store.bytesRead - before).toBeLessThan(all / 20);
  // All of it, page by page.
  expect((await keysByPage(store, { limit: 5_000 })).map((page) => page.length)).toEqual(
    Array.from({ length: 20 }, () => 5_000),
  );
});

it('lists the hours that a page shows, and not those of all days', async () => {
  const store = new FoldedArchive();
  const year = Array.from({ length: 365 * 24 }, (_, number) => rowOf(number, number * 3_600));
  await store.add(year, true);
  const before = `${year[5_000]!.captured} z`;
  for (const query of [{ limit: 5 }, { limit: 5, before }, { limit: 5, day: '2026-03-04' }]) {
    store.keysListed = 0;
    expect((await newestPictures(store, query)).rows).toHaveLength(5);
    expect(store.keysListed).toBeLessThan(10);
  }
  store.keysListed = 0;
  expect(await manifestDays(store)).toHaveLength(2 * 366);
  expect(store.keysListed).toBe(0);
});

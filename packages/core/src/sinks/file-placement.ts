import * as fs from 'node:fs';
import { rename, stat } from 'node:fs/promises';
import { promisify } from 'node:util';
import { codeOf } from './file-errors';
import { writeDurably } from './file-system';

const link = promisify(fs.link);
const unlink = promisify(fs.unlink);

/**
 * How an object gets its name. `link`: complete and on the disk, and refused by the file system where there is one
 * already. `rename`: complete and on the disk, and looked for before: two processes can overwrite one another.
 * `write`: under its name from the first byte on, refused where there is one already; a killed process can leave
 * a part of one.
 */
export type Placement = 'link' | 'rename' | 'write';

export const PLACEMENTS: readonly Placement[] = ['link', 'rename', 'write'];

/** What a person should know of a folder where not all is possible. */
export const PLACEMENT_NOTICES: Readonly<Record<Placement, string | undefined>> = {
  link: undefined,
  rename:
    'has no hard links, as mounted buckets and FAT: objects are renamed into their place. Of two processes that ' +
    'store other bytes under one id in the same moment, one can overwrite the other there.',
  write:
    'can neither link nor rename: objects are written in their place, and a process that is killed can leave a ' +
    'part of one under its name.',
};

/** The first way that works in a folder, by trying it between two names that are not in use. */
export async function findPlacement(from: string, to: string): Promise<Placement> {
  for (const [placement, move] of [
    ['link', link],
    ['rename', rename],
  ] as const) {
    try {
      await writeDurably(from, new Uint8Array());
      await move(from, to);
      return placement;
    } catch (error) {
      if (!isUnsupported(error)) throw error;
    } finally {
      await remove(from);
      await remove(to);
    }
  }
  return 'write';
}

/** Stores an object in the folder, which is there, by the way that works in it. */
export async function placeFile(
  placement: Placement,
  { path, temporary, data }: { path: string; temporary: string; data: Uint8Array },
): Promise<'created' | 'exists'> {
  try {
    if (placement === 'write') return await exclusively(() => writeWhole(path, data));
    if (placement === 'rename' && (await isThere(path))) return 'exists';
    await writeDurably(temporary, data);
    if (placement === 'link') return await exclusively(() => link(temporary, path), temporary, path);
    await rename(temporary, path);
    return 'created';
  } finally {
    await remove(temporary);
  }
}

/** A leftover does no harm: it is removed in time. */
export async function remove(path: string): Promise<void> {
  await unlink(path).catch(() => {});
}

async function exclusively(
  work: () => Promise<void>,
  temporary?: string,
  path?: string,
): Promise<'created' | 'exists'> {
  try {
    await work();
    return 'created';
  } catch (error) {
    if (codeOf(error) !== 'EEXIST') throw error;
    // Over NFS the answer to a link that was made may be lost, and the repeated one is then refused.
    const isOurs = temporary !== undefined && path !== undefined && (await areSame(temporary, path));
    return isOurs ? 'created' : 'exists';
  }
}

async function areSame(one: string, other: string): Promise<boolean> {
  const [first, second] = await Promise.all([stat(one), stat(other)]).catch(() => []);
  return first !== undefined && second !== undefined && first.ino === second.ino && first.nlink > 1;
}

/** A part of it is not left under its name where we live to remove it. */
async function writeWhole(path: string, data: Uint8Array): Promise<void> {
  try {
    await writeDurably(path, data);
  } catch (error) {
    if (codeOf(error) !== 'EEXIST') await remove(path);
    throw error;
  }
}

async function isThere(path: string): Promise<boolean> {
  try {
    await stat(path);
    return true;
  } catch (error) {
    if (codeOf(error) === 'ENOENT') return false;
    throw error;
  }
}

function isUnsupported(error: unknown): boolean {
  return ['EPERM', 'ENOTSUP', 'EOPNOTSUPP', 'ENOSYS', 'EMLINK', 'EXDEV', 'EINVAL'].includes(
    codeOf(error) ?? '',
  );
}

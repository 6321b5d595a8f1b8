import { close, constants, fsync, open, write } from 'node:fs';
import { opendir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { codeOf } from './file-errors';

// By descriptor: a FileHandle costs more than some of the calls that it is for.
const openFile = promisify(open);
const writeTo = promisify(write);
const syncFile = promisify(fsync);
const closeFile = promisify(close);

/** Linux waits for the disk while it writes: one call less. Elsewhere (macOS) that promises less than `fsync()`. */
const THROUGH = process.platform === 'linux' ? constants.O_DSYNC : 0;
const NEW_FILE = constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL | THROUGH;

export interface FoundFile {
  /** Relative, with `/`. */
  readonly key: string;
  readonly bytes: number;
  /** Milliseconds since 1970 (UTC). */
  readonly modifiedAt: number;
}

/** Writes a file that is not there yet; resolves when it is on the disk. */
export async function writeDurably(path: string, data: Uint8Array): Promise<void> {
  const file = await openFile(path, NEW_FILE);
  try {
    for (let at = 0; at < data.byteLength; ) at += (await writeTo(file, data, at)).bytesWritten;
    if (!THROUGH) await syncFile(file);
  } finally {
    // Mounted buckets upload only now, and fail only now.
    await closeFile(file);
  }
}

/** Resolves when the names in a folder are on the disk; `false` where the file system cannot do that. */
export async function syncFolder(folder: string): Promise<boolean> {
  const file = await openFile(folder, 'r');
  try {
    await syncFile(file);
    return true;
  } catch (error) {
    if (!['EINVAL', 'ENOTSUP', 'EOPNOTSUPP', 'ENOSYS', 'EBADF', 'EPERM'].includes(codeOf(error) ?? ''))
      throw error;
    return false;
  } finally {
    await closeFile(file);
  }
}

/** The files below a folder whose keys begin with a prefix, but for those in the folder called `hidden`. */
export async function* filesIn(
  folder: string,
  { prefix = '', hidden }: { readonly prefix?: string; readonly hidden?: string } = {},
  path = '',
): AsyncGenerator<FoundFile> {
  const entries = await opendir(join(folder, path)).catch((error) => {
    if (isAbsence(error)) return [];
    throw error;
  });
  for await (const entry of entries) {
    const key = path + entry.name;
    if (entry.isDirectory() && key !== hidden) {
      const below = `${key}/`;
      if (below.startsWith(prefix) || prefix.startsWith(below))
        yield* filesIn(folder, { prefix, ...(hidden && { hidden }) }, below);
    } else if (entry.isFile() && key.startsWith(prefix)) {
      const found = await stat(join(folder, key)).catch(() => undefined);
      if (found) yield { key, bytes: found.size, modifiedAt: found.mtimeMs };
    }
  }
}

export function isAbsence(error: unknown): boolean {
  return ['ENOENT', 'ENOTDIR', 'EISDIR'].includes(codeOf(error) ?? '');
}

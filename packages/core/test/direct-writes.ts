import { closeSync, constants, mkdtempSync, openSync, rmSync, statfsSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** What a spool wants to be free before it writes to a file of its own, in bytes, and some more. */
const PLENTY_BYTES = 3 * 1024 ** 3;

/** Whether the folder for what is temporary has room for files that are written without a copy, and a file system that can do it. */
export function hasDirectWrites(): boolean {
  if (constants.O_DIRECT === undefined) return false;
  const { bavail, bsize } = statfsSync(tmpdir());
  if (bavail * bsize < PLENTY_BYTES) return false;
  const folder = mkdtempSync(join(tmpdir(), 'edge-relay-direct-'));
  try {
    closeSync(openSync(join(folder, 'file'), constants.O_RDWR | constants.O_CREAT | constants.O_DIRECT));
    return true;
  } catch {
    return false;
  } finally {
    rmSync(folder, { recursive: true });
  }
}

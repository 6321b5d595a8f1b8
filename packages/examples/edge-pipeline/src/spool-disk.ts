import { randomUUID } from 'node:crypto';
import { mkdir, open, rm, statfs } from 'node:fs/promises';
import { join } from 'node:path';
import type { Finding } from 'edge-relay-command-line';

/** So much room holds a few thousand faces. */
const WANTED_BYTES = 200_000_000;
/** Below this, a spool takes next to nothing. */
const LEAST_BYTES = 20_000_000;
const BLOCK = Buffer.alloc(65_536, 0x5a);
const WRITES = 16;
/** A disk that needs longer for a face than this does not keep up with a busy door, in milliseconds. */
const SLOW_MS = 100;

/** How much room the disk of the spool has, and how long it takes to keep a face for good (written and flushed). */
export async function spoolFinding(folder: string | undefined): Promise<Finding> {
  if (folder === undefined) {
    const cure = 'With --spool a killed process loses nothing.';
    return { state: 'doubtful', value: 'none: what is on its way is kept in memory', cure };
  }
  const made = await mkdir(folder, { recursive: true }).catch((error) => refused(folder, error));
  try {
    const { bavail, bsize } = await statfs(folder);
    const free = bavail * bsize;
    const room = `${folder}: ${megabytes(free)} free`;
    const cure = `Free some space, or put --spool on another disk; ${megabytes(WANTED_BYTES)} hold an outage of some hours.`;
    if (free < LEAST_BYTES) return { state: 'wrong', value: room, cure };
    const ms = await flushMs(folder).catch((error) => refused(folder, error));
    const value = `${room}, ${ms.toFixed(1)} ms to keep a picture of ${BLOCK.byteLength / 1024} KiB`;
    if (free < WANTED_BYTES) return { state: 'doubtful', value, cure };
    if (ms < SLOW_MS) return { state: 'good', value };
    return { state: 'doubtful', value, cure: 'It is slow: put --spool on an SSD, or on a better SD card.' };
  } finally {
    // Only what was not there before.
    if (made !== undefined) await rm(made, { recursive: true, force: true });
  }
}

/** The time of a write that is on the disk when it ends, in milliseconds; the middle one of several. */
async function flushMs(folder: string): Promise<number> {
  const path = join(folder, `.doctor-${randomUUID()}`);
  const file = await open(path, 'wx');
  try {
    const took: number[] = [];
    for (let count = 0; count < WRITES; count += 1) {
      const began = performance.now();
      await file.write(BLOCK);
      await file.datasync();
      took.push(performance.now() - began);
    }
    return took.sort((one, other) => one - other)[WRITES / 2]!;
  } finally {
    await file.close();
    await rm(path, { force: true });
  }
}

function refused(folder: string, error: unknown): never {
  const message = `The spool cannot be written in ${folder} (${(error as Error).message}). `;
  throw new Error(`${message}Give this user the right to write there, or name another folder with --spool.`, {
    cause: error,
  });
}

function megabytes(bytes: number): string {
  return `${Math.floor(bytes / 1_000_000)} MB`;
}

import { randomUUID } from 'node:crypto';
import { open, rm, stat, statfs } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';
import { LmdbSpool } from 'edge-relay';
import type { Finding } from 'edge-relay-command-line';

/** So much room holds a few thousand faces. */
const WANTED_BYTES = 200_000_000;
/** About a face. */
const BLOCK = Buffer.alloc(65_536, 0x5a);
const LONGEST_MS = 1_000;
const MOST_WRITES = 64;
/** A disk that is slower does not keep up with a busy door, in writes a second. */
const SLOW = 10;

/**
 * Who uses the spool, how much room its disk has beside what stays free, and how many faces a second it keeps for good
 * (written and flushed). It opens no spool, which belongs to one process.
 * @param parts the folders in it, one for each spool of this role
 */
export async function spoolFinding(folder: string | undefined, parts: readonly string[]): Promise<Finding> {
  if (folder === undefined) {
    const cure = 'With --spool a killed process loses nothing.';
    return { state: 'warning', value: 'none: what is on its way is kept in memory', cure };
  }
  const spools = parts.map((part) => new LmdbSpool(join(folder, part)));
  const holders = await Promise.all(spools.map((spool) => spool.holder()));
  const holder = holders.find((one) => one !== undefined);
  const use = holder ? `, in use by process ${holder.pid} on ${holder.host}` : '';
  const places = await Promise.all(parts.map((part) => existing(resolve(folder, part))));
  const { bavail, bsize } = await statfs(places[0]!);
  const free = bavail * bsize;
  const reserve = Math.max(...spools.map(({ freeDiskBytes }) => freeDiskBytes));
  const room = `${folder}: ${megabytes(free)} free, of which ${megabytes(reserve)} stay free${use}`;
  const more = `Free some space, or put --spool on another disk; ${megabytes(reserve + WANTED_BYTES)} hold an outage of some hours.`;
  if (free <= reserve) return { state: 'fail', value: room, cure: more };
  const speeds: number[] = [];
  for (const place of new Set(places)) {
    speeds.push(await flushesPerSecond(place).catch((error) => refused(place, error)));
  }
  const speed = Math.min(...speeds);
  const value = `${room}; ${speed.toFixed(speed < 100 ? 1 : 0)} writes of ${BLOCK.byteLength / 1024} KiB a second, each flushed`;
  if (free < reserve + WANTED_BYTES) return { state: 'warning', value, cure: more };
  if (speed >= SLOW) return { state: 'pass', value };
  const cure = `Fewer than ${SLOW} a second are slow: put --spool on an SSD, or on a better memory card.`;
  return { state: 'warning', value, cure };
}

/** The folder, or the nearest above it where it will be made. */
async function existing(folder: string): Promise<string> {
  const found = await stat(folder).catch((error) => error as NodeJS.ErrnoException);
  if (!(found instanceof Error)) return folder;
  if (found.code !== 'ENOENT' || dirname(folder) === folder) return refused(folder, found);
  return existing(dirname(folder));
}

async function flushesPerSecond(folder: string): Promise<number> {
  const path = join(folder, `.doctor-${randomUUID()}`);
  const file = await open(path, 'wx');
  try {
    // Without a name, nothing of it stays, however this process ends.
    await rm(path);
    const began = performance.now();
    let writes = 0;
    do {
      await file.write(BLOCK);
      await file.datasync();
      writes += 1;
    } while (writes < MOST_WRITES && performance.now() - began < LONGEST_MS);
    return (writes * 1_000) / (performance.now() - began);
  } finally {
    await file.close();
  }
}

function refused(folder: string, error: unknown): never {
  const message = `${folder} cannot be written (${(error as Error).message}). `;
  throw new Error(`${message}Give this user the right to write there, or name another folder with --spool.`, {
    cause: error,
  });
}

function megabytes(bytes: number): string {
  return `${Math.floor(bytes / 1_000_000)} MB`;
}

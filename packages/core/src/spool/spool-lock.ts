import { readFileSync } from 'node:fs';
import { link, mkdir, readFile, rm, rmdir, stat, utimes, writeFile } from 'node:fs/promises';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { RelayError } from '../errors';
import { bootId } from '../identity';

/** Who uses a spool. */
export interface SpoolHolder {
  /** The number of the process. */
  readonly pid: number;
  /** The name of its host. */
  readonly host: string;
}

interface Holder extends SpoolHolder {
  /** When the process started, in the kernel's ticks: a number that is used again is another process. */
  readonly startedAt: string;
  /** Tells two spools of one process apart from one that a killed process with our number has left. */
  readonly boot: string;
}

/** Makes the names of temporary files differ within a process. */
let attempts = 0;

const HEARTBEAT_MS = 5_000;
/** Three missed heartbeats: a holder on another host, whose processes we cannot see, is dead. */
const STALE_MS = 15_000;

/** A file that says who uses a folder, so that no second process does. */
export class SpoolLock {
  readonly #path: string;
  #heartbeat: NodeJS.Timeout | undefined;

  constructor(folder: string) {
    this.#path = join(folder, 'lock.json');
  }

  /** @throws {RelayError} `SPOOL_IN_USE` while another living process holds it. */
  async acquire(): Promise<void> {
    const us = ourselves();
    attempts += 1;
    const temporary = `${this.#path}.${us.boot}-${attempts}`;
    await writeFile(temporary, JSON.stringify(us));
    try {
      while (!(await linked(temporary, this.#path))) {
        const text = await readFile(this.#path, 'utf8').catch(() => '');
        const holder = parse(text);
        if (holder && (await this.#isLiving(holder, us))) {
          throw new RelayError(
            `spool: ${this.#path} says that process ${holder.pid} on ${holder.host} uses this folder. Stop it, or take another folder.`,
            { code: 'SPOOL_IN_USE', stage: 'spool', retryable: true },
          );
        }
        await this.#takeAway(text);
      }
    } finally {
      await rm(temporary, { force: true });
    }
    this.#heartbeat = setInterval(() => {
      const now = new Date();
      utimes(this.#path, now, now).catch(() => {});
    }, HEARTBEAT_MS).unref();
  }

  /** The living process that holds it; only looks. */
  async holder(): Promise<SpoolHolder | undefined> {
    const holder = parse(await readFile(this.#path, 'utf8').catch(() => ''));
    if (!holder || !(await this.#isLiving(holder, ourselves()))) return undefined;
    return { pid: holder.pid, host: holder.host };
  }

  async release(): Promise<void> {
    if (!this.#heartbeat) return;
    clearInterval(this.#heartbeat);
    this.#heartbeat = undefined;
    await rm(this.#path, { force: true });
  }

  /** Removes a lock that nobody holds; one at a time, and only if it is still the one that was looked at. */
  async #takeAway(stale: string): Promise<void> {
    const guard = `${this.#path}.guard`;
    if (!(await madeFolder(guard))) {
      // Whoever made it is at it, or was killed at it.
      const age = await ageOf(guard);
      if (age > STALE_MS) await rmdir(guard).catch(() => {});
      await sleep(20);
      return;
    }
    try {
      const text = await readFile(this.#path, 'utf8').catch(() => undefined);
      if (text === stale) await rm(this.#path, { force: true });
    } finally {
      await rmdir(guard);
    }
  }

  async #isLiving(holder: Holder, us: Holder): Promise<boolean> {
    if (holder.host === us.host) {
      // A container that starts again has the same process number, and another start.
      if (holder.pid === us.pid) return holder.boot === us.boot;
      return isRunning(holder.pid) && startOf(holder.pid) === holder.startedAt;
    }
    return (await ageOf(this.#path)) < STALE_MS;
  }
}

function ourselves(): Holder {
  return { pid: process.pid, startedAt: startOf(process.pid), host: hostname(), boot: bootId() };
}

/** Milliseconds since it was last touched; for ever where it is not there. */
async function ageOf(path: string): Promise<number> {
  return stat(path).then(
    ({ mtimeMs }) => Date.now() - mtimeMs,
    () => Number.POSITIVE_INFINITY,
  );
}

async function madeFolder(path: string): Promise<boolean> {
  try {
    await mkdir(path);
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EEXIST') return false;
    throw error;
  }
}

/** Undefined where it was cut off by a power cut: nobody holds it. */
function parse(text: string): Holder | undefined {
  try {
    return JSON.parse(text) as Holder;
  } catch {
    return undefined;
  }
}

/** Whether the name could be taken: `link()` refuses one that is there. */
async function linked(from: string, to: string): Promise<boolean> {
  try {
    await link(from, to);
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EEXIST') return false;
    throw error;
  }
}

function isRunning(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
}

/** Field 22 of /proc/[pid]/stat (proc(5)); empty where there is no such file. */
function startOf(pid: number): string {
  try {
    const text = readFileSync(`/proc/${pid}/stat`, 'latin1');
    return text.slice(text.lastIndexOf(')') + 2).split(' ')[19] ?? '';
  } catch {
    return '';
  }
}

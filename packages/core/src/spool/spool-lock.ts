import { readFileSync } from 'node:fs';
import { link, readFile, rm, stat, utimes, writeFile } from 'node:fs/promises';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { RelayError } from '../errors';
import { bootId } from '../identity';

interface Holder {
  readonly pid: number;
  /** When the process started, in the kernel's ticks: a number that is used again is another process. */
  readonly startedAt: string;
  readonly host: string;
  /** Tells two spools of one process apart from one that a killed process with our number has left. */
  readonly boot: string;
}

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
    const us: Holder = {
      pid: process.pid,
      startedAt: startOf(process.pid),
      host: hostname(),
      boot: bootId(),
    };
    const temporary = `${this.#path}.${us.boot}`;
    await writeFile(temporary, JSON.stringify(us));
    try {
      while (!(await linked(temporary, this.#path))) {
        const holder = await this.#holder();
        if (holder && (await this.#isLiving(holder, us))) {
          throw new RelayError(
            `spool: ${this.#path} says that process ${holder.pid} on ${holder.host} uses this folder. Stop it, or take another folder.`,
            { code: 'SPOOL_IN_USE', stage: 'spool', retryable: true },
          );
        }
        await rm(this.#path, { force: true });
      }
    } finally {
      await rm(temporary, { force: true });
    }
    this.#heartbeat = setInterval(() => {
      const now = new Date();
      utimes(this.#path, now, now).catch(() => {});
    }, HEARTBEAT_MS).unref();
  }

  async release(): Promise<void> {
    if (!this.#heartbeat) return;
    clearInterval(this.#heartbeat);
    this.#heartbeat = undefined;
    await rm(this.#path, { force: true });
  }

  async #holder(): Promise<Holder | undefined> {
    try {
      return JSON.parse(await readFile(this.#path, 'utf8')) as Holder;
    } catch {
      // It is gone again, or was cut off by a power cut: nobody holds it.
      return undefined;
    }
  }

  async #isLiving(holder: Holder, us: Holder): Promise<boolean> {
    if (holder.host === us.host) {
      // A container that starts again has the same process number, and another start.
      if (holder.pid === us.pid) return holder.boot === us.boot;
      return isRunning(holder.pid) && startOf(holder.pid) === holder.startedAt;
    }
    const beatAt = await stat(this.#path).then(
      ({ mtimeMs }) => mtimeMs,
      () => 0,
    );
    return Date.now() - beatAt < STALE_MS;
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

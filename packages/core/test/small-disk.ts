import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmdirSync, statfsSync } from 'node:fs';
import { rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** A disk in memory of so many bytes. */
export class SmallDisk {
  readonly folder = mkdtempSync(join(tmpdir(), 'edge-relay-disk-'));
  readonly #filler = join(this.folder, 'filler');

  constructor(bytes: number) {
    execFileSync('mount', ['-t', 'tmpfs', '-o', `size=${bytes}`, 'tmpfs', this.folder]);
  }

  /** Bytes that still fit. */
  get free(): number {
    const { bavail, bsize } = statfsSync(this.folder);
    return bavail * bsize;
  }

  /** Makes it larger or smaller. */
  resize(bytes: number): void {
    execFileSync('mount', ['-o', `remount,size=${bytes}`, this.folder]);
  }

  /** Nobody may write to it any more, root neither. */
  forbidWriting(): void {
    execFileSync('mount', ['-o', 'remount,ro', this.folder]);
  }

  /** Takes so many bytes away. */
  async fill(bytes: number): Promise<void> {
    await writeFile(this.#filler, Buffer.alloc(bytes));
  }

  /** Gives back what `fill()` took. */
  async empty(): Promise<void> {
    await rm(this.#filler);
  }

  close(): void {
    execFileSync('umount', ['--lazy', this.folder]);
    rmdirSync(this.folder);
  }
}

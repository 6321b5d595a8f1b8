import { type FileHandle, mkdir, open, readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';

/** Writes down ids, one a line, in a file of this process's own; each is on the disk before `settled()` is over. */
export class IdLog {
  readonly #file: FileHandle;
  #waiting: string[] = [];
  #writing: Promise<void> = Promise.resolve();

  private constructor(file: FileHandle) {
    this.#file = file;
  }

  static async open(folder: string, name: string): Promise<IdLog> {
    await mkdir(folder, { recursive: true });
    return new IdLog(await open(join(folder, `${name}.log`), 'ax'));
  }

  /** Those that come while others are being flushed share the next flush. */
  add(id: string): void {
    if (this.#waiting.push(id) > 1) return;
    this.#writing = this.#writing.then(async () => {
      const ids = this.#waiting;
      this.#waiting = [];
      await this.#file.write(`${ids.join('\n')}\n`);
      await this.#file.datasync();
    });
  }

  settled(): Promise<void> {
    return this.#writing;
  }
}

/** All ids that the logs in a folder hold. A last line without its end was never on the disk. */
export async function readIds(folder: string): Promise<string[]> {
  const names = await readdir(folder).catch(() => []);
  const texts = await Promise.all(names.map((name) => readFile(join(folder, name), 'utf8')));
  return texts.flatMap((text) => text.split('\n').slice(0, -1));
}

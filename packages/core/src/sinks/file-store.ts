import { constants } from 'node:fs';
import { access, link, mkdir, open, opendir, readdir, readFile, stat, unlink } from 'node:fs/promises';
import { uptime } from 'node:os';
import { dirname, extname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { bootId } from '../identity';
import { asStoreError, codeOf } from './file-errors';
import { assertKey } from './key';
import type { PutOptions, Store, StoredObject, StoreSupport } from './store';

const INCOMING = '.incoming';
const HOUR_MS = 3_600_000;
const REMEMBERED_FOLDERS = 1000;

const CONTENT_TYPES: Readonly<Record<string, string>> = {
  '.jpg': 'image/jpeg',
  '.json': 'application/json',
  '.png': 'image/png',
  '.txt': 'text/plain',
  '.webp': 'image/webp',
};

let counter = 0;

/**
 * Keeps each object as a plain file of a folder. A file gets its name by `link()` once it is complete and
 * on the disk: nobody ever sees a part, and an existing name is refused by the file system itself, also
 * between processes. There is no place for metadata: the content type comes from the name's extension.
 */
export class FileStore implements Store {
  readonly location: string;
  readonly supports: StoreSupport = { metadata: false, exclusive: true };
  readonly #incoming: string;
  /** Folders known to be there and on the disk. */
  readonly #folders = new Map<string, Promise<void>>();
  #opened: Promise<void> | undefined;

  /** @param location a folder, as a path or a `file:` URL; `open()` makes it where it is missing. */
  constructor(location: string) {
    if (typeof location !== 'string' || location === '') {
      throw new TypeError(`location must be the path of a folder, not ${JSON.stringify(location)}.`);
    }
    this.location = resolve(location.startsWith('file:') ? fileURLToPath(location) : location);
    this.#incoming = join(this.location, INCOMING);
  }

  /** Makes the folder, tries whether it can be written to, and removes what a killed process left. */
  open(): Promise<void> {
    this.#opened ??= this.#prepare().catch((error) => {
      this.#opened = undefined;
      throw asStoreError(error, this.location);
    });
    return this.#opened;
  }

  async put(key: string, data: Uint8Array, options: PutOptions = {}): Promise<'created' | 'exists'> {
    const path = this.#path(key);
    options.signal?.throwIfAborted();
    try {
      return await this.#write(path, data);
    } catch (error) {
      // Somebody has removed a folder under our hands: the next attempt makes it anew.
      if (codeOf(error) === 'ENOENT') this.#folders.clear();
      throw asStoreError(error, this.location, key);
    }
  }

  async get(key: string): Promise<StoredObject | undefined> {
    const path = this.#path(key);
    try {
      const contentType = CONTENT_TYPES[extname(path).toLowerCase()];
      return { data: await readFile(path), ...(contentType && { contentType }) };
    } catch (error) {
      if (isAbsence(error)) return undefined;
      throw asStoreError(error, this.location, key);
    }
  }

  async *list(prefix = ''): AsyncGenerator<{ key: string; bytes: number }> {
    try {
      yield* this.#walk('', prefix);
    } catch (error) {
      throw asStoreError(error, this.location);
    }
  }

  async delete(key: string): Promise<void> {
    try {
      await unlink(this.#path(key));
    } catch (error) {
      if (!isAbsence(error)) throw asStoreError(error, this.location, key);
    }
  }

  async close(): Promise<void> {
    this.#opened = undefined;
    this.#folders.clear();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  #path(key: string): string {
    const [first] = assertKey(key).split('/');
    if (first === INCOMING) throw new TypeError(`key must not begin with "${INCOMING}", not ${key}.`);
    return join(this.location, key);
  }

  async #prepare(): Promise<void> {
    await this.#ensure(this.#incoming);
    await access(this.location, constants.W_OK);
    await this.#removeLeftovers();
    const first = this.#temporary();
    const second = this.#temporary();
    try {
      await writeDurably(first, new Uint8Array());
      await link(first, second);
    } finally {
      await remove(first);
      await remove(second);
    }
  }

  /** What is older than an hour, or than this machine's start, has nobody who still writes it. */
  async #removeLeftovers(): Promise<void> {
    const oldest = Math.max(Date.now() - HOUR_MS, Date.now() - uptime() * 1000);
    for (const name of await readdir(this.#incoming)) {
      const path = join(this.#incoming, name);
      const found = await stat(path).catch(() => undefined);
      if (found && found.mtimeMs < oldest) await remove(path);
    }
  }

  async #write(path: string, data: Uint8Array): Promise<'created' | 'exists'> {
    const folder = dirname(path);
    await Promise.all([this.#ensure(this.#incoming), this.#ensure(folder)]);
    const temporary = this.#temporary();
    try {
      await writeDurably(temporary, data);
      const outcome = await link(temporary, path).then(
        () => 'created' as const,
        (error) => {
          if (codeOf(error) === 'EEXIST') return 'exists' as const;
          throw error;
        },
      );
      // Also for one that exists: whoever linked it may not have come to this line.
      await syncFolder(folder);
      return outcome;
    } finally {
      await remove(temporary);
    }
  }

  #temporary(): string {
    counter += 1;
    return join(this.#incoming, `${process.pid}-${bootId()}-${counter}`);
  }

  /** Resolves when the folder is there and would be after a power cut, whoever made it. */
  #ensure(folder: string): Promise<void> {
    let ready = this.#folders.get(folder);
    if (!ready) {
      if (this.#folders.size >= REMEMBERED_FOLDERS) this.#folders.clear();
      ready = this.#make(folder).catch((error) => {
        this.#folders.delete(folder);
        throw error;
      });
      this.#folders.set(folder, ready);
    }
    return ready;
  }

  async #make(folder: string): Promise<void> {
    const created = await mkdir(folder, { recursive: true });
    const madeRoot = created !== undefined && created.length <= this.location.length;
    const top = madeRoot ? dirname(created) : this.location;
    for (let child = folder; child !== top; child = dirname(child)) {
      await syncFolder(dirname(child));
    }
  }

  async *#walk(path: string, prefix: string): AsyncGenerator<{ key: string; bytes: number }> {
    const entries = await opendir(join(this.location, path)).catch((error) => {
      if (isAbsence(error)) return [];
      throw error;
    });
    for await (const entry of entries) {
      const key = path + entry.name;
      if (entry.isDirectory() && key !== INCOMING) {
        const folder = `${key}/`;
        if (folder.startsWith(prefix) || prefix.startsWith(folder)) yield* this.#walk(folder, prefix);
      } else if (entry.isFile() && key.startsWith(prefix)) {
        const found = await stat(join(this.location, key)).catch(() => undefined);
        if (found) yield { key, bytes: found.size };
      }
    }
  }
}

async function writeDurably(path: string, data: Uint8Array): Promise<void> {
  const file = await open(path, 'wx');
  try {
    await file.writeFile(data);
    await file.sync();
  } finally {
    await file.close();
  }
}

async function syncFolder(folder: string): Promise<void> {
  const handle = await open(folder, 'r');
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}

/** A leftover does no harm: `open()` removes it in time. */
async function remove(path: string): Promise<void> {
  await unlink(path).catch(() => {});
}

function isAbsence(error: unknown): boolean {
  return ['ENOENT', 'ENOTDIR', 'EISDIR'].includes(codeOf(error) ?? '');
}

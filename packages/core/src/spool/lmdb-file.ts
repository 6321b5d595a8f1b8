import { open, rename, stat, truncate } from 'node:fs/promises';
import { join } from 'node:path';
import type { RootDatabase } from 'lmdb';
import { messageOf, RelayError } from '../errors';

/** `MDB_MAGIC`, at this place of each of the first two pages. */
const MAGIC = 0xbeefc0de;
const MAGIC_OFFSET = 24;
const PAGE_BYTES = 4096;
/** What the C library keeps of freed memory, in bytes. */
const KEPT_BYTES = 8 * 1024 ** 2;

/**
 * Opens the database in a folder, and makes it where there is none.
 * @param readEverything throws where anything cannot be read
 * @throws {RelayError} `SPOOL_DAMAGED`, once: the damaged file is set aside, and the next one begins anew.
 */
export async function openDatabase(
  folder: string,
  databases: number,
  readEverything: (root: RootDatabase<Buffer, number>) => void,
): Promise<RootDatabase<Buffer, number>> {
  await assertDatabase(folder);
  const root = await openFile(folder, databases);
  const { lastPageNumber, pageSize } = root.getStats() as { lastPageNumber: number; pageSize: number };
  const path = join(folder, 'data.mdb');
  const { size } = await stat(path);
  const expected = (lastPageNumber + 1) * pageSize;
  if (expected <= size) return root;
  // It is cut short; or its last pages were taken and given back within one transaction, and never written.
  await root.close();
  await truncate(path, expected);
  const extended = await openFile(folder, databases);
  try {
    readEverything(extended);
    return extended;
  } catch {
    await extended.close();
    await truncate(path, size);
    throw await setDatabaseAside(folder, `it is ${size} bytes long and should be ${expected}`);
  }
}

async function openFile(folder: string, databases: number): Promise<RootDatabase<Buffer, number>> {
  const { open } = await import('lmdb');
  keepFreedMemory();
  return open<Buffer, number>({
    path: folder,
    maxDbs: databases,
    encoding: 'binary',
    // A batch of its own for each turn ends in a promise that nobody hears, also when it is rejected.
    eventTurnBatching: false,
  });
}

/** Gives the address of memory, of all of it. */
export type AddressOf = (memory: ArrayBufferLike) => number;

/** It is in lmdb's native part, and not in its types; undefined with a version that has none. */
export async function loadAddressOf(): Promise<AddressOf | undefined> {
  const { nativeAddon } = (await import('lmdb')) as { nativeAddon?: { getAddress?: AddressOf } };
  return nativeAddon?.getAddress;
}

/**
 * LMDB takes the pages of each transaction anew. The C library (glibc) gives what is freed back to the kernel, which has to
 * clear it for the next one, beyond twice the largest block that was freed so far (mallopt(3), M_TRIM_THRESHOLD): this
 * frees a large one, which is never written to. Elsewhere it does nothing.
 */
function keepFreedMemory(): void {
  new ArrayBuffer(KEPT_BYTES / 2);
}

/**
 * Looks whether a folder's data.mdb can be a database, because LMDB maps it into memory without a look:
 * what is none, or is cut short, would end the process. A file that is none is set aside.
 */
async function assertDatabase(folder: string): Promise<void> {
  const path = join(folder, 'data.mdb');
  const size = await stat(path).then(
    (found) => found.size,
    () => undefined,
  );
  if (size === undefined) return;
  const file = await open(path);
  try {
    for (const page of [0, 1]) {
      const { bytesRead, buffer } = await file.read(Buffer.alloc(4), 0, 4, page * PAGE_BYTES + MAGIC_OFFSET);
      if (bytesRead !== 4 || buffer.readUInt32LE() !== MAGIC) {
        throw await setDatabaseAside(folder, 'it is not a database of LMDB');
      }
    }
  } finally {
    await file.close();
  }
}

/** Moves the damaged database out of the way; gives the error that says so. */
export async function setDatabaseAside(folder: string, why: string): Promise<RelayError> {
  const aside = `${folder}.damaged-${new Date().toISOString().replaceAll(/[:.]/g, '-')}`;
  const moved = await rename(folder, aside).then(
    () => `It is kept as ${aside}; started again, the spool begins empty.`,
    (error) => `It could not be moved out of the way (${messageOf(error)}): move it by hand.`,
  );
  return new RelayError(`spool: ${folder} is damaged: ${why}. ${moved}`, {
    code: 'SPOOL_DAMAGED',
    stage: 'spool',
  });
}

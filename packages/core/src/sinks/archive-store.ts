import { stat } from 'node:fs/promises';
import { RelayError } from '../errors';
import { asStoreError } from './file-errors';
import { FileStore } from './file-store';
import { isAbsence } from './file-system';
import type { S3StoreOptions } from './s3-options';
import { SteadyStore } from './steady-store';
import type { Store } from './store';
import { isStore, storeAt } from './store-location';

/**
 * Opens a store for a piece of work, tries again what fails in passing, and closes it where it is our own. A folder is
 * not made where there is none: there is nothing in it to work on.
 */
export async function withStore<T>(
  location: string | Store,
  {
    s3 = {},
    signal,
    isReadOnly = false,
  }: {
    readonly s3?: S3StoreOptions | undefined;
    readonly signal?: AbortSignal | undefined;
    /** Works also where we may not write, and changes nothing. */
    readonly isReadOnly?: boolean;
  },
  work: (store: SteadyStore) => Promise<T>,
): Promise<T> {
  const store = isStore(location) ? location : storeAt(location, s3, {});
  const isOwnFolder = store !== location && store instanceof FileStore;
  try {
    const steady = new SteadyStore(store, signal);
    if (isOwnFolder) await assertFolder(store.location);
    // To open a folder is to try what can be written there.
    if (!(isOwnFolder && isReadOnly)) await steady.open();
    return await work(steady);
  } finally {
    if (store !== location) await store.close();
  }
}

async function assertFolder(folder: string): Promise<void> {
  const found = await stat(folder).catch((error) => {
    if (!isAbsence(error)) throw asStoreError(error, folder);
    return undefined;
  });
  if (found?.isDirectory()) return;
  const what = found ? 'is no folder' : 'does not exist';
  throw new RelayError(`The folder ${folder} ${what}. Correct the path.`, {
    code: 'STORE_NOT_FOUND',
    stage: 'sink',
  });
}

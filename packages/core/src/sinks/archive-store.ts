import type { S3StoreOptions } from './s3-options';
import { SteadyStore } from './steady-store';
import type { Store } from './store';
import { isStore, storeAt } from './store-location';

/** Opens a store for a piece of work, tries again what fails in passing, and closes it where it is our own. */
export async function withStore<T>(
  location: string | Store,
  {
    s3 = {},
    signal,
  }: { readonly s3?: S3StoreOptions | undefined; readonly signal?: AbortSignal | undefined },
  work: (store: SteadyStore) => Promise<T>,
): Promise<T> {
  const store = isStore(location) ? location : storeAt(location, s3, {});
  try {
    const steady = new SteadyStore(store, signal);
    await steady.open();
    return await work(steady);
  } finally {
    if (store !== location) await store.close();
  }
}

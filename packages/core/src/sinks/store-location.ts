import { FileStore } from './file-store';
import type { FileStoreOptions } from './file-store-options';
import type { S3StoreOptions } from './s3-options';
import { S3Store } from './s3-store';
import type { Store } from './store';

/** `s3://bucket/prefix` → S3Store; a path or a `file:` URL → FileStore; a `TypeError` for anything else. */
export function storeAt(location: string, s3: S3StoreOptions, files: FileStoreOptions): Store {
  if (schemeOf(location) === 's3') return new S3Store(location, s3);
  if (isFolder(location)) return new FileStore(location, files);
  throw new TypeError(
    'location must be s3://bucket/prefix, the path or file: URL of a folder, or a store, ' +
      `not ${JSON.stringify(location)}.`,
  );
}

/** Objects to store at once. The more wait for a disk, the more share its flushes; how many threads do so is bounded. */
export function usualConcurrency(location: unknown): number {
  return isFolder(location) ? 64 : 16;
}

/** Whether a value fulfils the contract of a store, as far as one can see. */
export function isStore(value: unknown): value is Store {
  const methods = ['open', 'put', 'get', 'list', 'delete', 'close'] as const;
  if (typeof value !== 'object' || value === null) return false;
  return methods.every((method) => typeof (value as Partial<Store>)[method] === 'function');
}

function isFolder(location: unknown): location is string {
  return [undefined, 'file'].includes(schemeOf(location));
}

/** Undefined for a path. */
function schemeOf(location: unknown): string | undefined {
  return typeof location === 'string' ? /^([a-z][a-z0-9+.-]+):/i.exec(location)?.[1] : 'none';
}

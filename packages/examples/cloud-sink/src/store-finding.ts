import { randomUUID } from 'node:crypto';
import { FileStore, S3Store, type Store } from 'edge-relay';
import type { Finding } from 'edge-relay-command-line';
import type { CloudSinkOptions } from './options';
import { s3OptionsOf } from './store-options';

/** Whether a small object can be written, written only once, read and deleted again. */
export async function storeFinding(options: CloudSinkOptions, timeoutMs: number): Promise<Finding> {
  const store = storeOf(options, timeoutMs);
  const key = `probes/${randomUUID()}.json`;
  const data = Buffer.from(JSON.stringify({ type: 'dev.edge-relay.probe.v1', time: new Date() }));
  const other = Buffer.from('{}');
  const began = performance.now();
  let isWritten = false;
  try {
    await store.open();
    await store.put(key, data, { contentType: 'application/json' });
    isWritten = true;
    const again = await store.put(key, other, { contentType: 'application/json' });
    const found = await store.get(key);
    if (again !== 'exists' || !found || Buffer.compare(found.data, data) !== 0) {
      const value = `${store.location}: what was written is not what is read`;
      return { state: 'fail', value, cure: 'Look what stands between us and the store.' };
    }
    isWritten = false;
    const failure = await removed(store, key);
    const took = `${Math.round(performance.now() - began)} ms`;
    if (failure) {
      const cure = `cloud-sink forget needs the right to delete. Remove ${key} by hand. ${failure.message}`;
      const value = `${store.location}: written and read, but not deleted`;
      return { state: 'warning', value, cure };
    }
    const value = `${store.location}: written, refused a second time, read and deleted in ${took}`;
    if (store.supports.exclusive) return { state: 'pass', value };
    return { state: 'warning', value, cure: notExclusive(store) };
  } finally {
    if (isWritten) await removed(store, key);
    await store.close();
  }
}

/** Removes an object with all its versions, or as far as we may; resolves with why it is still there. */
async function removed(store: Store, key: string): Promise<Error | undefined> {
  try {
    await (store.erase?.(key) ?? store.delete(key)).catch(() => store.delete(key));
    return undefined;
  } catch (error) {
    return error as Error;
  }
}

function notExclusive(store: Store): string {
  const lack =
    store instanceof S3Store
      ? 'The server does not heed If-None-Match'
      : 'This file system has no hard links';
  return `${lack}, so each object is looked for before it is put: let one sink alone write here.`;
}

/** Without what removes: it only looks. */
function storeOf(options: CloudSinkOptions, timeoutMs: number): Store {
  const { store, s3Encryption, s3KmsKey, s3StorageClass, s3Tags, freeDisk, whenFull } = options;
  if (store.startsWith('s3://')) {
    return new S3Store(store, {
      ...s3OptionsOf(options),
      ...(s3Encryption && { serverSideEncryption: s3Encryption }),
      ...(s3KmsKey && { kmsKeyId: s3KmsKey }),
      ...(s3StorageClass && { storageClass: s3StorageClass }),
      ...(s3Tags && { tags: s3Tags }),
      requestTimeoutMs: timeoutMs,
    });
  }
  // Where the sink makes room by itself, a full disk is in order.
  const freeDiskBytes = whenFull === 'remove-oldest' ? 0 : freeDisk;
  return new FileStore(store, freeDiskBytes === undefined ? {} : { freeDiskBytes });
}

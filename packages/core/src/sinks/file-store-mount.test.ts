import { mkdtemp } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { MountedBucket } from '../../test/mounted-bucket';
import { describeWith } from '../../test/requirements';
import { storeSuite } from '../testing/store-suite';
import { FileStore } from './file-store';

describeWith('s3fs', 'FileStore in a bucket that is mounted', () => {
  let bucket: MountedBucket;
  beforeAll(async () => {
    bucket = await MountedBucket.mount();
  });
  afterAll(() => bucket?.close());
  const emptyFolder = () => mkdtemp(join(bucket.folder, 'store-'));

  storeSuite({ describe, it, name: 'FileStore', create: async () => new FileStore(await emptyFolder()) });

  it('notices that there are no hard links, and says so', async () => {
    const store = new FileStore(await emptyFolder());
    const notices: string[] = [];
    store.events.on('notice', ({ message }) => notices.push(message));
    await store.open();
    expect(store.supports.exclusive).toBe(false);
    expect(notices).toEqual([expect.stringMatching(/has no hard links/)]);
  });
});

import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, it } from 'vitest';
import { expectAllAfterKills } from '../../test/archive-kills';
import { describeWith } from '../../test/requirements';
import { createBucket, type S3Server, startS3Server } from '../../test/s3-server';
import { bundleWriter } from '../../test/writer-process';
import { FileStore } from './file-store';
import { S3Store } from './s3-store';

/** `EDGE_RELAY_KILLS=200` for the long run of both; a writer takes longer to start where it writes to a bucket. */
const KILLS = process.env.EDGE_RELAY_KILLS;
const FOLDER_KILLS = Number(KILLS ?? 30);
const BUCKET_KILLS = Number(KILLS ?? 4);

let program: string;
beforeAll(async () => {
  program = await bundleWriter('archive-writer');
});

it(`a folder holds each message once, whole, and written down once after ${FOLDER_KILLS} kills`, {
  timeout: 600_000,
}, async () => {
  const folder = await mkdtemp(join(tmpdir(), 'edge-relay-archive-'));
  try {
    const store = new FileStore(join(folder, 'store'));
    await expectAllAfterKills({ program, store, kills: FOLDER_KILLS, longestMs: 60 });
  } finally {
    await rm(folder, { recursive: true });
  }
});

describeWith('ceph', 'a bucket', () => {
  let server: S3Server;
  beforeAll(async () => {
    server = await startS3Server();
    await createBucket(server, 'faces');
  });
  afterAll(() => server?.stop());

  it(`holds each message once, whole, and written down once after ${BUCKET_KILLS} kills`, {
    timeout: 900_000,
  }, async () => {
    const { stop: _, ...s3 } = server;
    const store = new S3Store('s3://faces/archive', s3);
    await expectAllAfterKills({ program, store, s3, kills: BUCKET_KILLS, longestMs: 1_000 });
    await store.close();
  });
});

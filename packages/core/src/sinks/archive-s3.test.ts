import { randomUUID } from 'node:crypto';
import {
  CreateBucketCommand,
  GetObjectCommand,
  ListObjectVersionsCommand,
  PutBucketVersioningCommand,
  S3Client,
} from '@aws-sdk/client-s3';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { archiveMessage } from '../../test/archive-messages';
import { collect } from '../../test/collect';
import { keysOf } from '../../test/deliveries';
import { describeWith } from '../../test/requirements';
import { type S3Server, startS3Server } from '../../test/s3-server';
import { audit } from './audit';
import { forget } from './forget';
import { compactManifest } from './manifest-compaction';
import { readManifest } from './manifest-reader';
import { S3Store } from './s3-store';
import { Sink } from './sink';
import { isTombstone } from './tombstone';

const upTo = (count: number) => Array.from({ length: count }, (_, number) => number);

describeWith('ceph', 'an archive in a bucket', () => {
  let server: S3Server;
  let client: S3Client;
  beforeAll(async () => {
    server = await startS3Server();
    client = new S3Client({ ...server, credentials: server, forcePathStyle: true });
    for (const Bucket of ['plain', 'versioned']) await client.send(new CreateBucketCommand({ Bucket }));
    const VersioningConfiguration = { Status: 'Enabled' } as const;
    await client.send(new PutBucketVersioningCommand({ Bucket: 'versioned', VersioningConfiguration }));
  });
  afterAll(async () => {
    client?.destroy();
    await server?.stop();
  });

  it.each(['plain', 'versioned'])('is written down, audited and forgotten in a %s bucket', async (bucket) => {
    const location = `s3://${bucket}/${randomUUID()}`;
    const sink = new Sink(location, { accept: 'any', manifest: { compactAfterParts: 3 }, s3: server });
    await Promise.all(upTo(60).map((number) => sink.write(archiveMessage(number))));
    await Promise.all(upTo(10).map((number) => sink.write(archiveMessage(number))));
    expect(sink.stats).toMatchObject({ stored: 60, duplicates: 10 });
    await sink.close();
    const store = new S3Store(location, server);
    await compactManifest(store);
    expect((await collect(readManifest(store))).map(({ id }) => id).sort()).toEqual(
      upTo(60)
        .map((number) => archiveMessage(number).properties.id as string)
        .sort(),
    );
    expect(await audit(location, { s3: server, verify: true })).toMatchObject({ complete: true, rows: 60 });
    expect(await audit(location, { s3: server })).toMatchObject({
      complete: true,
      unlistedObjects: { count: 0 },
    });

    // A second version, as somebody who overwrites makes it.
    const key = (await keysOf(store)).find((name) => name.includes('front-door-4.bin'))!;
    if (bucket === 'versioned') {
      await store.delete(key);
      await store.put(key, archiveMessage(4).payload);
      expect(await store.versions(key)).toBe(3);
    }
    const names = (await keysOf(store)).filter((name) => name.startsWith('front-door/'));
    const versions = (await Promise.all(names.map((name) => store.versions(name)))).reduce(
      (sum, each) => sum + each,
    );
    expect(versions).toBeGreaterThanOrEqual(bucket === 'versioned' ? 32 : 30);
    const report = await forget(location, { s3: server, camera: 'front-door' });
    expect(report).toMatchObject({ objects: 30, versions, rows: 30, proven: true });
    // Of each nothing is left in any version but the tombstone.
    const left = await everyVersion(client, location, 'front-door/');
    expect(left).toHaveLength(30);
    for (const text of left) expect(isTombstone(Buffer.from(text))).toBe(true);
    // No version of the manifest tells of them, either.
    for (const text of await everyVersion(client, location, 'manifest/')) {
      for (const row of text.split('\n').filter((line) => line.includes('"front-door"'))) {
        expect(JSON.parse(row)).toMatchObject({ outcome: 'forgotten' });
        expect(row).not.toContain('visit');
      }
    }
    const late = new Sink(location, { accept: 'any', manifest: true, s3: server });
    expect((await late.write(archiveMessage(4))).outcome).toBe('forgotten');
    await late.close();
    expect(await audit(location, { s3: server, verify: true })).toMatchObject({ complete: true });
    await store.close();
  });

  it('counts and erases the versions of one object, not of those that begin alike', async () => {
    const store = new S3Store(`s3://versioned/${randomUUID()}`, server);
    // With the first object a store finds out what the server can do.
    await store.put('first.png', Buffer.from('0'));
    await store.put('a.png', Buffer.from('1'));
    await store.put('a.png.png', Buffer.from('2'));
    expect(await store.versions('a.png')).toBe(1);
    expect(await store.erase('a.png')).toBe(1);
    expect([await store.versions('a.png'), await store.versions('a.png.png')]).toEqual([0, 1]);
    expect(await store.erase('a.png')).toBe(0);
    await store.close();
  });

  it('gives an address to a private object, for a time', async () => {
    const store = new S3Store(`s3://plain/${randomUUID()}`, server);
    await store.put('a b.png', Buffer.from('private'), { contentType: 'image/png' });
    const link = await store.link('a b.png', 60);
    const response = await fetch(link);
    expect([response.status, await response.text()]).toEqual([200, 'private']);
    const bare = new URL(link);
    bare.search = '';
    expect((await fetch(bare)).status).toBe(403);
    await store.close();
  });
});

/** The content of all that there has ever been below a folder, as far as the server still has it. */
async function everyVersion(client: S3Client, location: string, below: string): Promise<string[]> {
  const { hostname: Bucket, pathname } = new URL(location);
  const Prefix = `${pathname.slice(1)}/${below}`;
  const { Versions = [], DeleteMarkers = [] } = await client.send(
    new ListObjectVersionsCommand({ Bucket, Prefix }),
  );
  expect(DeleteMarkers).toEqual([]);
  return Promise.all(
    Versions.map(async ({ Key, VersionId }) => {
      const { Body } = await client.send(new GetObjectCommand({ Bucket, Key, VersionId }));
      return Body!.transformToString();
    }),
  );
}

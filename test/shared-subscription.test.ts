import { basename, join } from 'node:path';
import { FileStore, Publisher, S3Store, type Store } from 'edge-relay';
import { SeededRandom, startMosquitto } from 'edge-relay/testing';
import sharp from 'sharp';
import { afterEach, expect, it } from 'vitest';
import { describeWith } from '../packages/core/test/requirements';
import { createBucket, type S3Server, startS3Server } from '../packages/core/test/s3-server';
import { type AppProcess, startApp, until } from './app-process';
import { temporaryFolder } from './materials';

const SINKS = ['archive-1', 'archive-2', 'archive-3'];
const FACES = 200;
const KILLS = 6;
const running = new Map<string, AppProcess>();

afterEach(async () => {
  for (const { child } of running.values()) child.kill('SIGKILL');
  await Promise.all([...running.values()].map(({ ended }) => ended));
  running.clear();
});

async function facesOf(random: SeededRandom): Promise<Map<string, Buffer>> {
  const faces = new Map<string, Buffer>();
  for (let index = 0; index < FACES; index += 1) {
    const background = { r: random.between(0, 255), g: random.between(0, 255), b: index % 256 };
    const create = { width: 32 + (index % 7), height: 32, channels: 3, background } as const;
    faces.set(`face-${index}`, await sharp({ create }).png().toBuffer());
  }
  return faces;
}

async function keysOf(store: Store): Promise<string[]> {
  const keys: string[] = [];
  for await (const { key } of store.list()) keys.push(key);
  return keys;
}

/** Three sinks share one subscription and one store; one of them is killed now and then, and started again. */
async function share(
  location: string,
  args: string[],
  env: Record<string, string>,
  store: Store,
): Promise<void> {
  const random = new SeededRandom(7);
  const faces = await facesOf(random);
  const broker = await startMosquitto({ config: 'max_queued_messages 0' });
  const start = (clientId: string) => {
    const own = ['--cloud-url', broker.url, '--topic', '$share/archive/hw3faces', '--client-id', clientId];
    running.set(clientId, startApp('cloud-sink', [...own, '--store', location, ...args], { env }));
  };
  const isListening = (clientId: string) => running.get(clientId)?.log.includes('listening to') ?? false;
  const allListen = () => SINKS.every(isListening);
  const logs = () => JSON.stringify([...running.values()].map(({ log }) => log));
  const publisher = new Publisher({ url: broker.url, topic: 'hw3faces' });
  try {
    for (const clientId of SINKS) start(clientId);
    await until(allListen, logs);
    const publishing = (async () => {
      for (const [id, payload] of faces) {
        const properties = { id, camera: 'shared', time: '2026-01-02T03:04:05.678Z' };
        await publisher.publish({ payload, properties });
        await new Promise((resolve) => setTimeout(resolve, 10));
      }
    })();
    for (let kill = 0; kill < KILLS; kill += 1) {
      await new Promise((resolve) => setTimeout(resolve, random.between(50, 400)));
      const clientId = random.pick(SINKS);
      const app = running.get(clientId)!;
      app.child.kill('SIGKILL');
      await app.ended;
      start(clientId);
      if (random.next() < 0.5)
        await until(
          () => isListening(clientId),
          () => running.get(clientId)!.log,
        );
    }
    await publishing;
    await publisher.flush();
    const faceKeys = async () => (await keysOf(store)).filter((key) => !key.startsWith('manifest/'));
    const idsOf = (keys: readonly string[]) => new Set(keys.map((key) => basename(key, '.png')));
    await until(async () => idsOf(await faceKeys()).size >= FACES, logs, 120_000);
    await until(allListen, logs);
    for (const [clientId, { child, ended }] of running) {
      child.kill('SIGTERM');
      expect(await ended, clientId).toBe(0);
    }
    expect((await faceKeys()).sort()).toEqual(
      [...faces.keys()].map((id) => `shared/dt=2026-01-02/hour=03/${id}.png`).sort(),
    );
    for (const [id, payload] of faces) {
      const object = await store.get(`shared/dt=2026-01-02/hour=03/${id}.png`);
      expect(Buffer.compare(object!.data, payload), id).toBe(0);
    }
  } finally {
    await publisher.close();
    await broker.close();
  }
}

describeWith('mosquitto', 'several cloud-sinks with one subscription', () => {
  it('double and lose nothing in one folder, whichever is killed', { timeout: 240_000 }, async () => {
    const folder = join(await temporaryFolder(), 'faces');
    await share(folder, [], {}, new FileStore(folder));
  });
});

describeWith('ceph', 'several cloud-sinks with one subscription', () => {
  it('double and lose nothing in one bucket, whichever is killed', { timeout: 300_000 }, async () => {
    const server: S3Server = await startS3Server();
    try {
      const { endpoint, region, accessKeyId, secretAccessKey } = server;
      await createBucket(server, 'faces');
      const env = { AWS_ACCESS_KEY_ID: accessKeyId, AWS_SECRET_ACCESS_KEY: secretAccessKey };
      const args = ['--s3-endpoint', endpoint, '--s3-region', region, '--s3-path-style'];
      const store = new S3Store('s3://faces/all', server);
      await share('s3://faces/all', args, env, store);
      await store.close();
    } finally {
      await server.stop();
    }
  });
});

import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { Publisher } from 'edge-relay';
import { freePort, startMosquitto } from 'edge-relay/testing';
import sharp from 'sharp';
import { expect, it, onTestFinished } from 'vitest';
import { describeWith } from '../packages/core/test/requirements';
import { startApp, until } from './app-process';
import { filesIn, isJpeg, photoFolder, temporaryFolder } from './materials';

const run = promisify(execFile);

describeWith('mosquitto', 'delivery', () => {
  it('a stock client sees a valid picture on the topic', async () => {
    const broker = await startMosquitto();
    onTestFinished(() => broker.close());
    const port = String(broker.port);
    const client = spawn('mosquitto_sub', ['-p', port, '-t', 'hw3faces', '-q', '1', '-C', '1', '-N']);
    const chunks: Buffer[] = [];
    client.stdout.on('data', (chunk: Buffer) => chunks.push(chunk));
    const photos = await photoFolder(1);
    const urls = ['--edge-url', broker.url, '--cloud-url', broker.url];
    startApp('edge-pipeline', ['--source', photos, ...urls]);
    await once(client, 'close');
    const picture = Buffer.concat(chunks);
    const { format, width } = await sharp(picture).metadata();
    expect(format).toBe('jpeg');
    expect(width).toBeGreaterThan(30);
    // Decodes whole.
    await sharp(picture, { failOn: 'warning' }).raw().toBuffer();
  });

  it('a text published by hand is kept apart with the reason, stops nothing and is not lost', async () => {
    const broker = await startMosquitto();
    const [photos, store] = [await photoFolder(1), await temporaryFolder()];
    const sink = startApp('cloud-sink', ['--cloud-url', broker.url, '--store', store, '--topic', 'hw3faces']);
    onTestFinished(async () => {
      sink.child.kill('SIGKILL');
      await broker.close();
    });
    await until(
      () => sink.log.includes('listening'),
      () => sink.log,
    );
    await run('mosquitto_pub', [
      '-p',
      String(broker.port),
      '-t',
      'hw3faces',
      '-q',
      '1',
      '-m',
      'is anybody there?',
    ]);
    const detect = [
      '--role',
      'detect',
      '--source',
      photos,
      '--edge-url',
      broker.url,
      '--edge-topic',
      'hw3faces',
    ];
    expect(await startApp('edge-pipeline', detect).ended).toBe(0);
    await until(
      async () => (await filesIn(store)).length === 6,
      () => sink.log,
    );
    sink.child.kill('SIGTERM');
    expect(await sink.ended, sink.log).toBe(0);

    // Beside what is kept, when the text first arrived, which has no time of its own.
    const files = (await filesIn(store)).filter((path) => !path.startsWith('arrivals/'));
    const rejected = files.filter((path) => path.startsWith('rejected/'));
    const pictures = files.filter((path) => !path.startsWith('rejected/'));
    expect(pictures).toHaveLength(3);
    for (const path of pictures) expect(await isJpeg(join(store, path)), path).toBe(true);
    const [text, reason] = [
      rejected.find((path) => !path.endsWith('.json')),
      rejected.find((path) => path.endsWith('.json')),
    ];
    expect(await readFile(join(store, text!), 'utf8')).toBe('is anybody there?');
    expect(JSON.parse(await readFile(join(store, reason!), 'utf8'))).toMatchObject({
      topic: 'hw3faces',
      reason: expect.stringMatching(/not a JPEG, PNG or WebP/),
    });
  });

  it('with the store blocked and the sink killed, every message is delivered again; none had been acknowledged', async () => {
    const broker = await startMosquitto();
    // The bucket is there, and no object is ever answered for.
    const blocked = createServer((request, response) => {
      request.resume();
      const asksForBucket = request.method === 'GET' && /^\/faces\/?\?list-type=2/.test(request.url ?? '');
      if (asksForBucket) response.end('<?xml version="1.0"?><ListBucketResult></ListBucketResult>');
    }).listen(0, '127.0.0.1');
    await once(blocked, 'listening');
    const { port } = blocked.address() as { port: number };
    const store = await temporaryFolder();
    onTestFinished(async () => {
      blocked.closeAllConnections();
      blocked.close();
      await broker.close();
    });
    const args = ['--cloud-url', broker.url, '--client-id', 'archive'];
    const s3 = ['--store', 's3://faces', '--s3-endpoint', `http://127.0.0.1:${port}`, '--s3-path-style'];
    const credentials = { AWS_ACCESS_KEY_ID: 'a', AWS_SECRET_ACCESS_KEY: 'b', AWS_REGION: 'us-east-1' };
    const first = startApp('cloud-sink', [...args, ...s3], { env: credentials });
    await until(
      () => first.log.includes('listening'),
      () => first.log,
    );

    const picture = await sharp({ create: { width: 64, height: 64, channels: 3, background: '#123' } })
      .png()
      .toBuffer();
    const publisher = new Publisher({ url: broker.url, topic: 'hw3faces' });
    const COUNT = 40;
    for (let number = 0; number < COUNT; number += 1) {
      const properties = {
        id: `camera-${number}`,
        time: new Date(number * 1000).toISOString(),
        camera: 'camera',
      };
      await publisher.publish({ payload: picture, contentType: 'image/png', properties });
    }
    await publisher.close();
    await until(
      () => (broker.log.match(/Sending PUBLISH to archive/g) ?? []).length >= 16,
      () => broker.log,
    );
    first.child.kill('SIGKILL');
    expect(await first.ended).toBe('SIGKILL');
    expect(broker.log).not.toMatch(/Received PUBACK from archive/);

    const second = startApp('cloud-sink', [...args, '--store', store]);
    await until(
      async () => (await filesIn(store)).length === COUNT,
      () => second.log,
    );
    second.child.kill('SIGTERM');
    expect(await second.ended, second.log).toBe(0);
    expect(second.log).toMatch(new RegExp(`stored ${COUNT}, duplicates 0, conflicts 0, rejected 0`));
  });

  it('with --receipts, what a broker had acknowledged and forgot when it was killed is sent again', async () => {
    const [edge, cloud] = await Promise.all([startMosquitto(), startMosquitto()]);
    const [photos, spool, store] = [await photoFolder(4), await temporaryFolder(), await temporaryFolder()];
    const atSink = ['--cloud-url', cloud.url, '--store', store, '--receipts'];
    const atEdge = ['--source', photos, '--edge-url', edge.url, '--cloud-url', cloud.url, '--spool', spool];
    const early = startApp('cloud-sink', atSink);
    onTestFinished(async () => {
      early.child.kill('SIGKILL');
      await Promise.all([edge.close(), cloud.close()]);
    });
    await until(
      () => early.log.includes('listening'),
      () => early.log,
    );
    // The broker has a session to keep faces for, and nobody to give them to.
    early.child.kill('SIGKILL');
    await early.ended;
    const device = startApp('edge-pipeline', [...atEdge, '--receipts']);
    await until(
      () => (cloud.log.match(/Received PUBLISH from/g) ?? []).length >= 12,
      () => device.log + cloud.log,
    );
    await cloud.kill();
    await cloud.start();
    const late = startApp('cloud-sink', atSink);
    expect(await device.ended, device.log + late.log).toBe(0);
    expect(device.log).toMatch(/12 faces, 12 acknowledged, 12 stored/);
    expect(await filesIn(store)).toHaveLength(12);
  });

  it('with --spool, what a detector had seen while its broker was away survives that it is killed', async () => {
    const port = await freePort();
    const [photos, spool, store] = [await photoFolder(2), await temporaryFolder(), await temporaryFolder()];
    const args = ['--role', 'detect', '--edge-url', `mqtt://127.0.0.1:${port}`, '--spool', spool];
    const first = startApp('edge-pipeline', [...args, '--source', photos]);
    await until(
      () => first.log.includes('6 faces on disk'),
      () => first.log,
    );
    first.child.kill('SIGKILL');
    await first.ended;

    const broker = await startMosquitto({ port });
    const sink = startApp('cloud-sink', [
      '--cloud-url',
      broker.url,
      '--store',
      store,
      '--topic',
      'hw3facestx2',
    ]);
    onTestFinished(async () => {
      sink.child.kill('SIGKILL');
      await broker.close();
    });
    // Another source, of one photo: its three faces come on top of the six.
    const second = startApp('edge-pipeline', [...args, '--source', await photoFolder(1)]);
    expect(await second.ended, second.log).toBe(0);
    expect(second.log).toMatch(/3 faces, 9 acknowledged/);
    await until(
      async () => (await filesIn(store)).length === 9,
      () => sink.log,
    );
  });
});

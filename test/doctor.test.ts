import { readdir } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { freePort, type Mosquitto, type MosquittoOptions, startMosquitto } from 'edge-relay/testing';
import { expect, it, onTestFinished } from 'vitest';
import { describeWith } from '../packages/core/test/requirements';
import { createBucket, startS3Server } from '../packages/core/test/s3-server';
import { SmallDisk } from '../packages/core/test/small-disk';
import { startApp, until } from './app-process';
import { filesIn, photoFolder, temporaryFolder, VIDEO } from './materials';

interface Report {
  readonly ok: boolean;
  readonly checks: readonly {
    readonly name: string;
    readonly state: string;
    readonly value: string;
    readonly cure?: string;
  }[];
}

type App = 'edge-pipeline' | 'cloud-sink';

/** Runs a doctor to its end. */
async function doctor(app: App, args: readonly string[], env: Record<string, string> = {}) {
  const process = startApp(app, ['doctor', '--json', ...args], { env });
  const code = await process.ended;
  if (process.output === '') throw new Error(`no report: ${process.log}`);
  const report = JSON.parse(process.output) as Report;
  const find = (name: string) => report.checks.find((check) => check.name === name);
  return {
    code,
    ...report,
    state: (name: string) => find(name)?.state,
    value: (name: string) => find(name)?.value,
    cure: (name: string) => find(name)?.cure,
    text: process.output,
  };
}

async function mosquitto(options: MosquittoOptions = {}): Promise<Mosquitto> {
  const broker = await startMosquitto(options);
  onTestFinished(() => broker.close());
  return broker;
}

async function running(app: App, args: readonly string[], says: string) {
  const process = startApp(app, args);
  onTestFinished(() => void process.child.kill('SIGKILL'));
  await until(
    () => process.log.includes(says),
    () => process.log,
  );
}

describeWith('mosquitto', 'doctor', () => {
  it('sends a probe through bridge, sink and store and back, and leaves nothing', async () => {
    const [edge, cloud, store, spool] = [
      await mosquitto(),
      await mosquitto(),
      await temporaryFolder(),
      await temporaryFolder(),
    ];
    const urls = ['--edge-url', edge.url, '--cloud-url', cloud.url, '--receipts'];
    const stored = ['--cloud-url', cloud.url, '--store', store, '--receipts'];
    await running('cloud-sink', stored, 'listening');
    await running('edge-pipeline', ['--role', 'bridge', ...urls], 'connected to');
    const device = await doctor('edge-pipeline', [...urls, '--spool', spool, '--source', VIDEO]);
    expect(
      device.checks.filter(({ state }) => state !== 'good'),
      device.text,
    ).toEqual([]);
    expect(device.code).toBe(0);
    expect(device.value('edge to store')).toContain('stored, removed and receipted');
    expect(device.value('clock')).toMatch(/about -?\d\.\d s (ahead of|behind) ours, give or take/);
    const server = await doctor('cloud-sink', stored);
    expect(server.state('store'), server.text).toBe('good');
    expect(server.state('running sink'), server.text).toBe('good');
    expect(server.code).toBe(0);
    expect(await filesIn(store)).toEqual([]);
    expect(await readdir(spool)).toEqual([]);
  });

  it('says which part of the way is missing', async () => {
    const [edge, cloud, store] = [await mosquitto(), await mosquitto(), await temporaryFolder()];
    await running('cloud-sink', ['--cloud-url', cloud.url, '--store', store, '--receipts'], 'listening');
    const args = ['--edge-url', edge.url, '--cloud-url', cloud.url, '--receipts', '--source', VIDEO];
    const { code, state, cure, text } = await doctor('edge-pipeline', args);
    expect(state('cloud to store'), text).toBe('good');
    expect(state('edge to store')).toBe('wrong');
    expect(cure('edge to store')).toContain('Start the bridge with --receipts');
    expect(code).toBe(1);
  });

  it('tells of a broker that is not there, a camera that is not there, and a wrong password', async () => {
    const cloud = await mosquitto({ users: { device: 'right-password' } });
    const nowhere = `mqtt://127.0.0.1:${await freePort()}`;
    const { code, state, value, cure, text } = await doctor(
      'edge-pipeline',
      [
        '--edge-url',
        nowhere,
        '--cloud-url',
        cloud.url,
        '--cloud-username',
        'device',
        '--source',
        'door=/dev/video97',
      ],
      { EDGE_RELAY_CLOUD_PASSWORD: 'wrong-password' },
    );
    expect(value('edge broker'), text).toContain('cannot reach the broker');
    expect(cure('edge broker')).toContain('Is it running, and is the address right?');
    expect(cure('cloud broker')).toContain('Check username and password');
    expect(`${value('camera door')} ${cure('camera door')}`).toContain('There is no camera /dev/video97');
    expect(state('edge to store')).toBe('skipped');
    expect(text).not.toContain('wrong-password');
    expect(code).toBe(1);
  });

  it('tells of limits of a broker that are too small', async () => {
    const { url } = await mosquitto({ config: 'max_packet_size 50000\nmax_inflight_messages 5' });
    const { state, value, cure } = await doctor('cloud-sink', [
      '--cloud-url',
      url,
      '--store',
      await temporaryFolder(),
    ]);
    expect(value('broker')).toContain('packets up to 50000 bytes, 5 unacknowledged');
    expect(cure('broker')).toContain('max_packet_size');
    expect(state('broker')).toBe('doubtful');
  });

  it('prints lines for people', async () => {
    const { url } = await mosquitto();
    const process = startApp('cloud-sink', [
      'doctor',
      '--cloud-url',
      url,
      '--store',
      await temporaryFolder(),
    ]);
    expect(await process.ended, process.log).toBe(0);
    expect(process.output).toMatch(
      /^✓ broker .*\n✓ store .*\n- clock .*\n- running sink .*\n\nNothing is wrong\.\n$/,
    );
  });

  it('tells of a disk that has less free than is to stay so, and of a bucket that refuses us', async () => {
    const { url } = await mosquitto();
    const full = await doctor('cloud-sink', [
      '--cloud-url',
      url,
      '--store',
      await temporaryFolder(),
      '--free-disk',
      '900000000',
    ]);
    expect(full.value('store'), full.text).toContain('are to stay free');
    expect(full.cure('store')).toContain('Free some space');
    const denying = createServer((_, response) => {
      response.writeHead(403, {
        'content-type': 'application/xml',
        date: new Date(Date.now() - 3_600_000).toUTCString(),
      });
      response.end('<Error><Code>AccessDenied</Code><Message>Access Denied</Message></Error>');
    }).listen(0, '127.0.0.1');
    onTestFinished(() => void denying.close());
    await new Promise((resolve) => denying.once('listening', resolve));
    const endpoint = `http://127.0.0.1:${(denying.address() as AddressInfo).port}`;
    const args = [
      '--cloud-url',
      url,
      '--store',
      's3://faces',
      '--s3-endpoint',
      endpoint,
      '--s3-path-style',
      '--s3-region',
      'x',
    ];
    const env = { AWS_ACCESS_KEY_ID: 'someone', AWS_SECRET_ACCESS_KEY: 'secret' };
    const denied = await doctor('cloud-sink', args, env);
    expect(denied.state('store'), denied.text).toBe('wrong');
    expect(denied.cure('store')).toMatch(/\w/);
    expect(denied.value('clock')).toMatch(/about 3\d{3}\.\d s behind ours/);
    expect(denied.cure('clock')).toContain('NTP');
    expect(denied.code).toBe(1);
  });
});

describeWith('tmpfs', 'doctor on a small disk', () => {
  it('says that there is too little room for the spool, and leaves no folder', async () => {
    const disk = new SmallDisk(8_000_000);
    onTestFinished(() => disk.close());
    const args = [
      '--role',
      'detect',
      '--source',
      await photoFolder(1),
      '--spool',
      join(disk.folder, 'spool'),
    ];
    const { state, cure, text } = await doctor('edge-pipeline', [
      ...args,
      '--edge-url',
      `mqtt://127.0.0.1:${await freePort()}`,
    ]);
    expect(state('spool'), text).toBe('wrong');
    expect(cure('spool')).toContain('put --spool on another disk');
    expect(await readdir(disk.folder)).toEqual([]);
  });
});

describeWith('ceph', 'doctor of a bucket', () => {
  it('writes, reads and deletes an object, and compares the clocks', { timeout: 90_000 }, async () => {
    const server = await startS3Server();
    onTestFinished(() => server.stop());
    await createBucket(server, 'faces');
    const place = ['--s3-endpoint', server.endpoint, '--s3-path-style', '--s3-region', server.region];
    const env = { AWS_ACCESS_KEY_ID: server.accessKeyId, AWS_SECRET_ACCESS_KEY: server.secretAccessKey };
    const nowhere = ['--cloud-url', `mqtt://127.0.0.1:${await freePort()}`];
    const { state, text } = await doctor(
      'cloud-sink',
      [...nowhere, '--store', 's3://faces/door', ...place],
      env,
    );
    expect([state('store'), state('clock'), state('broker')], text).toEqual(['good', 'good', 'wrong']);
    const missing = await doctor('cloud-sink', [...nowhere, '--store', 's3://no-such-bucket', ...place], env);
    expect(missing.state('store'), missing.text).toBe('wrong');
  });
});

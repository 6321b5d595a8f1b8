import { readdir, writeFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import { type AddressInfo, createServer as createTcpServer, type Server } from 'node:net';
import { join } from 'node:path';
import { Publisher, Subscriber } from 'edge-relay';
import { freePort, type Mosquitto, type MosquittoOptions, startMosquitto } from 'edge-relay/testing';
import { afterAll, expect, it, onTestFinished } from 'vitest';
import { digestOf, encodeReceipts, receiptTopicOf } from '../packages/core/src/mqtt/receipts';
import { available, describeWith } from '../packages/core/test/requirements';
import { createBucket, type S3Server, startS3Server } from '../packages/core/test/s3-server';
import { SmallDisk } from '../packages/core/test/small-disk';
import { type AppProcess, startApp, until, watched } from './app-process';
import { filesIn, photoFolder, temporaryFolder, VIDEO } from './materials';

interface Checked {
  readonly name: string;
  readonly state: 'pass' | 'warning' | 'fail' | 'skipped';
  readonly value: string;
  readonly cure?: string;
}

type App = 'edge-pipeline' | 'cloud-sink';
type Variables = Record<string, string>;

/** Runs a doctor to its end. */
async function doctor(app: App, args: readonly string[], env: Variables = {}) {
  const process = startApp(app, ['doctor', '--json', ...args], { env });
  const code = await process.ended;
  const { output: text, log } = process;
  if (text === '') throw new Error(`no report: ${log}`);
  const { ok, checks } = JSON.parse(text) as { ok: boolean; checks: readonly Checked[] };
  expect(ok).toBe(code === 0);
  const named = (state: Checked['state']) =>
    checks.filter((check) => check.state === state).map(({ name }) => name);
  return {
    code,
    text,
    failed: named('fail'),
    skipped: named('skipped'),
    warned: named('warning'),
    /** What was found and its cure, as a person reads them. */
    of(name: string): string {
      const check = checks.find((one) => one.name === name);
      return check ? `${check.state}: ${check.value} ${check.cure ?? ''}` : `no check ${name} in ${text}`;
    },
  };
}

async function mosquitto(options: MosquittoOptions = {}): Promise<Mosquitto> {
  const broker = await startMosquitto(options);
  onTestFinished(() => broker.close());
  return broker;
}

/** Options of a broker with such access rules. */
async function withRules(users: Record<string, string>, rules: string): Promise<MosquittoOptions> {
  const path = join(await temporaryFolder(), 'acl');
  await writeFile(path, rules, { mode: 0o600 });
  return { users, config: `acl_file ${path}` };
}

async function running(app: App, args: readonly string[], says: string): Promise<AppProcess> {
  const process = startApp(app, args);
  await until(
    () => process.log.includes(says),
    () => process.log,
  );
  return process;
}

async function listening(server: Server): Promise<number> {
  server.listen(0, '127.0.0.1');
  onTestFinished(() => void server.close());
  await new Promise((resolve) => server.once('listening', resolve));
  return (server.address() as AddressInfo).port;
}

async function nowhere(): Promise<string> {
  return `mqtt://127.0.0.1:${await freePort()}`;
}

/** Two brokers, a sink that stores what comes, and the options of a device between them. */
async function way(edge: MosquittoOptions = {}, cloud: MosquittoOptions = {}) {
  const [edgeBroker, cloudBroker] = await Promise.all([mosquitto(edge), mosquitto(cloud)]);
  const [store, spool] = [await temporaryFolder(), await temporaryFolder()];
  const brokers = ['--edge-url', edgeBroker.url, '--cloud-url', cloudBroker.url];
  const device = [...brokers, '--spool', spool, '--source', VIDEO];
  const sink = ['--cloud-url', cloudBroker.url, '--store', store];
  return { edgeBroker, cloudBroker, store, spool, device, sink };
}

const startSink = (args: readonly string[]) => running('cloud-sink', args, 'listening');
const startBridge = (args: readonly string[]) =>
  running('edge-pipeline', [...args, '--role', 'bridge'], 'connected to');

/** It takes long to start, and does so beside the other tests. */
const starting = available('ceph') ? startS3Server() : undefined;
afterAll(async () => (await starting)?.stop());

describeWith('mosquitto', 'doctor', () => {
  it('finds nothing wrong beside what runs, which it leaves alone, and leaves nothing behind', async () => {
    const { device, sink, store, spool } = await way();
    const sinking = await startSink([...sink, '--receipts', '--metrics', '0']);
    const bridge = await startBridge([...device, '--receipts', '--metrics', '0']);
    // As one would have it in the file of both.
    const { port } = new URL(await watched(bridge));
    const edge = await doctor('edge-pipeline', [...device, '--receipts', '--metrics', port]);
    // A disk that others keep busy may be slow.
    const warned = edge.warned.filter((name) => name !== 'spool');
    expect([edge.failed, warned, edge.skipped], edge.text).toEqual([[], [], []]);
    expect(edge.code).toBe(0);
    expect(edge.of('spool')).toContain(`in use by process ${bridge.child.pid}`);
    expect(edge.of('spool')).toMatch(/MB stay free.*[\d.]+ writes of 64 KiB a second, each flushed/);
    expect(edge.of('edge to store')).toContain('stored, removed and receipted');
    expect(edge.of('clock')).toMatch(
      /about [\d.]+ s (ahead of|behind) ours, give or take [\d.]+ s, by the time/,
    );
    const cloud = await doctor('cloud-sink', [...sink, '--receipts']);
    expect([cloud.failed, cloud.warned, cloud.skipped], cloud.text).toEqual([[], [], ['clock']]);
    expect(cloud.of('store')).toContain('written, refused a second time, read and deleted');
    expect(cloud.code).toBe(0);
    const figures = await (await fetch(`${await watched(sinking)}/metrics`)).text();
    const counted = figures.match(/^edge_relay_sink_(objects|bytes)_total.*$/gm) ?? [];
    expect(counted.length).toBeGreaterThan(6);
    for (const figure of counted) expect(figure).toMatch(/ 0$/);
    sinking.child.kill('SIGTERM');
    expect(await sinking.ended).toBe(0);
    expect(sinking.log).toContain('stored 0, duplicates 0, conflicts 0, rejected 0');
    expect(await filesIn(store)).toEqual([]);
    expect(await readdir(join(store, 'manifest')).catch(() => [])).toEqual([]);
    expect(await readdir(spool)).toEqual(['bridge']);
    expect(bridge.child.exitCode).toBeNull();
  });

  it('says which part could be seen without receipts', async () => {
    const { device, sink } = await way();
    await startSink(sink);
    await startBridge(device);
    const edge = await doctor('edge-pipeline', device);
    expect([edge.code, edge.failed], edge.text).toEqual([0, []]);
    for (const name of ['cloud to store', 'edge to store']) {
      expect(edge.of(name)).toMatch(
        /^warning: the broker took a probe on hw3faces(tx2)?, for somebody .*the rest cannot be seen/,
      );
      expect(edge.of(name)).toContain('With --receipts');
    }
    expect(edge.of('clock')).toBe('skipped: not checked, because only receipts tell the time (--receipts) ');
  });

  it('tells of a bridge that never was, and of one that is away', async () => {
    const { device, sink } = await way();
    await startSink([...sink, '--receipts']);
    const args = [...device, '--receipts'];
    const never = await doctor('edge-pipeline', args);
    expect([never.code, never.failed], never.text).toEqual([1, ['edge to store']]);
    expect(never.of('edge to store')).toMatch(
      /a probe on hw3facestx2, to which nobody subscribes Start the bridge/,
    );
    const bridge = await startBridge([...device, '--receipts']);
    bridge.child.kill('SIGTERM');
    await bridge.ended;
    const away = await doctor('edge-pipeline', [...args, '--timeout', '1']);
    expect([away.code, away.failed], away.text).toEqual([1, ['edge to store']]);
    expect(away.of('edge to store')).toMatch(
      /no receipt came within [\d.]+ seconds Start the bridge .*its log/,
    );
    // The edge broker kept that one for it: it comes late, and goes the same way.
    await startBridge([...device, '--receipts']);
    expect((await doctor('edge-pipeline', args)).code).toBe(0);
  });

  it('tells of a broker that is away, and does not look at what depends on it', async () => {
    const { device } = await way();
    const { code, failed, skipped, of, text } = await doctor('edge-pipeline', [
      ...device,
      '--edge-url',
      await nowhere(),
      '--role',
      'detect',
    ]);
    expect([code, failed], text).toEqual([1, ['edge broker']]);
    expect(of('edge broker')).toContain('Is it running, and is the address right?');
    expect(skipped).toContain('edge to store');
    expect(of('edge to store')).toBe('skipped: not checked, because "edge broker" has failed ');
    expect(of('edge broker')).toMatch(/^fail: cannot reach the broker at mqtt/);
  });

  it('tells of a wrong password, and shows none', async () => {
    const { device } = await way({}, { users: { device: 'right-password' } });
    const { code, failed, of, text } = await doctor(
      'edge-pipeline',
      [...device, '--role', 'bridge', '--cloud-username', 'device'],
      { EDGE_RELAY_CLOUD_PASSWORD: 'wrong-password' },
    );
    expect([code, failed], text).toEqual([1, ['cloud broker']]);
    expect(of('cloud broker')).toContain('Check username and password');
    expect(text).not.toContain('wrong-password');
  });

  it('tells of a topic on which we may not send', async () => {
    const users = { device: 'device-password' };
    const { device } = await way({}, await withRules(users, 'user device\ntopic write elsewhere\n'));
    const { code, failed, of, text } = await doctor(
      'edge-pipeline',
      [...device, '--role', 'bridge', '--cloud-username', 'device'],
      { EDGE_RELAY_CLOUD_PASSWORD: users.device },
    );
    expect([code, failed], text).toEqual([1, ['cloud to store']]);
    expect(of('cloud to store')).toMatch(/on topic hw3faces \(not authorised\). Check the broker's access/);
  });

  it('does not blame a sink for the rights that it should not have', async () => {
    const rules = 'user sink\ntopic read hw3faces\ntopic write hw3faces/receipts/#\n';
    const users = { sink: 'sink-password' };
    const { sink } = await way({}, await withRules(users, rules));
    const args = [...sink, '--username', 'sink', '--receipts'];
    const { code, skipped, of, text } = await doctor('cloud-sink', args, {
      EDGE_RELAY_PASSWORD: users.sink,
    });
    expect([code, skipped], text).toEqual([0, ['clock', 'running sink']]);
    expect(of('running sink')).toContain('this user may not send to hw3faces, and need not');
  });

  it.each([
    ['fail', 1, 50_000],
    ['warning', 0, 500_000],
  ])('tells of packets that are too small for pictures: %s', async (state, code, bytes) => {
    const { sink } = await way({}, { config: `max_packet_size ${bytes}` });
    const report = await doctor('cloud-sink', sink);
    expect([report.code, report.of('broker').split(':')[0]], report.text).toEqual([code, state]);
    expect(report.of('broker')).toContain(`packets up to ${bytes} bytes`);
    expect(report.of('broker')).toContain('max_packet_size');
  });

  it('warns of few messages at a time', async () => {
    const { sink } = await way({}, { config: 'max_inflight_messages 5' });
    const { warned, of, text } = await doctor('cloud-sink', sink);
    expect(warned, text).toContain('broker');
    expect(of('broker')).toMatch(/5 unacknowledged.*max_inflight_messages/);
  });

  it('tells that there is no ffmpeg, of which a camera has need', async () => {
    const { device } = await way();
    const env = { FFMPEG_PATH: '/nowhere/ffmpeg' };
    const args = [...device, '--role', 'detect', '--source', `film=${VIDEO}`];
    const { failed, of, text } = await doctor('edge-pipeline', args, env);
    expect(failed, text).toContain('ffmpeg');
    expect(of('ffmpeg')).toMatch(/There is no program \/nowhere\/ffmpeg.*Install it/);
    expect(of('camera film')).toBe('skipped: not checked, because there is no ffmpeg ');
    const pictures = ['--source', `photos=${await photoFolder(1)}`];
    const needless = await doctor('edge-pipeline', [...device.slice(0, -2), ...pictures], env);
    expect([needless.of('camera photos'), needless.of('ffmpeg')], needless.text).toEqual([
      expect.stringContaining('pass: 600 x 346'),
      expect.stringContaining('warning: there is none'),
    ]);
  });

  it('tells of a camera that is not there', async () => {
    const { device } = await way();
    const args = [...device.slice(0, -2), '--source', 'door=/dev/video97', '--role', 'detect'];
    const { code, failed, of, text } = await doctor('edge-pipeline', args);
    expect([code, failed], text).toEqual([1, ['camera door', 'edge to store']]);
    expect(of('camera door')).toMatch(/There is no camera \/dev\/video97.*\w/);
  });

  it('tells of a sink whose clock is wrong', async () => {
    const { cloudBroker, device } = await way();
    const [behindMs, { url }] = [3_600_000, cloudBroker];
    await using sink = new Subscriber({ url, topic: 'hw3faces' });
    await using receipts = new Publisher({ url });
    const sinking = (async () => {
      for await (const message of sink) {
        const receipt = { sha256: digestOf(message.payload) };
        const payload = encodeReceipts({ receipts: [receipt], writtenAt: Date.now() - behindMs });
        message.ack();
        await receipts.publish({ topic: receiptTopicOf(message), payload });
      }
    })();
    await until(
      () => sink.stats.online,
      () => 'not subscribed',
    );
    const args = [...device, '--role', 'bridge', '--receipts'];
    const { code, failed, of, text } = await doctor('edge-pipeline', args);
    expect([code, failed], text).toEqual([1, ['clock']]);
    expect(of('clock')).toMatch(/about 3600\.\d s behind ours.*timedatectl set-ntp true/);
    await sink.close();
    await sinking;
  });

  it('gives up what does not answer, and goes on', async () => {
    const silent = await listening(createTcpServer(() => {}));
    // The other lets us in (CONNACK of MQTT 5), and says no more.
    const welcome = Buffer.from([0x20, 0x03, 0x00, 0x00, 0x00]);
    const dumb = await listening(
      createTcpServer((socket) => socket.once('data', () => socket.write(welcome))),
    );
    const store = ['--store', await temporaryFolder()];
    const [first, second] = await Promise.all(
      [silent, dumb].map((port) =>
        doctor('cloud-sink', ['--cloud-url', `mqtt://127.0.0.1:${port}`, ...store, '--timeout', '1']),
      ),
    );
    expect([first!.code, first!.failed], first!.text).toEqual([1, ['broker']]);
    expect(first!.of('store')).toMatch(/^pass/);
    expect([second!.code, second!.failed], second!.text).toEqual([1, ['running sink']]);
    expect(second!.of('running sink')).toMatch(/^fail: no answer within 1 seconds .*--timeout/);
  });

  it('prints lines for people', async () => {
    const { sink } = await way();
    const good = startApp('cloud-sink', ['doctor', ...sink]);
    expect(await good.ended, good.log).toBe(0);
    expect(good.output).toMatch(
      /^pass {5}broker {8}mqtt.*\npass {5}store .*\nskipped {2}clock .*\nwarning {2}running sink .*\n {23}Start cloud-sink.*\n\nNothing is wrong; warnings: 1\.\n$/,
    );
    const bad = startApp('cloud-sink', ['doctor', ...sink, '--cloud-url', await nowhere()]);
    expect(await bad.ended, bad.log).toBe(1);
    expect(bad.output).toMatch(/^fail {5}broker {8}.*\n {23}Is it running[\s\S]*\n1 of 4 failed\.\n$/);
  });

  it('takes the file of the app, and refuses what the app refuses', async () => {
    const { cloudBroker, store } = await way();
    const file = join(store, 'sink.yaml');
    await writeFile(file, `cloudUrl: ${cloudBroker.url}\nstore: ${store}\nlogLevel: warn\n`);
    const { code, of, text } = await doctor('cloud-sink', ['--config', file]);
    expect(code, text).toBe(0);
    expect(of('store')).toContain(store);
    const wrong = startApp('cloud-sink', ['doctor', '--config', file, '--concurrency', 'many']);
    expect(await wrong.ended).toBe(2);
  });

  it('tells of a bucket whose server is away, and the cure', async () => {
    const { sink } = await way();
    const bucket = ['--store', 's3://faces', '--s3-endpoint', `http://127.0.0.1:${await freePort()}`];
    const env = { AWS_ACCESS_KEY_ID: 'someone', AWS_SECRET_ACCESS_KEY: 'secret-key', AWS_REGION: 'x' };
    const { code, failed, of, text } = await doctor('cloud-sink', [...sink, ...bucket], env);
    expect([code, failed], text).toEqual([1, ['store']]);
    expect(of('store')).toMatch(/does not take requests.*Is the server running, and is the endpoint right\?/);
  });

  it('tells of the clock of a server, even of one that refuses us', async () => {
    const hour = 3_600_000;
    const refusing = createServer((_, response) => {
      const date = new Date(Date.now() + hour).toUTCString();
      response.writeHead(403, { 'content-type': 'application/xml', date });
      response.end('<Error><Code>AccessDenied</Code><Message>Access Denied</Message></Error>');
    });
    const { sink } = await way();
    const endpoint = `http://127.0.0.1:${await listening(refusing)}`;
    const bucket = [
      '--store',
      's3://faces',
      '--s3-endpoint',
      endpoint,
      '--s3-path-style',
      '--s3-region',
      'x',
    ];
    const env = { AWS_ACCESS_KEY_ID: 'someone', AWS_SECRET_ACCESS_KEY: 'secret-key' };
    const { code, failed, of, text } = await doctor('cloud-sink', [...sink, ...bucket], env);
    expect([code, failed], text).toEqual([1, ['store', 'clock']]);
    expect(of('clock')).toMatch(/about 3\d{3}\.\d s ahead of ours.*NTP/);
    expect(text).not.toContain('secret-key');
  });
});

describeWith('tmpfs', 'doctor on disks', () => {
  it('says that there is too little room, and makes no folder', async () => {
    const disk = new SmallDisk(8_000_000);
    onTestFinished(() => disk.close());
    const args = ['--role', 'detect', '--source', await photoFolder(1), '--edge-url', await nowhere()];
    const spool = join(disk.folder, 'spool');
    const edge = await doctor('edge-pipeline', [...args, '--spool', spool]);
    expect(edge.failed, edge.text).toEqual(['spool', 'edge broker']);
    expect(edge.of('spool')).toMatch(/8 MB free, of which 104 MB stay free.*put --spool on another disk/);
    expect(await readdir(disk.folder)).toEqual([]);
    const sink = ['--cloud-url', await nowhere(), '--store', disk.folder];
    const cloud = await doctor('cloud-sink', sink);
    expect(cloud.of('store'), cloud.text).toMatch(/^fail: .*are to stay free. Free some space/);
    const removing = await doctor('cloud-sink', [...sink, '--when-full', 'remove-oldest']);
    expect(removing.of('store'), removing.text).toMatch(/^pass/);
  });

  it('says that nothing can be written', async () => {
    const disk = new SmallDisk(500_000_000);
    onTestFinished(() => disk.close());
    disk.forbidWriting();
    const args = ['--role', 'detect', '--source', await photoFolder(1), '--edge-url', await nowhere()];
    const edge = await doctor('edge-pipeline', [...args, '--spool', join(disk.folder, 'spool')]);
    expect(edge.failed, edge.text).toEqual(['spool', 'edge broker']);
    expect(edge.of('spool')).toMatch(/cannot be written .* another folder with --spool/);
    const cloud = await doctor('cloud-sink', ['--cloud-url', await nowhere(), '--store', disk.folder]);
    expect(cloud.failed, cloud.text).toEqual(['broker', 'store']);
    expect(cloud.of('store')).toMatch(/^fail: .*\w/);
  });
});

describeWith('ceph', 'doctor of a bucket', () => {
  it('writes, reads and deletes an object, and tells what is wrong', { timeout: 90_000 }, async () => {
    const server = await starting!;
    await createBucket(server, 'faces');
    const { sink } = await way();
    const at = (store: string, { endpoint, region }: S3Server) => [
      ...[...sink, '--store', store],
      ...['--s3-endpoint', endpoint, '--s3-path-style', '--s3-region', region],
    ];
    const env = { AWS_ACCESS_KEY_ID: server.accessKeyId, AWS_SECRET_ACCESS_KEY: server.secretAccessKey };
    const good = await doctor('cloud-sink', at('s3://faces/door', server), env);
    expect([good.code, good.failed, good.skipped], good.text).toEqual([0, [], []]);
    expect(good.of('store')).toMatch(/^pass: .*refused a second time/);
    expect(good.of('clock')).toMatch(/^pass: about .* give or take/);
    const missing = await doctor('cloud-sink', at('s3://no-such-bucket', server), env);
    expect([missing.code, missing.failed], missing.text).toEqual([1, ['store']]);
    expect(missing.of('store')).toMatch(/no-such-bucket/);
    const wrong = { ...env, AWS_SECRET_ACCESS_KEY: 'not-the-secret' };
    const denied = await doctor('cloud-sink', at('s3://faces', server), wrong);
    expect([denied.code, denied.failed], denied.text).toEqual([1, ['store']]);
    expect(denied.text).not.toContain('not-the-secret');
  });
});

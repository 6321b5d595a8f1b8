import { spawnSync } from 'node:child_process';
import { writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { freePort, startMosquitto } from 'edge-relay/testing';
import { connectAsync } from 'mqtt';
import { describe, expect, it, onTestFinished } from 'vitest';
import { describeWith } from '../packages/core/test/requirements';
import { startApp, until, watched } from './app-process';
import { filesIn, photoFolder, temporaryFolder } from './materials';
import { scrape } from './scrape';

async function readiness(url: string): Promise<{ status: number; reasons: Record<string, string> }> {
  const response = await fetch(`${url}/readyz`);
  const { ready, reasons } = (await response.json()) as { ready: boolean; reasons: Record<string, string> };
  expect(ready).toBe(response.status === 200);
  return { status: response.status, reasons };
}

describeWith('mosquitto', 'an app that is watched', () => {
  it('says what it waits for, what it does, that its broker is gone and that it is back, in one line each', async () => {
    const [edgePort, cloudPort] = [await freePort(), await freePort()];
    const [edgeUrl, cloudUrl] = [`mqtt://127.0.0.1:${edgePort}`, `mqtt://127.0.0.1:${cloudPort}`];
    const store = await temporaryFolder();
    const sink = startApp('cloud-sink', ['--metrics', '0', '--cloud-url', cloudUrl, '--store', store]);
    const edge = startApp('edge-pipeline', [
      ...['--metrics', '0', '--edge-url', edgeUrl, '--cloud-url', cloudUrl, '--policy', 'all'],
      ...['--source', `door=${await photoFolder(1)}`, '--source', `yard=${await photoFolder(2)}`],
      ...['--loop', '--frames-per-second', '4'],
    ]);
    const logs = () => `${sink.log}\n${edge.log}`;
    const [sinkAt, edgeAt] = [await watched(sink), await watched(edge)];
    expect((await fetch(`${edgeAt}/healthz`)).status).toBe(200);
    // The detector starts when the bridge is there, so only the bridge is waited for yet.
    await until(
      async () => (await readiness(edgeAt)).reasons['bridge to']?.includes('cannot reach') ?? false,
      logs,
    );
    expect((await readiness(edgeAt)).status).toBe(503);
    expect(await readiness(sinkAt)).toMatchObject({ status: 503, reasons: { broker: expect.any(String) } });

    const edgeBroker = await startMosquitto({ port: edgePort });
    let cloudBroker = await startMosquitto({ port: cloudPort });
    onTestFinished(async () => {
      await Promise.all([edgeBroker.close(), cloudBroker.close()]);
    });
    for (const url of [edgeAt, sinkAt]) await until(async () => (await readiness(url)).status === 200, logs);
    await until(async () => (await filesIn(store)).length > 20, logs);
    // A face is in the folder before the brokers' acknowledgements of it are back and counted here.
    await until(async () => {
      const { value } = await scrape(`${edgeAt}/metrics`);
      const selected = ['door', 'yard'].map(
        (camera) => value('edge_relay_faces_selected_total', { camera })!,
      );
      const acknowledged = value('edge_relay_publish_total', { result: 'acknowledged' })!;
      return (
        Math.min(...selected) > 5 && acknowledged > 20 && value('edge_relay_bridge_forwarded_total')! > 20
      );
    }, logs);

    const seen = await scrape(`${edgeAt}/metrics`);
    for (const camera of ['door', 'yard']) {
      const at = (name: string) => seen.value(`edge_relay_${name}`, { camera })!;
      expect(at('frames_captured_total')).toBeGreaterThan(2);
      expect(at('faces_detected_total')).toBeGreaterThanOrEqual(at('faces_selected_total'));
      expect(at('detect_duration_seconds_count')).toBeGreaterThan(2);
      expect(at('camera_fps')).toBeGreaterThan(0);
      expect(at('capture_stalled')).toBe(0);
      expect(seen.value('edge_relay_capture_restarts_total', { camera, reason: 'stall' })).toBe(0);
    }
    for (const stage of ['publisher', 'bridge']) {
      expect(seen.value('edge_relay_spool_bytes', { stage }), stage).toBeGreaterThanOrEqual(0);
    }
    for (const stage of ['publisher', 'bridge-from', 'bridge-to']) {
      expect(seen.value('edge_relay_mqtt_connected', { stage }), stage).toBe(1);
    }

    await cloudBroker.close();
    await until(async () => (await readiness(edgeAt)).status === 503, logs);
    await until(async () => (await readiness(sinkAt)).reasons.broker !== undefined, logs);
    expect(
      (await scrape(`${edgeAt}/metrics`)).value('edge_relay_mqtt_connected', { stage: 'bridge-to' }),
    ).toBe(0);
    await until(
      async () =>
        (await scrape(`${edgeAt}/metrics`)).value('edge_relay_spool_oldest_age_seconds', {
          stage: 'bridge',
        })! > 1,
      logs,
    );
    // Long enough for several attempts, of which none is worth a line of its own.
    await new Promise((resolve) => setTimeout(resolve, 4_000));
    cloudBroker = await startMosquitto({ port: cloudPort });
    for (const url of [edgeAt, sinkAt]) await until(async () => (await readiness(url)).status === 200, logs);
    const after = await scrape(`${sinkAt}/metrics`);
    expect(after.value('edge_relay_mqtt_reconnects_total', { stage: 'subscriber' })).toBe(1);
    expect(sink.log.match(/lost the connection/g)).toHaveLength(1);
    // Once before it was there, and once after it had gone, however often it was tried.
    expect(sink.log.match(/cannot reach the broker/g)).toHaveLength(2);
    expect(sink.log.match(/listening to/g)).toHaveLength(2);

    edge.child.kill('SIGTERM');
    expect(await edge.ended, edge.log).toBe(0);
    const [, forwarded] = /bridge: (\d+) forwarded/.exec(edge.log) ?? [];
    await until(
      async () =>
        (await scrape(`${sinkAt}/metrics`)).value('edge_relay_sink_objects_total', { result: 'stored' }) ===
        Number(forwarded),
      logs,
    );
    const stored = await scrape(`${sinkAt}/metrics`);
    expect(await filesIn(store)).toHaveLength(Number(forwarded));
    expect(stored.value('edge_relay_sink_duration_seconds_count')).toBeGreaterThanOrEqual(Number(forwarded));
    const cameras = ['door', 'yard'].map(
      (camera) => stored.value('edge_relay_end_to_end_seconds_count', { camera })!,
    );
    expect(cameras[0]! + cameras[1]!).toBe(Number(forwarded));
  });

  it('is not ready while its store fails, and counts how often', async () => {
    const broker = await startMosquitto();
    const args = [
      '--store',
      's3://nowhere',
      '--s3-endpoint',
      'http://127.0.0.1:1',
      '--cloud-url',
      broker.url,
    ];
    const app = startApp('cloud-sink', [...args, '--metrics', '0'], {
      env: { AWS_ACCESS_KEY_ID: 'a', AWS_SECRET_ACCESS_KEY: 'b', AWS_REGION: 'us-east-1' },
    });
    onTestFinished(async () => {
      app.child.kill('SIGKILL');
      await broker.close();
    });
    const url = await watched(app);
    await until(
      async () => (await readiness(url)).reasons.store?.includes('the store fails') ?? false,
      () => app.log,
    );
    await until(
      async () => (await scrape(`${url}/metrics`)).value('edge_relay_sink_retries_total')! > 0,
      () => app.log,
    );
  });

  it('says on MQTT that it is there, and the broker says it when it is killed', async () => {
    const broker = await startMosquitto();
    const client = await connectAsync(broker.url);
    const said: string[] = [];
    client.on('message', (topic, payload, { retain }) =>
      said.push(`${topic} ${payload}${retain ? ' retained' : ''}`),
    );
    await client.subscribeAsync('state/#', { qos: 1 });
    const args = ['--edge-url', broker.url, '--cloud-url', broker.url, '--loop', '--frames-per-second', '2'];
    const edge = startApp('edge-pipeline', [
      ...args,
      ...[
        '--source',
        await photoFolder(1),
        '--status-topic',
        'state/edge',
        '--bridge-status-topic',
        'state/bridge',
      ],
    ]);
    const sink = startApp('cloud-sink', [
      ...['--cloud-url', broker.url, '--store', await temporaryFolder(), '--status-topic', 'state/sink'],
    ]);
    onTestFinished(async () => {
      for (const { child } of [sink, edge]) child.kill('SIGKILL');
      await client.endAsync();
      await broker.close();
    });
    const says = (line: string) =>
      until(
        () => said.includes(line),
        () => `${said}\n${edge.log}\n${sink.log}`,
      );
    for (const topic of ['edge', 'bridge', 'sink']) await says(`state/${topic} 1`);
    edge.child.kill('SIGKILL');
    sink.child.kill('SIGTERM');
    for (const topic of ['edge', 'bridge', 'sink']) await says(`state/${topic} 0`);
    const late = await connectAsync(broker.url);
    onTestFinished(() => late.endAsync());
    late.on('message', (topic, payload, { retain }) =>
      said.push(`late ${topic} ${payload}${retain ? ' retained' : ''}`),
    );
    await late.subscribeAsync('state/#', { qos: 1 });
    await says('late state/sink 0 retained');
  });

  it('says on MQTT how each camera is, also after the broker has forgotten it', async () => {
    const broker = await startMosquitto();
    onTestFinished(() => broker.close());
    const said: Record<string, string[]> = {};
    const listen = async () => {
      const client = await connectAsync(broker.url);
      onTestFinished(() => client.endAsync());
      client.on('message', (topic, payload) => {
        said[topic] ??= [];
        said[topic].push(`${payload}`);
      });
      await client.subscribeAsync('state/#', { qos: 1 });
    };
    await listen();
    const photos = await photoFolder(1);
    const remembers = join(await temporaryFolder(), 'once');
    const script = fileURLToPath(new URL('../packages/core/test/stand-in-camera.mjs', import.meta.url));
    const camera = (behaviour: object) =>
      `exec:"${process.execPath}" '${script}' ${photos} '${JSON.stringify({ everyMs: 200, ...behaviour })}'`;
    const edge = startApp('edge-pipeline', [
      ...['--role', 'detect', '--edge-url', broker.url, '--status-topic', 'state/detector'],
      // Nobody takes the faces: on disk they do not keep it from ending.
      ...['--detection-width', '320', '--stall-seconds', '2', '--spool', await temporaryFolder()],
      ...['--source', `door=${camera({ frames: 3, afterwards: 'stall', once: remembers })}`],
      ...['--source', `yard=${camera({ frames: 3, afterwards: 'crash' })}`],
    ]);
    const hears = (topic: string, ...texts: string[]) =>
      until(
        () => texts.every((text) => said[`state/detector/${topic}`]?.includes(text)),
        () => `${JSON.stringify(said)}\n${edge.log}`,
      );
    await hears('door', 'running', 'stalled');
    await hears('yard', 'running', 'failed');
    const ofDoor = said['state/detector/door']!;
    // What was before the connection is not said.
    expect(ofDoor.filter((text) => text !== 'starting').slice(0, 2)).toEqual(['running', 'stalled']);
    await until(
      () => ofDoor.lastIndexOf('running') > ofDoor.indexOf('stalled'),
      () => `${ofDoor}\n${edge.log}`,
    );
    await broker.kill();
    for (const topic of Object.keys(said)) delete said[topic];
    await broker.start();
    await listen();
    await until(
      () => Object.keys(said).length === 3,
      () => `${JSON.stringify(said)}\n${edge.log}`,
    );
    edge.child.kill('SIGTERM');
    for (const name of ['door', 'yard']) await hears(name, 'ended');
    expect(await edge.ended, edge.log).toBe(0);
    await until(
      () => said['state/detector']?.at(-1) === '0',
      () => JSON.stringify(said),
    );
  });

  it('answers this machine alone, unless it is told otherwise', async () => {
    const local = startApp('cloud-sink', ['--metrics', '0', '--cloud-url', 'mqtt://127.0.0.1:1']);
    const open = startApp('cloud-sink', [
      '--metrics',
      '0',
      '--metrics-host',
      '0.0.0.0',
      '--cloud-url',
      'mqtt://127.0.0.1:1',
    ]);
    const elsewhere = (url: string) => `${url.replace(/\/\/[\d.]+/, '//127.0.0.2')}/healthz`;
    const [localAt, openAt] = [await watched(local), await watched(open)];
    expect((await fetch(`${localAt}/healthz`)).status).toBe(200);
    await expect(fetch(elsewhere(localAt))).rejects.toThrow();
    expect((await fetch(elsewhere(openAt))).status).toBe(200);
    expect((await fetch(`${localAt}/metrics`, { method: 'POST' })).status).toBe(405);
    expect((await fetch(`${localAt}/other`)).status).toBe(404);
  });

  it('says it where the port is taken', async () => {
    const other = createServer();
    await new Promise<void>((resolve) => other.listen(0, '127.0.0.1', resolve));
    onTestFinished(() => void other.close());
    const { port } = other.address() as { port: number };
    const app = startApp('cloud-sink', ['--metrics', `${port}`, '--cloud-url', 'mqtt://127.0.0.1:1']);
    expect(await app.ended).toBe(1);
    expect(app.log).toContain(`metrics: cannot serve at 127.0.0.1:${port}`);
    expect(app.log).toContain('Choose another --metrics port');
  });
});

describe('the log', () => {
  const secret = 'open-sesame';
  const args = [
    ...[
      '--edge-url',
      `mqtt://me:${secret}@127.0.0.1:1`,
      '--cloud-url',
      'mqtt://127.0.0.1:1',
      '--cloud-username',
      'me',
    ],
    ...['--source', `rtsp://anna:${secret}@127.0.0.1:1/live?password=${secret}`, '--metrics', '0'],
  ];
  const env = { EDGE_RELAY_CLOUD_PASSWORD: secret };

  it.each([
    ['detect', 'cannot reach the broker'],
    ['bridge', 'cannot reach the broker'],
  ])('of role %s has no password in it, nor have /readyz and /metrics', async (role, says) => {
    const more =
      role === 'bridge'
        ? args.filter((one, index) => !`${args[index - 1]}${one}`.includes('--source'))
        : args;
    const app = startApp('edge-pipeline', ['--role', role, ...more], { env });
    const url = await watched(app);
    await until(
      async () => app.log.includes(says) && (role === 'bridge' || /rtsp:\/\/\*\*\*@/.test(app.log)),
      () => app.log,
    );
    for (const path of ['readyz', 'metrics'])
      expect(await (await fetch(`${url}/${path}`)).text()).not.toContain(secret);
    app.child.kill('SIGTERM');
    await app.ended;
    expect(app.log).not.toContain(secret);
    expect(app.output).not.toContain(secret);
  });

  it.each(['--store', '--s3-endpoint', '--cloud-url'])(
    'shows no password of an address that %s refuses',
    async (option) => {
      const app = startApp('cloud-sink', ['--store', 's3://faces', option, `s3://anna:open/${secret}@faces`]);
      expect(await app.ended, app.log).toBe(2);
      expect(app.log).toContain('s3://***@faces');
      expect(app.log).not.toContain(secret);
    },
  );

  it('hides a password that a program prints, of whom nobody knows that it is one', async () => {
    const camera = `exec:sh -c 'echo the word is ${secret} >&2; exit 3'`;
    const app = startApp(
      'edge-pipeline',
      ['--role', 'detect', '--source', camera, '--edge-url', 'mqtt://127.0.0.1:1'],
      {
        env: { EDGE_RELAY_EDGE_USERNAME: 'me', EDGE_RELAY_EDGE_PASSWORD: secret },
      },
    );
    await until(
      () => app.log.includes('the word is ***'),
      () => app.log,
    );
    expect(app.log).not.toContain(secret);
  });

  it('has what Node and packages warn of in lines of its own, too', async () => {
    const warns = join(await temporaryFolder(), 'warns.cjs');
    await writeFile(
      warns,
      "setInterval(() => process.emitWarning('the house\\nis on fire'), 100).unref();\n",
    );
    const app = startApp('cloud-sink', ['--cloud-url', 'mqtt://127.0.0.1:1', '--store', dirname(warns)], {
      env: { NODE_OPTIONS: `--require ${warns}` },
    });
    await until(
      () => / cloud-sink warn the house is on fire$/m.test(app.log),
      () => app.log,
    );
  });

  it('is JSON where nobody looks, and for people on a terminal or when told', async () => {
    const main = fileURLToPath(new URL('../packages/examples/edge-pipeline/dist/main.js', import.meta.url));
    const command = [main, '--role', 'detect', '--source', '/no/such/folder'];
    const piped = spawnSync(process.execPath, command, { encoding: 'utf8' }).stderr;
    expect(JSON.parse(piped)).toMatchObject({
      level: 'error',
      name: 'edge-pipeline',
      msg: expect.stringContaining('/no/such/folder'),
    });
    const told = spawnSync(process.execPath, [...command, '--log-format', 'pretty'], {
      encoding: 'utf8',
    }).stderr;
    expect(told).toMatch(/^\[\d{4}-.*Z\] ERROR \(edge-pipeline\): There is no \/no\/such\/folder/);
    const typed = [process.execPath, ...command].join(' ');
    const terminal = spawnSync('script', ['-qec', typed, '/dev/null'], {
      encoding: 'utf8',
      input: '',
    }).stdout;
    expect(terminal).toMatch(/\[\d\d:\d\d:\d\d\] .*ERROR.*: .*There is no \/no\/such\/folder/);
    const quiet = spawnSync(
      process.execPath,
      [
        main,
        '--role',
        'detect',
        '--source',
        await photoFolder(1),
        '--edge-url',
        'mqtt://127.0.0.1:1',
        '--log-level',
        'error',
      ],
      { encoding: 'utf8', timeout: 3_000, killSignal: 'SIGKILL' },
    );
    expect(quiet.stderr).toBe('');
  });
});

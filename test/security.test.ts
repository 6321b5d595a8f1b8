import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { freePort, type Mosquitto, makeCertificateAuthority, startMosquitto } from 'edge-relay/testing';
import { connectAsync, type IClientOptions } from 'mqtt';
import { expect, it, onTestFinished } from 'vitest';
import { blocksOf } from '../packages/core/test/markdown';
import { describeWith } from '../packages/core/test/requirements';
import { type AppProcess, startApp, until } from './app-process';
import { filesIn, photoFolder, temporaryFolder } from './materials';

const document = readFileSync(fileURLToPath(new URL('../docs/security.md', import.meta.url)), 'utf8');
const blocks = blocksOf('security.md', document).filter(({ language }) => language === 'conf');
const PASSWORD = 'ge:heim/1 %';
const FACES = 3;

/** The file that the document shows under this name. */
function shown(path: string): string {
  const block = blocks.find(({ text }) => text.startsWith(`# /etc/mosquitto/${path}\n`));
  if (!block) throw new Error(`docs/security.md does not show ${path}`);
  return block.text;
}

/** A Mosquitto with the document's configuration, its files in a folder of ours. */
async function startAsShown(
  config: string,
  access: string,
  users: readonly string[],
): Promise<{ readonly broker: Mosquitto; readonly folder: string }> {
  const folder = await temporaryFolder();
  await writeFile(join(folder, access), shown(access));
  const passwords = join(folder, 'passwords');
  await writeFile(passwords, '');
  for (const user of users) execFileSync('mosquitto_passwd', ['-b', passwords, user, PASSWORD]);
  const authority = makeCertificateAuthority();
  const server = authority.issue({ name: 'cloud', hosts: ['127.0.0.1'] });
  const files = { 'authority.crt': authority.ca, 'cloud.crt': server.cert, 'cloud.key': server.key };
  for (const [name, text] of Object.entries(files)) await writeFile(join(folder, name), text);
  for (const name of ['device-1', 'sink', 'watcher']) {
    const { cert, key } = authority.issue({ name });
    await writeFile(join(folder, `${name}.crt`), cert);
    await writeFile(join(folder, `${name}.key`), key);
  }
  const port = await freePort();
  const text = shown(config)
    .replace(/^listener .*$/m, '')
    .replaceAll(/\/etc\/mosquitto\/(?:certs\/)?/g, `${folder}/`);
  const broker = await startMosquitto({ port, config: text });
  onTestFinished(() => broker.close());
  return { broker, folder };
}

/** The access rules of the containers of a machine. */
function shippedRules(side: string): string {
  return fileURLToPath(new URL(`../packages/examples/deploy/${side}/mosquitto.acl`, import.meta.url));
}

/** Every topic that one of the parties writes, and some that are somebody else's. */
const TOPICS = [
  ...['edge-relay/device-1/bridge', 'edge-relay/device-1/detector', 'edge-relay/device-1/detector/door'],
  ...['edge-relay/device-2/other', 'edge-relay/sink', 'elsewhere', 'hw3faces', 'hw3faces/receipts/device-1'],
  ...['hw3facestx2', 'hw3facestx2/receipts/device-1'],
];

/** Those that the broker takes from a user. */
async function writableBy(url: string, username: string): Promise<string[]> {
  const client = await connectAsync(url, { username, password: PASSWORD, protocolVersion: 5 });
  const taken: string[] = [];
  try {
    for (const topic of TOPICS) {
      const publishing = client.publishAsync(topic, 'x', { qos: 1 });
      if (await publishing.then(() => true).catch(() => false)) taken.push(topic);
    }
  } finally {
    await client.endAsync();
  }
  return taken;
}

/** What somebody who may only watch hears last on each topic of a broker. */
async function watch({ url, ...options }: { url: string } & IClientOptions): Promise<Record<string, string>> {
  const client = await connectAsync(url, { ...options, protocolVersion: 5 });
  onTestFinished(() => client.endAsync());
  const said: Record<string, string> = {};
  client.on('message', (topic, payload) => {
    said[topic] = `${payload}`;
  });
  await client.subscribeAsync('#', { qos: 1 });
  return said;
}

describeWith('mosquitto', 'the set-up of docs/security.md', () => {
  it.each([
    ['passwords', 'conf.d/cloud.conf'],
    ['client certificates', 'conf.d/cloud-mutual.conf'],
  ] as const)('carries faces to the store, with %s, and logs no password', async (kind, cloudConfig) => {
    const { broker: edge } = await startAsShown('conf.d/edge.conf', 'edge.acl', [
      'detector',
      'bridge',
      'watcher',
    ]);
    const { broker: cloud, folder } = await startAsShown(cloudConfig, 'cloud.acl', [
      'device-1',
      'sink',
      'watcher',
    ]);
    const store = await temporaryFolder();
    const cloudUrl = `mqtts://127.0.0.1:${cloud.port}`;
    const file = (name: string) => join(folder, name);
    const isByPassword = kind === 'passwords';
    const apps: AppProcess[] = [];
    const start = (
      ...[app, args, env]: [Parameters<typeof startApp>[0], string[], Record<string, string>]
    ) => {
      // Faces leave the device only when their receipts get through.
      const started = startApp(app, [...args, '--receipts'], { env });
      apps.push(started);
      return started;
    };
    const logs = () => apps.map(({ log }) => log).join('\n');
    // By its password, or by its certificate.
    const cloudAs = (user: string) => ({
      args: [
        ...['--ca', file('authority.crt')],
        ...(isByPassword
          ? ['--username', user]
          : ['--cert', file(`${user}.crt`), '--key', file(`${user}.key`)]),
      ],
      env: { EDGE_RELAY_PASSWORD: isByPassword ? PASSWORD : '' },
    });
    const cloudOfDevice = cloudAs('device-1').args.map((arg) => arg.replace(/^--/, '--cloud-'));
    const bridging = [
      ...['--role', 'bridge', '--edge-url', edge.url, '--edge-username', 'bridge'],
      ...['--cloud-url', cloudUrl, ...cloudOfDevice],
    ];
    const passwords = {
      EDGE_RELAY_EDGE_PASSWORD: PASSWORD,
      EDGE_RELAY_CLOUD_PASSWORD: isByPassword ? PASSWORD : '',
    };
    const storing = ['--cloud-url', cloudUrl, '--store', store];
    const atEdge = await watch({ url: edge.url, username: 'watcher', password: PASSWORD });
    const watcher = {
      cert: readFileSync(file('watcher.crt')),
      key: readFileSync(file('watcher.key')),
    };
    const atCloud = await watch({
      url: cloudUrl,
      ca: readFileSync(file('authority.crt')),
      ...(isByPassword ? { username: 'watcher', password: PASSWORD } : watcher),
    });

    const sink = cloudAs('sink');
    start('cloud-sink', [...storing, ...sink.args, '--status-topic', 'edge-relay/sink'], sink.env);
    start('edge-pipeline', [...bridging, '--bridge-status-topic', 'edge-relay/device-1/bridge'], passwords);
    await until(() => ['from', 'to'].every((side) => logs().includes(`connected ${side}`)), logs);
    // Within the address, as the document says it can be, and behind one where nobody is.
    const detector = `mqtt://detector:${encodeURIComponent(PASSWORD)}@127.0.0.1:${edge.port}`;
    const detecting = start(
      'edge-pipeline',
      [
        ...['--role', 'detect', '--source', `door=${await photoFolder(1)}`],
        ...['--edge-url', `mqtt://127.0.0.1:1,${detector}`, '--status-topic', 'edge-relay/door/detector'],
      ],
      {},
    );
    expect(await detecting.ended, logs()).toBe(0);
    await until(async () => (await filesIn(store)).length === FACES, logs);
    expect(detecting.log).toContain(`${FACES} stored`);
    expect(detecting.log).toContain(
      `publishing to hw3facestx2 at mqtt://detector:***@127.0.0.1:${edge.port}`,
    );
    const bridge = 'edge-relay/device-1/bridge';
    const detectorSays = 'edge-relay/door/detector';
    await until(
      () =>
        atEdge[bridge] === '1' && atEdge[detectorSays] === '0' && atEdge[`${detectorSays}/door`] === 'ended',
      () => JSON.stringify(atEdge),
    );
    await until(
      () => atCloud[bridge] === '1' && atCloud['edge-relay/sink'] === '1',
      () => JSON.stringify(atCloud),
    );
    expect(Object.keys({ ...atEdge, ...atCloud })).toHaveLength(4);

    const doctor = async (...[app, args, env]: Parameters<typeof start>) => {
      const examining = start(app, ['doctor', '--json', ...args], env);
      await examining.ended;
      const { checks } = JSON.parse(examining.output) as { checks: { name: string; state: string }[] };
      const named = checks.map(({ name, state }) => [name, state]);
      return { output: examining.output, states: Object.fromEntries(named) as Record<string, string> };
    };
    const seeing = ['--role', 'detect', '--source', await photoFolder(1), '--edge-url', detector];
    const reports = {
      detector: await doctor('edge-pipeline', seeing, {}),
      bridge: await doctor('edge-pipeline', bridging, passwords),
      sink: await doctor('cloud-sink', [...storing, ...sink.args], sink.env),
      device: await doctor('cloud-sink', [...storing, ...cloudAs('device-1').args], sink.env),
    };
    const { detector: atDetector, bridge: atBridge, sink: atSink, device } = reports;
    expect(atDetector.states, atDetector.output).toMatchObject({
      'edge broker': 'pass',
      'edge to store': 'pass',
    });
    expect(atBridge.states, atBridge.output).toMatchObject({
      'edge broker': 'pass',
      'cloud broker': 'pass',
      'cloud to store': 'pass',
    });
    expect(atSink.states, atSink.output).toMatchObject({ broker: 'pass', 'running sink': 'skipped' });
    expect(device.states, device.output).toMatchObject({ broker: 'pass', 'running sink': 'pass' });

    const written = [logs(), ...Object.values(reports).map(({ output }) => output)].join();
    expect(written).not.toContain(PASSWORD);
    expect(written).not.toContain(encodeURIComponent(PASSWORD));
  });

  const ofEdge = {
    detector: ['edge-relay/device-1/detector', 'edge-relay/device-1/detector/door', 'hw3facestx2'],
    bridge: ['edge-relay/device-1/bridge', 'hw3facestx2/receipts/device-1'],
  };
  const ofCloud = {
    'device-1': ['edge-relay/device-1/bridge', 'hw3faces'],
    sink: ['edge-relay/sink', 'hw3faces/receipts/device-1'],
  };
  it.each([
    ['docs/security.md', 'edge.acl', { ...ofEdge, watcher: [] }],
    ['docs/security.md', 'cloud.acl', { ...ofCloud, watcher: [] }],
    ['the containers', 'edge', { ...ofEdge, listener: [] }],
    ['the containers', 'cloud', ofCloud],
  ])('gives nobody more rights to write than he needs: %s, %s', async (where, name, expected) => {
    const path = join(await temporaryFolder(), 'acl');
    const rules = where === 'the containers' ? readFileSync(shippedRules(name), 'utf8') : shown(name);
    await writeFile(path, rules, { mode: 0o600 });
    const users = Object.fromEntries(Object.keys(expected).map((user) => [user, PASSWORD]));
    const broker = await startMosquitto({ users, config: `acl_file ${path}` });
    onTestFinished(() => broker.close());
    const named = [...rules.matchAll(/^user (.*)$/gm)].map(([, user]) => user);
    expect(named).toEqual(Object.keys(expected));
    for (const [user, topics] of Object.entries(expected)) {
      expect(await writableBy(broker.url, user), user).toEqual(topics);
    }
  });

  it('lets nobody in without a name, and says why', async () => {
    const { broker: edge } = await startAsShown('conf.d/edge.conf', 'edge.acl', []);
    const app = startApp('cloud-sink', ['--cloud-url', edge.url, '--store', await temporaryFolder()]);
    expect(await app.ended).toBe(1);
    expect(app.log).toMatch(/error .*wants a user name and password \(not authorised\)\. Set username/);
  });
});

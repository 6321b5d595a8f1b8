import { execFile, spawnSync } from 'node:child_process';
import { X509Certificate } from 'node:crypto';
import { existsSync, readFileSync, rmSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';
import { validate as validateDockerfile } from 'dockerfile-utils';
import { Publisher } from 'edge-relay';
import { freePort } from 'edge-relay/testing';
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from 'vitest';
import { parse } from 'yaml';
import { describeWith } from '../packages/core/test/requirements';
import { until } from './app-process';
import { containersIn, readComposeFile } from './containers/compose-file';
import { type Container, readVariables } from './containers/container';
import { readDockerfile } from './containers/dockerfile';
import { type App, buildImage, dockerfileOf, type Image, workspace } from './containers/image';
import { type Changes, Machine, type Running } from './containers/machine';
import { containersOf, problemsOf, readKustomization, readManifests } from './containers/manifests';
import { shownAs, takeSteps } from './containers/steps';
import { filesIn, photoFolder } from './materials';

const deploy = join(workspace, 'packages', 'examples', 'deploy');
const sides = ['edge', 'cloud'] as const;
type Side = (typeof sides)[number];
const folderOf = (side: Side) => join(deploy, side);
const composeOf = (side: Side) => join(folderOf(side), `compose.${side}.yaml`);
const variablesOf = (side: Side) => readVariables(readFileSync(join(folderOf(side), 'example.env'), 'utf8'));
const containers = (side: Side, variables = variablesOf(side)) =>
  containersIn(readComposeFile(composeOf(side), variables));
const apps = ['edge-pipeline', 'cloud-sink'] as const;
const PHOTOS = 2;
const FACES = PHOTOS * 3;

describe.each(apps)('the Dockerfile of %s', (app) => {
  const dockerfile = readDockerfile(dockerfileOf(app));

  it('is one that Docker understands', () => {
    expect(validateDockerfile(readFileSync(dockerfileOf(app), 'utf8'))).toEqual([]);
  });

  it('builds as the other one does, and depends on no processor', () => {
    const other = readDockerfile(dockerfileOf(app === 'cloud-sink' ? 'edge-pipeline' : 'cloud-sink'));
    const generic = (steps: typeof dockerfile.build) =>
      steps.map(({ keyword, text }) => `${keyword} ${text.replace(/edge-relay-[a-z-]+/, 'edge-relay-APP')}`);
    expect(generic(dockerfile.build)).toEqual(generic(other.build));
    expect(dockerfile.build.find(({ keyword }) => keyword === 'FROM')?.text).toMatch(
      /-bookworm-slim AS build$/,
    );
    expect(dockerfile.image[0]?.text).toMatch(/-bookworm-slim$/);
    expect([...dockerfile.build, ...dockerfile.image].join('\n')).not.toMatch(/amd64|arm64|x64|x86/);
  });

  it('serves its health where the shipped configuration does, as a user who is not root', () => {
    const side = app === 'cloud-sink' ? 'cloud' : 'edge';
    const { metrics } = parse(readFileSync(join(folderOf(side), `${app}.yaml`), 'utf8'));
    expect(dockerfile.environment).toMatchObject({ EDGE_RELAY_METRICS: String(metrics) });
    expect(dockerfile.healthcheck.join(' ')).toContain(`http://127.0.0.1:${metrics}/healthz`);
    expect(dockerfile.user).toBe('node');
  });
});

it('images are built without the pictures and keys that the guides leave in the clone, which git does not take either', () => {
  const guides = ['homework', 'security'].map((name) =>
    readFileSync(join(workspace, 'docs', `${name}.md`), 'utf8'),
  );
  const folders = guides.flatMap((text) => [...text.matchAll(/--(?:store|spool) \.\/(\w+)/g)]);
  const names = new Set([...folders.map(([, folder]) => `${folder}/`), 'authority.key', 'device-1.key']);
  expect(names.size).toBe(4);
  const read = (name: string) => readFileSync(join(workspace, name), 'utf8').split('\n');
  const forDocker = read('.dockerignore').map((line) => line.replace('**/', ''));
  const forGit = read('.gitignore').map((line) => line.replace(/^\//, ''));
  for (const name of names) {
    const pattern = name.endsWith('.key') ? '*.key' : name;
    expect(forGit).toContain(pattern);
    expect(forDocker).toContain(pattern.replace('/', ''));
  }
});

describe.each(sides)('the files of the machine %s', (side) => {
  const file = readComposeFile(composeOf(side), variablesOf(side));
  const services = Object.entries(file.services);

  // The server for trying out is as its makers made it.
  it.each(services.filter(([name]) => name !== 's3'))(
    '%s has no more rights, memory, logs or time than it needs',
    (_, service) => {
      expect(service).toMatchObject({
        restart: 'unless-stopped',
        init: true,
        read_only: true,
        cap_drop: ['ALL'],
      });
      expect(service.privileged).toBeUndefined();
      expect(service.logging.options).toEqual({ 'max-size': '10m', 'max-file': '3' });
      for (const port of service.ports ?? []) expect(port).toMatch(/^127\.0\.0\.1:|^8883:8883$/);
      // Ours take 8 seconds to drain, and one more to leave.
      expect(Number.parseInt(service.stop_grace_period, 10)).toBeGreaterThan(service.build ? 9 : 4);
      if (service.build) {
        const context = join(folderOf(side), service.build.context);
        expect(apps.map(dockerfileOf)).toContain(join(context, service.build.dockerfile));
      }
    },
  );

  it('ask for each secret that is there, and for none that is not', () => {
    const asked = new Set(services.flatMap(([, { secrets = [] }]) => secrets));
    expect([...asked].sort()).toEqual(Object.keys(file.secrets).sort());
    for (const [name, { file: path }] of Object.entries(file.secrets)) expect(path).toBe(`./secrets/${name}`);
  });

  it('describe the same containers for Docker and for Kubernetes', () => {
    const variables = { ...variablesOf(side), CAMERA: 'door', SOURCE: 'rtsp://10.0.0.5/stream' };
    // The server for trying out is only in the compose file.
    const ofDocker = containers(side, variables).filter(({ name }) => name !== 's3');
    const asUser = (container: Container): Container => ({
      ...container,
      // In both images the user node has this number.
      user: container.user ?? 1000,
    });
    expect(containersOf(folderOf(side), variables).map(asUser)).toEqual(ofDocker.map(asUser));
  });

  it('need for Kubernetes what their kustomization hands to them', () => {
    const kustomization = readKustomization(folderOf(side));
    const { configMapGenerator, secretGenerator, resources, namespace, apiVersion, kind } = kustomization;
    expect({ apiVersion, kind }).toEqual({
      apiVersion: 'kustomize.config.k8s.io/v1beta1',
      kind: 'Kustomization',
    });
    expect(Object.keys(kustomization).sort()).toEqual(
      ['apiVersion', 'configMapGenerator', 'kind', 'namespace', 'resources', 'secretGenerator'].sort(),
    );
    const manifests = readManifests(folderOf(side));
    expect(manifests.find((manifest) => manifest.kind === 'Namespace')?.metadata.name).toBe(namespace);
    expect(resources).toEqual(['k3s.yaml']);
    const files = configMapGenerator.flatMap((one) => one.files ?? []);
    for (const name of files) expect(existsSync(join(folderOf(side), name)), name).toBe(true);
    const secrets = Object.values(file.secrets).map(({ file: path }) => path.replace('./', ''));
    expect([...secretGenerator.flatMap((one) => one.files ?? [])].sort()).toEqual(secrets.sort());
  });
});

describe('the manifests', () => {
  it('are such as Kubernetes knows, which one with a slip would not be', () => {
    const manifests = sides.flatMap((side) => readManifests(folderOf(side)));
    const slip = manifests.find(({ kind }) => kind === 'Deployment');
    const wrong = JSON.parse(JSON.stringify(slip).replace('"readOnly', '"raedOnly'));
    expect(problemsOf([...manifests, wrong])).toEqual([expect.stringContaining('raedOnly')]);
  });
});

describeWith('docker-compose', 'compose', () => {
  const config = (side: Side, variables: Record<string, string>) =>
    spawnSync('docker-compose', ['-f', composeOf(side), '--profile', 'try-s3', 'config'], {
      env: { PATH: process.env.PATH, ...variables },
      encoding: 'utf8',
    });

  it.each(sides)('reads the file of the %s as we do', (side) => {
    const { stdout, stderr, status } = config(side, variablesOf(side));
    expect(status, stderr).toBe(0);
    const theirs = parse(stdout).services as Record<string, { environment?: object; command: string[] }>;
    const read = ({ environment, arguments: command }: Container) => ({ environment, command });
    const ours = Object.fromEntries(containers(side).map((container) => [container.name, read(container)]));
    const compared = Object.entries(theirs).map(([name, { environment = {}, command }]) => {
      return [name, { environment, command }];
    });
    expect(Object.fromEntries(compared)).toEqual(ours);
  });

  it('starts nothing where it is not said where the cloud is, and says so', () => {
    const { CLOUD_URL: _, ...rest } = variablesOf('edge');
    const { stderr, status } = config('edge', rest);
    expect(status).not.toBe(0);
    expect(stderr).toContain('such as CLOUD_URL=mqtts://cloud.example');
    expect(() => containers('edge', rest)).toThrow('such as CLOUD_URL=mqtts://cloud.example');
    expect(() => containersOf(folderOf('edge'), rest)).toThrow("couldn't find key CLOUD_URL");
  });
});

describeWith('mosquitto', 'the containers', () => {
  const images: Record<string, Image> = {};
  let made: ReturnType<typeof takeSteps>;

  beforeAll(async () => {
    made = takeSteps();
    const built = await Promise.all(apps.map(buildImage));
    for (const [index, app] of apps.entries()) images[`edge-relay/${app}:0.1.0`] = built[index]!;
  });

  afterAll(() => {
    for (const { app } of Object.values(images)) rmSync(dirname(app), { recursive: true, force: true });
    rmSync(join(made.edge, '../../../../..'), { recursive: true, force: true });
  });

  /** Both machines, of which nothing runs yet. */
  async function machines({ source = '' } = {}): Promise<Record<Side, Machine>> {
    const [edgePort, cloudPort] = [await freePort(), await freePort()];
    const secrets = (side: Side) => join(made[side], 'secrets');
    const variables = { ...variablesOf('edge'), CLOUD_URL: 'mqtts://cloud.example', SOURCE: source };
    const edge = new Machine({
      ...{ folder: folderOf('edge'), secrets: secrets('edge'), images },
      containers: containers('edge', variables),
      ports: { 'mosquitto:1883': edgePort, 'cloud.example:8883': cloudPort, '127.0.0.1:8883': cloudPort },
    });
    const cloud = new Machine({
      ...{ folder: folderOf('cloud'), secrets: secrets('cloud'), images },
      containers: containers('cloud'),
      ports: { 'mosquitto:8883': cloudPort },
    });
    onTestFinished(async () => {
      await Promise.all([edge.close(), cloud.close()]);
    });
    return { edge, cloud };
  }

  const logsOf = ({ edge, cloud }: Record<Side, Machine>) => `${edge.log}\n${cloud.log}`;

  it('have passwords that the broker alone could not tell', () => {
    const usersOf = (side: Side) =>
      readFileSync(join(made[side], 'secrets', 'passwords'), 'utf8')
        .trimEnd()
        .split('\n')
        .map((line) => /^([\w-]+):\$7\$/.exec(line)?.[1]);
    expect(usersOf('cloud')).toEqual(['sink', 'device-1', 'device-2']);
    expect(usersOf('edge')).toEqual(['detector', 'bridge', 'listener']);
    const accessOf = (side: Side) => readFileSync(join(folderOf(side), 'mosquitto.acl'), 'utf8');
    for (const side of sides) {
      const named = [...accessOf(side).matchAll(/^user (.*)$/gm)].map(([, user]) => user);
      expect(usersOf(side)).toEqual(expect.arrayContaining(named));
    }
  });

  it('have a certificate for the names by which the broker is reached', () => {
    const certificate = new X509Certificate(readFileSync(join(made.cloud, 'secrets', 'broker.crt')));
    for (const host of ['mosquitto', 'localhost']) expect(certificate.checkHost(host)).toBe(host);
    expect(shownAs('steps cloud')).toContain('DNS:cloud.example,');
    expect(variablesOf('edge').CLOUD_URL).toBe('mqtts://cloud.example');
  });

  const inOrder = [
    ...['edge mosquitto', 'cloud mosquitto', 'cloud cloud-sink'],
    ...['edge bridge', 'edge listener', 'edge detector'],
  ];

  /** Starts containers one after the other. */
  async function startAll(
    both: Record<Side, Machine>,
    order: readonly string[],
    changes: Readonly<Record<string, Changes>> = {},
  ): Promise<Record<string, Running>> {
    const running: Record<string, Running> = {};
    for (const one of order) {
      const [side, name] = one.split(' ') as [Side, string];
      running[one] = both[side].start(name, changes[one]);
      await new Promise((resolve) => setTimeout(resolve, 300));
    }
    return running;
  }

  /** The exit code of an image's health check, asked of a container that runs here. */
  async function healthOf(app: App, running: Running): Promise<number | null> {
    const port = () => /metrics at http:\/\/127\.0\.0\.1:(\d+)\//.exec(running.log)?.[1];
    await until(
      () => port() !== undefined,
      () => running.log,
    );
    const { healthcheck, environment } = images[`edge-relay/${app}:0.1.0`]!;
    const [program, ...words] = healthcheck;
    const mapped = words.map((word) => word.replace(`:${environment.EDGE_RELAY_METRICS}/`, `:${port()}/`));
    return spawnSync(program!, mapped).status;
  }

  it('carry faces to the store, started from the wrong end', async () => {
    const both = await machines({ source: await photoFolder(PHOTOS) });
    // Without the listener: what it has been given counts as delivered, and comes again only when no receipt has come.
    const running = await startAll(both, inOrder.filter((one) => one !== 'edge listener').reverse());
    const store = join(both.cloud.volume('faces'), 'faces');
    await until(
      async () => (await filesIn(store)).length >= FACES,
      () => logsOf(both),
    );
    // It ends when it has a receipt for each face: the way back is open, too.
    await until(
      () => running['edge detector']!.ends.includes(0),
      () => logsOf(both),
    );
    expect(running['edge detector']!.log).toContain(`${FACES} stored`);
  });

  it('carry faces to the store, started in order, all killed, and stopped; and answer their health checks', async () => {
    const environment = { EDGE_RELAY_LOOP: 'on', EDGE_RELAY_FRAMES_PER_SECOND: '2' };
    const both = await machines({ source: await photoFolder(1) });
    const running = await startAll(both, inOrder, { 'edge detector': { environment } });
    const store = join(both.cloud.volume('faces'), 'faces');
    const stored = async () => (await filesIn(store)).length;
    await until(
      async () => (await stored()) >= 3,
      () => logsOf(both),
    );
    await until(
      () => /face received, \d+ bytes/.test(running['edge listener']!.log),
      () => logsOf(both),
    );
    const [bridge, sink] = [running['edge bridge']!, running['cloud cloud-sink']!];
    expect(await healthOf('edge-pipeline', bridge)).toBe(0);
    expect(await healthOf('cloud-sink', sink)).toBe(0);
    for (const one of Object.values(running)) one.kill();
    expect(await healthOf('cloud-sink', sink)).toBe(1);
    const before = await stored();
    await until(
      async () => (await stored()) >= before + 6,
      () => logsOf(both),
    );
    for (const [name, one] of Object.entries(running).reverse()) {
      expect(one.ends, name).toContain('SIGKILL');
      await one.stop();
      if (name !== 'edge listener') expect(one.ends.at(-1), one.log).toBe(0);
    }
  });

  it('keep more than 1,000 messages for who is away, also through a restart', async () => {
    const { edge } = await machines();
    const broker = edge.start('mosquitto');
    const passwordOf = (user: string) => readFileSync(join(made.edge, 'secrets', user), 'utf8').trim();
    const url = `mqtt://127.0.0.1:${edge.port('mosquitto:1883')}`;
    const topic = 'hw3facestx2';
    const session = ['-p', new URL(url).port, '-t', topic, '-q', '1', '-c', '-i', 'away'];
    const subscribe = (...more: string[]) =>
      promisify(execFile)('mosquitto_sub', [...session, '-u', 'bridge', '-P', passwordOf('bridge'), ...more]);
    await until(
      async () =>
        await subscribe('-E').then(
          () => true,
          () => false,
        ),
      () => edge.log,
    );
    const count = 1_500;
    await using publisher = new Publisher({
      url,
      topic,
      username: 'detector',
      password: passwordOf('detector'),
    });
    const messages = Array.from({ length: count }, (_, number) => ({
      payload: Buffer.from(`message ${number}`),
    }));
    await Promise.all(messages.map((message) => publisher.publish(message)));
    await publisher.close();
    await broker.stop();
    edge.start('mosquitto');
    await until(
      () => /running/.test(edge.log),
      () => edge.log,
    );
    const { stdout } = await subscribe('-W', '20', '-C', String(count));
    const received = new Set(stdout.trimEnd().split('\n'));
    expect(received.size).toBe(count);
  });

  describe('end, and say what is wrong', () => {
    const wrong = (path: string) => ({ files: { [path]: 'secrets/authority.crt' } });
    const missing = (path: string) => ({ files: { [path]: 'secrets/missing' } });
    const variable = (name: string, value: string) => ({ environment: { [name]: value } });
    it.each([
      [
        'a wrong password',
        'edge',
        'detector',
        wrong('/run/secrets/detector'),
        1,
        /does not let user .*detector/,
      ],
      ['a wrong password', 'edge', 'bridge', wrong('/run/secrets/cloud'), 1, /does not let user .*device-1/],
      ['a wrong password', 'cloud', 'cloud-sink', wrong('/run/secrets/sink'), 1, /does not let user .*sink/],
      ['no password', 'edge', 'detector', missing('/run/secrets/detector'), 2, /secrets\/detector/],
      ['no authority', 'edge', 'bridge', missing('/run/secrets/authority.crt'), 2, /secrets\/authority.crt/],
      [
        'no configuration',
        'edge',
        'bridge',
        missing('/etc/edge-relay/edge-pipeline.yaml'),
        2,
        /cannot be read/,
      ],
      [
        'a name that is not in the certificate',
        'edge',
        'bridge',
        variable('CLOUD_URL', 'mqtts://127.0.0.1'),
        1,
        /not for 127/,
      ],
      [
        'an authority that it does not know',
        'edge',
        'bridge',
        variable('EDGE_RELAY_CLOUD_CA', ''),
        1,
        /not trusted/,
      ],
      [
        'a value that cannot be',
        'cloud',
        'cloud-sink',
        variable('EDGE_RELAY_MAX_AGE', 'long'),
        2,
        /EDGE_RELAY_MAX_AGE/,
      ],
      [
        'no certificate',
        'cloud',
        'mosquitto',
        missing('/run/secrets/broker.crt'),
        1,
        /load server certificate .*broker.crt/,
      ],
      [
        'no passwords',
        'edge',
        'mosquitto',
        missing('/run/secrets/passwords'),
        13,
        /Unable to open pwfile .*passwords/,
      ],
      ['no password', 'edge', 'listener', missing('/run/secrets/mosquitto_sub'), 5, /not authorised/],
    ] as const)('with %s at the %s %s', async (_, side, name, changes, code, message) => {
      const both = await machines({ source: await photoFolder(1) });
      const brokers = Object.values(both).map((machine) => machine.start('mosquitto'));
      // What ends at once where there is no broker yet would say that, and nothing of what is wrong.
      await until(
        () => brokers.every(({ log }) => /mosquitto version .* running/.test(log)),
        () => logsOf(both),
      );
      await both[side].stop(name);
      const running = both[side].start(name, changes);
      await until(
        () => running.ends.length > 0,
        () => logsOf(both),
      );
      expect(running.log).toMatch(message);
      expect(running.ends[0]).toBe(code);
    });
  });
});

import { execFileSync, spawnSync } from 'node:child_process';
import { X509Certificate } from 'node:crypto';
import { existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { validate as validateDockerfile } from 'dockerfile-utils';
import { Publisher, Subscriber } from 'edge-relay';
import { freePort } from 'edge-relay/testing';
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from 'vitest';
import { parse } from 'yaml';
import { describeWith } from '../packages/core/test/requirements';
import { until } from './app-process';
import { containersIn, readComposeFile } from './containers/compose-file';
import { type Container, readVariables } from './containers/container';
import { readDockerfile } from './containers/dockerfile';
import { type App, buildImage, dockerfileOf, type Image, workspace } from './containers/image';
import { Machine, type Running } from './containers/machine';
import { containersOf, problemsOf, readKustomization, readManifests } from './containers/manifests';
import { shownAs, takeSteps } from './containers/steps';
import { filesIn, photoFolder, temporaryFolder } from './materials';

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
    expect(dockerfile.build.find(({ keyword }) => keyword === 'FROM')?.text).toMatch(/-bookworm-slim AS build$/);
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

describe.each(sides)('the files of the machine %s', (side) => {
  const file = readComposeFile(composeOf(side), variablesOf(side));
  const services = Object.entries(file.services);

  it.each(services)('%s has no more rights, memory, logs or time than it needs', (_, service) => {
    expect(service).toMatchObject({ restart: 'unless-stopped', init: true, read_only: true, cap_drop: ['ALL'] });
    expect(service.privileged).toBeUndefined();
    expect(service.logging.options).toEqual({ 'max-size': '10m', 'max-file': '3' });
    for (const port of service.ports ?? []) expect(port).toMatch(/^127\.0\.0\.1:|^8883:8883$/);
    // Ours take 8 seconds to drain, and one more to leave.
    expect(Number.parseInt(service.stop_grace_period, 10)).toBeGreaterThan(service.build ? 9 : 4);
    if (service.build) {
      const context = join(folderOf(side), service.build.context);
      expect(apps.map(dockerfileOf)).toContain(join(context, service.build.dockerfile));
    }
  });

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

  it('are manifests that Kubernetes knows', () => {
    const manifests = readManifests(folderOf(side));
    expect(problemsOf(manifests)).toEqual([]);
    const text = JSON.stringify(manifests).replace('"readOnly', '"raedOnly');
    expect(problemsOf(JSON.parse(text))).toEqual([expect.stringContaining('raedOnly')]);
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

  beforeAll(() => {
    made = takeSteps();
    for (const app of apps) images[`edge-relay/${app}:0.1.0`] = buildImage(app);
  });

  afterAll(() => {
    for (const { app } of Object.values(images)) rmSync(dirname(app), { recursive: true, force: true });
    rmSync(join(made.edge, '../../../../..'), { recursive: true, force: true });
  });

  /** Both machines, of which nothing runs yet. */
  async function machines({ source = '' } = {}): Promise<Record<Side, Machine>> {
    const [edgePort, cloudPort] = [await freePort(), await freePort()];
    const secrets = (side: Side) => join(made[side], 'secrets');
    const edge = new Machine({
      ...{ folder: folderOf('edge'), secrets: secrets('edge'), images },
      containers: containers('edge', { ...variablesOf('edge'), CLOUD_URL: 'mqtts://cloud.example', SOURCE: source }),
      ports: { 'mosquitto:1883': edgePort, 'cloud.example:8883': cloudPort },
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

  it('have a certificate for the names by which the broker is reached', () => {
    const certificate = new X509Certificate(readFileSync(join(made.cloud, 'secrets', 'broker.crt')));
    for (const host of ['mosquitto', 'localhost']) expect(certificate.checkHost(host)).toBe(host);
    expect(shownAs('steps cloud')).toContain('DNS:cloud.example,');
    expect(variablesOf('edge').CLOUD_URL).toBe('mqtts://cloud.example');
  });

  const orders = [
    ['edge mosquitto', 'cloud mosquitto', 'cloud cloud-sink', 'edge bridge', 'edge listener', 'edge detector'],
    ['edge detector', 'edge listener', 'edge bridge', 'cloud cloud-sink', 'cloud mosquitto', 'edge mosquitto'],
  ] as const;

  it.each(orders)('carry faces to the store, started as %s, %s, %s, %s, %s, %s', async (...order) => {
    const both = await machines({ source: await photoFolder(PHOTOS) });
    const running: Record<string, Running> = {};
    for (const one of order) {
      const [side, name] = one.split(' ') as [Side, string];
      running[name] = both[side].start(name);
      await new Promise((resolve) => setTimeout(resolve, 700));
    }
    const store = join(both.cloud.volume('faces'), 'faces');
    await until(
      async () => (await filesIn(store)).length === FACES,
      () => logsOf(both),
    );
    await until(
      () => /face received, \d+ bytes/.test(running.listener!.log),
      () => logsOf(both),
    );
    expect(running.mosquitto!.log).not.toMatch(/error/i);
  });
});

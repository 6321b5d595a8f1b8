import { execFile } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { startMosquitto } from 'edge-relay/testing';
import { afterAll, beforeAll, expect, it, onTestFinished } from 'vitest';
import { describeWith } from '../packages/core/test/requirements';
import { filesIn, photoFolder, THREE_FACES, temporaryFolder } from './materials';

const execute = promisify(execFile);
const workspace = fileURLToPath(new URL('..', import.meta.url));
const packages = join(workspace, 'packages');
const examples = join(packages, 'examples');

interface Manifest {
  readonly name: string;
  readonly version: string;
  readonly bin?: Record<string, string>;
  readonly scripts?: Record<string, string>;
}
const manifestOf = (folder: string) =>
  JSON.parse(readFileSync(join(packages, folder, 'package.json'), 'utf8')) as Manifest;
const archiveOf = (folder: string) => `${manifestOf(folder).name}-${manifestOf(folder).version}.tgz`;
/** What of the examples is a program: it can be started. */
const apps = readdirSync(examples).filter((name) => {
  const files = readdirSync(join(examples, name));
  return files.includes('package.json') && manifestOf(join('examples', name)).scripts?.start !== undefined;
});

/** An app as npm installs it, from the packed archives and the registry, in an empty folder outside of any workspace. */
class Installed {
  private constructor(
    private readonly command: string,
    private readonly folder: string,
  ) {}

  static async create(app: string, archives: readonly string[], folder: string): Promise<Installed> {
    await mkdir(folder);
    await writeFile(join(folder, 'package.json'), '{ "private": true }');
    const quietly = ['--prefer-offline', '--no-audit', '--no-fund', '--loglevel', 'error'];
    await execute('npm', ['install', ...quietly, ...archives], { cwd: folder });
    const [command] = Object.keys(manifestOf(join('examples', app)).bin ?? {});
    return new Installed(join(folder, 'node_modules', '.bin', command!), folder);
  }

  /** Resolves with what the app's command has printed; rejects when it fails. */
  async run(args: readonly string[], signal?: AbortSignal): Promise<string> {
    const env = { ...process.env, NODE_OPTIONS: '' };
    const options = { cwd: this.folder, env, timeout: 120_000, ...(signal && { signal }) };
    return (await execute(this.command, args, options)).stdout;
  }
}

describeWith('registry', 'the apps as they are packed, with the library as it is published', () => {
  const installed = new Map<string, Installed>();
  let folder: string;
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'edge-relay-test-'));
    await execute(process.execPath, [join(workspace, 'scripts', 'pack.mjs'), folder]);
    for (const app of apps) {
      const archives = ['core', join('examples', app)].map((packed) => join(folder, archiveOf(packed)));
      installed.set(app, await Installed.create(app, archives, join(folder, app)));
    }
  }, 300_000);
  afterAll(() => rm(folder, { recursive: true, force: true }));

  it.each(apps)('%s tells how it is used', async (app) => {
    expect(await installed.get(app)!.run(['--help'])).toContain(app === 'neural-detector' ? 'faces' : app);
  });

  it('the demo loses nothing of the video that comes with it', async () => {
    const printed = await installed.get('demo')!.run(['--store', await temporaryFolder()]);
    expect(printed).toMatch(/frames looked at\s+765/);
    expect(printed).toMatch(/lost\s+0/);
  });

  it('the demo stores the faces of a photo', async () => {
    const store = await temporaryFolder();
    await installed.get('demo')!.run(['--source', THREE_FACES, '--store', store]);
    expect(await filesIn(store)).toHaveLength(3);
  });

  it('the neural detector finds faces', async () => {
    expect(await installed.get('neural-detector')!.run([THREE_FACES])).toMatch(/: 3 faces/);
  });

  describeWith('mosquitto', 'and a broker', () => {
    it('a picture comes from the pipeline to the sink', async () => {
      const broker = await startMosquitto();
      onTestFinished(() => broker.close());
      const [photos, store] = [await photoFolder(1), await temporaryFolder()];
      // It ends by itself when the photos are through; what it published waits at the broker for nobody yet.
      const edge = ['--role', 'detect', '--edge-url', broker.url, '--source', photos];
      const sending = installed.get('edge-pipeline')!.run(edge);
      const stop = new AbortController();
      const cloud = ['--cloud-url', broker.url, '--topic', 'hw3facestx2', '--store', store];
      const storing = installed.get('cloud-sink')!.run(cloud, stop.signal);
      await sending;
      await expect.poll(() => filesIn(store), { timeout: 30_000 }).toHaveLength(3);
      stop.abort();
      await expect(storing).rejects.toThrow('aborted');
    });
  });
});

import { cpSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { startMosquitto } from 'edge-relay/testing';
import { beforeAll, describe, expect, it, onTestFinished } from 'vitest';
import { Consumer, packLibrary } from '../packages/core/test/consumer';
import { describeWith } from '../packages/core/test/requirements';
import { filesIn, photoFolder, THREE_FACES, temporaryFolder } from './materials';

const examples = fileURLToPath(new URL('../packages/examples', import.meta.url));
interface Manifest {
  readonly bin?: Record<string, string>;
  readonly scripts?: Record<string, string>;
  readonly dependencies: Record<string, string>;
  readonly optionalDependencies?: Record<string, string>;
}
const manifestOf = (app: string) =>
  JSON.parse(readFileSync(join(examples, app, 'package.json'), 'utf8')) as Manifest;
/** What of the examples is a program: it can be started. */
const apps = readdirSync(examples).filter((name) => {
  const files = readdirSync(join(examples, name));
  return files.includes('package.json') && manifestOf(name).scripts?.start !== undefined;
});

let archive: string;
beforeAll(async () => {
  archive = await packLibrary();
});

/** The built app outside of the workspace, with the library as it is published and its other dependencies. */
async function installed(app: string): Promise<Consumer> {
  const project = await Consumer.create(archive, { 'package.json': '{ "type": "module" }' });
  cpSync(join(examples, app, 'dist'), join(project.folder, 'dist'), { recursive: true });
  const { dependencies, optionalDependencies } = manifestOf(app);
  for (const name of Object.keys({ ...dependencies, ...optionalDependencies })) {
    if (name !== 'edge-relay') project.link(name, join(examples, app));
  }
  return project;
}

describe('the apps with the library as it is published', () => {
  it.each(apps)('%s tells how it is used', async (app) => {
    const project = await installed(app);
    expect(await project.run(['dist/main.js', '--help'])).toContain(
      app === 'neural-detector' ? 'faces' : app,
    );
  });

  it('the demo loses nothing', async () => {
    const demo = await installed('demo');
    const store = await temporaryFolder();
    const printed = await demo.run(['dist/main.js', '--source', THREE_FACES, '--store', store]);
    expect(printed).toMatch(/lost\s+0/);
    expect(await filesIn(store)).toHaveLength(3);
  });

  it('the neural detector finds faces', async () => {
    const detector = await installed('neural-detector');
    expect(await detector.run(['dist/main.js', THREE_FACES])).toMatch(/: 3 faces/);
  });
});

describeWith('mosquitto', 'the apps with the library as it is published, and a broker', () => {
  it('a picture comes from the pipeline to the sink', async () => {
    const broker = await startMosquitto();
    onTestFinished(() => broker.close());
    const [photos, store] = [await photoFolder(1), await temporaryFolder()];
    const edge = ['dist/main.js', '--role', 'detect', '--edge-url', broker.url];
    // It ends by itself when the photos are through; what it published waits at the broker for nobody yet.
    const sending = (await installed('edge-pipeline')).run([...edge, '--source', photos]);
    const stop = new AbortController();
    const sink = ['dist/main.js', '--cloud-url', broker.url, '--topic', 'hw3facestx2', '--store', store];
    const storing = (await installed('cloud-sink')).run(sink, {}, process.execPath, stop.signal);
    await sending;
    await expect.poll(() => filesIn(store), { timeout: 30_000 }).toHaveLength(3);
    stop.abort();
    await expect(storing).rejects.toThrow('aborted');
  });
});

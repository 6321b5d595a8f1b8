import { freePort, type Mosquitto, startMosquitto } from 'edge-relay/testing';
import { expect, it, onTestFinished } from 'vitest';
import { describeWith } from '../packages/core/test/requirements';
import { type AppProcess, startApp, until } from './app-process';
import { filesIn, photoFolder, temporaryFolder } from './materials';

const PHOTOS = 3;
const FACES = 9;

const orders = [
  ['edge broker', 'cloud broker', 'sink', 'bridge', 'detector'],
  ['detector', 'bridge', 'sink', 'cloud broker', 'edge broker'],
  ['edge broker', 'detector', 'cloud broker', 'bridge', 'sink'],
  ['sink', 'detector', 'edge broker', 'bridge', 'cloud broker'],
  ['bridge', 'cloud broker', 'detector', 'edge broker', 'sink'],
] as const;

describeWith('mosquitto', 'start order', () => {
  it.each(orders)('%s, %s, %s, %s, %s: everything arrives', async (...order) => {
    const [edgePort, cloudPort] = [await freePort(), await freePort()];
    const edgeUrl = `mqtt://127.0.0.1:${edgePort}`;
    const cloudUrl = `mqtt://127.0.0.1:${cloudPort}`;
    const [photos, store] = [await photoFolder(PHOTOS), await temporaryFolder()];
    const brokers: Mosquitto[] = [];
    const apps: Partial<Record<string, AppProcess>> = {};
    onTestFinished(async () => {
      for (const app of Object.values(apps)) app?.child.kill('SIGKILL');
      for (const broker of brokers) await broker.close();
    });
    const edge = ['--edge-url', edgeUrl];
    const start: Record<(typeof order)[number], () => unknown> = {
      'edge broker': async () => brokers.push(await startMosquitto({ port: edgePort })),
      'cloud broker': async () => brokers.push(await startMosquitto({ port: cloudPort })),
      sink: () => {
        apps.sink = startApp('cloud-sink', ['--cloud-url', cloudUrl, '--store', store]);
      },
      bridge: () => {
        apps.bridge = startApp('edge-pipeline', ['--role', 'bridge', ...edge, '--cloud-url', cloudUrl]);
      },
      detector: () => {
        apps.detector = startApp('edge-pipeline', ['--role', 'detect', '--source', photos, ...edge]);
      },
    };
    for (const part of order) {
      await start[part]();
      await new Promise((resolve) => setTimeout(resolve, 1_500));
    }
    const logs = () =>
      Object.entries(apps)
        .map(([name, app]) => `${name}:\n${app?.log}`)
        .join('\n');
    await until(async () => (await filesIn(store)).length >= FACES, logs);
    expect(await apps.detector!.ended, logs()).toBe(0);
    expect(await filesIn(store)).toHaveLength(FACES);
    for (const app of [apps.bridge!, apps.sink!]) {
      app.child.kill('SIGTERM');
      expect(await app.ended, logs()).toBe(0);
    }
    expect(apps.sink!.log).toMatch(/stored 9, duplicates 0, conflicts 0, rejected 0/);
    expect(await filesIn(store)).toHaveLength(FACES);
  });
});

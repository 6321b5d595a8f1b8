import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it, onTestFinished } from 'vitest';
import { startAedes } from '../packages/core/test/brokers';
import { startApp, until } from './app-process';
import { filesIn, photoFolder, temporaryFolder } from './materials';

const script = fileURLToPath(new URL('../packages/core/test/stand-in-camera.mjs', import.meta.url));
const camera = (folder: string, behaviour: object) =>
  `exec:"${process.execPath}" '${script}' ${folder} '${JSON.stringify(behaviour)}'`;

describe('several cameras in one edge-pipeline', () => {
  it('are told apart by their names: in keys and in log lines', async () => {
    const { url, close } = await startAedes();
    const [photos, store, state] = [await photoFolder(2), await temporaryFolder(), await temporaryFolder()];
    const sink = startApp('cloud-sink', ['--cloud-url', url, '--store', store]);
    await until(
      () => sink.log.includes('listening'),
      () => sink.log,
    );
    const crashing = { everyMs: 200, frames: 2, afterwards: 'crash', once: join(state, 'once') };
    const app = startApp('edge-pipeline', [
      ...['--edge-url', url, '--cloud-url', url, '--detection-width', '320', '--stall-seconds', '20'],
      ...['--width', '640', '--height', '480', '--policy', 'all'],
      ...['--source', `door=${camera(photos, { everyMs: 200 })}`],
      ...['--source', `yard=${camera(photos, crashing)}`],
    ]);
    onTestFinished(async () => {
      app.child.kill('SIGKILL');
      sink.child.kill('SIGKILL');
      await close();
    });
    const stored = async (name: string) =>
      (await filesIn(store)).filter((path) => path.startsWith(`${name}/`));
    const log = () => `${app.log}\n${sink.log}`;
    await until(
      () => /yard: 600 x 346[\s\S]*yard: The command[\s\S]*yard: 600 x 346/.test(app.log),
      log,
      40_000,
    );
    await until(
      async () => (await stored('door')).length > 3 && (await stored('yard')).length > 3,
      log,
      40_000,
    );
    for (const name of ['door', 'yard']) {
      for (const path of await stored(name)) expect(path.split('/').at(-1)).toMatch(new RegExp(`^${name}-`));
      expect(app.log).toContain(`${name}: gives 600 x 346 pixels, not 640 x 480 as asked for`);
    }
    app.child.kill('SIGTERM');
    expect(await app.ended, app.log).toBe(0);
    expect(app.log).toMatch(/exit code 3\)\. It says: sensor timeout at rtsp:\/\/\*\*\*@10\.0\.0\.5/);
    expect(app.log).not.toContain('secret');
    expect(app.log).toMatch(/door: \d+ frames, \d+ dropped, 0 damaged, 0 restarts/);
    expect(app.log).toMatch(/yard: \d+ frames, \d+ dropped, 0 damaged, 1 restart \(0 stalls\)/);
  });

  it.each([
    [['--source', 'a=x.mp4', '--source', 'a=y.mp4'], 'Two sources are called a'],
    [
      ['--source', 'x.mp4', '--source', 'y.mp4', '--camera', 'door'],
      "'--camera <name>' argument 'door' is invalid. It names one source",
    ],
    [['--source', 'door='], 'name=location'],
    [['--source', "door=exec:rpicam-vid 'open"], 'A quote in the command is not closed'],
    [['--source', 'exec: '], 'exec: needs a command'],
    [
      ['--source', 'x.mp4', '--stall-seconds', '5'],
      "'--stall-seconds <number>' argument '5' is invalid. It does not go with a recording",
    ],
    [['--source', 'rtsp://h/1', '--width', '640'], 'width and height go together'],
  ])('are refused as in %j: exit code 2', async (args, says) => {
    const app = startApp('edge-pipeline', ['--role', 'detect', ...args]);
    expect(await app.ended, app.log).toBe(2);
    expect(app.log).toContain(says);
  });

  it('can all stand in one variable', async () => {
    const photos = await photoFolder(1);
    const env = { EDGE_RELAY_SOURCE: `door=${photos}, yard=/no,such` };
    const app = startApp('edge-pipeline', ['--role', 'detect'], { env });
    expect(await app.ended, app.log).toBe(1);
    expect(app.log).toContain('There is no /no,such');
  });
});

import { readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type AuditReport, Sink } from 'edge-relay';
import { startMosquitto } from 'edge-relay/testing';
import { expect, it, onTestFinished } from 'vitest';
import { archiveMessage } from '../packages/core/test/archive-messages';
import { describeWith } from '../packages/core/test/requirements';
import { startApp, until } from './app-process';
import { filesIn, photoFolder, temporaryFolder } from './materials';

/** Runs a command of the sink to its end. */
async function cloudSink(...args: string[]): Promise<{ code: number | string; output: string; log: string }> {
  const app = startApp('cloud-sink', args);
  const code = await app.ended;
  return { code, output: app.output, log: app.log };
}

describeWith('mosquitto', 'the archive', () => {
  it('is written down while faces arrive, audited, and forgotten', async () => {
    const broker = await startMosquitto();
    const [photos, store] = [await photoFolder(4), await temporaryFolder()];
    const sink = startApp('cloud-sink', ['--cloud-url', broker.url, '--store', store, '--topic', 'faces']);
    onTestFinished(async () => {
      sink.child.kill('SIGKILL');
      await broker.close();
    });
    await until(
      () => sink.log.includes('listening'),
      () => sink.log,
    );
    const detect = [
      '--role',
      'detect',
      '--source',
      photos,
      '--edge-url',
      broker.url,
      '--edge-topic',
      'faces',
    ];
    const device = startApp('edge-pipeline', [...detect, '--camera', 'front-door']);
    expect(await device.ended, device.log).toBe(0);
    await until(
      async () => (await filesIn(store)).length === 12,
      () => sink.log,
    );
    sink.child.kill('SIGTERM');
    expect(await sink.ended, sink.log).toBe(0);

    const all = await cloudSink('audit', '--store', store, '--verify');
    expect(all.code, all.log).toBe(0);
    expect(all.output).toMatch(/front-door +12 /);
    expect(all.output).toMatch(/detected to published/);
    expect(all.output).toMatch(/Nothing is missing, and every byte is as it was stored/);

    const [picture = '', other = ''] = await filesIn(store);
    await rm(join(store, picture));
    await writeFile(join(store, other), 'somebody else');
    const json = await cloudSink('audit', '--store', store, '--verify', '--json');
    expect(json.code).toBe(1);
    expect(JSON.parse(json.output) as AuditReport).toMatchObject({
      complete: false,
      cameras: [{ camera: 'front-door', stored: 12, missing: 0 }],
      missingObjects: { count: 1, keys: [picture] },
      damagedObjects: { count: 1, keys: [other] },
    });
    const people = await cloudSink('audit', '--store', store);
    expect(people.code).toBe(1);
    expect(people.output).toContain(picture);

    const dry = await cloudSink('forget', '--store', store, '--camera', 'front-door');
    expect(dry.code, dry.log).toBe(0);
    expect(dry.output).toMatch(/would delete 12 objects .* and 12 rows/);
    expect(await filesIn(store)).toHaveLength(11);
    const done = await cloudSink('forget', '--store', store, '--camera', 'front-door', '--yes');
    expect(done.code, done.log).toBe(0);
    expect(done.output).toMatch(/no object, no version and no row of them is left/);
    for (const path of await filesIn(store)) {
      expect(await readFile(join(store, path), 'utf8')).toMatch(/^\{"type":"dev\.edge-relay\.tombstone/);
    }
    const after = await cloudSink('audit', '--store', store, '--verify');
    expect(after.code, after.output).toBe(0);
    expect(after.output).toMatch(/front-door +0 +0\.0 MB +0 +0 +12 /);
  });

  it('says what is wrong about a command', async () => {
    const nothing = await cloudSink('forget', '--store', await temporaryFolder());
    expect(nothing.code).toBe(2);
    expect(nothing.log).toMatch(/--camera, --track or --before/);
    const day = await cloudSink('forget', '--before', '2026-02-30');
    expect(day.code).toBe(2);
    expect(day.log).toMatch(/'2026-02-30'.*It must be a day or a time/s);
    const help = await cloudSink('audit', '--help');
    expect(help.code).toBe(0);
    expect(help.output).toMatch(/--verify.*EDGE_RELAY_VERIFY/s);
    const empty = await cloudSink('audit', '--store', await temporaryFolder());
    expect(empty.code).toBe(1);
    expect(empty.output).toMatch(/no manifest here/);
  });
});

it('one of a thing is told as one', async () => {
  const store = await temporaryFolder();
  const sink = new Sink(store, { accept: 'any', manifest: true });
  // The first of a run, so that none is missing before it.
  const message = archiveMessage(0);
  await sink.write(message);
  await sink.close();
  const whole = await cloudSink('audit', '--store', store);
  expect(whole.output).toContain(': 1 row in the manifest, 1 camera\n');
  const dry = await cloudSink('forget', '--store', store, '--camera', `${message.properties.camera}`);
  expect(dry.output).toMatch(/would delete 1 object \(.*, 1 version\) and 1 row of the manifest/);
  for (const path of await filesIn(store)) if (path.endsWith('.bin')) await rm(join(store, path));
  const { output } = await cloudSink('audit', '--store', store);
  expect(output).toMatch(/and 1 object missing, 0 objects damaged/);
});

import { readFileSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { startMosquitto } from 'edge-relay/testing';
import { describe, expect, it, onTestFinished } from 'vitest';
import { startAedes } from '../packages/core/test/brokers';
import { describeWith } from '../packages/core/test/requirements';
import { didYouMean } from '../packages/examples/command-line/src/index';
import { startApp, until } from './app-process';
import { filesIn, photoFolder, temporaryFolder, VIDEO } from './materials';

const library = new URL('../packages/core/package.json', import.meta.url);

describe('the command line of the apps', () => {
  it.each([
    ['edge-pipeline', ['--role', 'both', '--source', 'x'], '--cloud-url'],
    ['edge-pipeline', ['--role', 'detect'], '--source'],
    ['edge-pipeline', ['--role', 'dance'], "'dance'"],
    ['edge-pipeline', ['--workers', 'many'], "'many'"],
    ['edge-pipeline', ['--motion-gate', 'perhaps'], 'It must be on or off'],
    ['edge-pipeline', ['--budget-ms', '-1'], "'-1'"],
    ['edge-pipeline', ['--role', 'detect', '--source', 'x', '--start-time', 'yesterday'], "'yesterday'"],
    ['edge-pipeline', ['--sauce', 'x'], '--source'],
    ['edge-pipeline', ['--role', 'detect', '--source', 'x.mp4', '--edge-url', 'localhost'], '"localhost"'],
    ['edge-pipeline', ['--role', 'detect', '--source', 'x.mp4', '--camera', 'a/b'], '"a/b"'],
    ['cloud-sink', ['--concurrency', '0'], "'0'"],
    ['cloud-sink', ['--cloud-url', 'http://localhost'], '"http://localhost"'],
    ['cloud-sink', ['--topic', 'a/#/b'], '"a/#/b"'],
    ['cloud-sink', ['--key-template', '{name}/{id}.{ext}'], '{captured:FORMAT}'],
    ['cloud-sink', ['--accept', 'hw3faces=video'], 'accepted on hw3faces must be image or any'],
    ['cloud-sink', ['--s3-tags', 'a=b,c'], 'name=value'],
    ['cloud-sink', ['--max-age', 'old'], 'number'],
    ['cloud-sink', ['--ca', '/no/such.pem'], '/no/such.pem'],
    ['cloud-sink', ['--cloud-url', 'mqtts://h', '--cert', 'package.json'], 'the text of a certificate'],
    [
      'cloud-sink',
      ['--cloud-url', 'mqtts://h', '--ca', 'package.json'],
      "'package.json' is invalid. It must be the text of a certificate",
    ],
    ['cloud-sink', ['--cloud-url', 'mqtt://a,mqtt://u:p#w@h'], '"mqtt://u:***@h"'],
    [
      'cloud-sink',
      ['surplus'],
      "nothing of 'surplus': options begin with --. Commands: audit, forget, doctor.",
    ],
    [
      'edge-pipeline',
      ['docter', '--config', 'x'],
      "nothing of 'docter': options begin with --. Did you mean doctor?",
    ],
    ['cloud-sink', ['--password-file', ''], "argument '' is invalid. It must not be empty.\n(cloud-sink"],
    ['cloud-sink', ['--store', 's3://b'], '"s3://b"; a bucket\'s name has 3 to 63 letters'],
  ] as const)('%s %j is wrong: exit code 2, and it says what', async (app, args, says) => {
    const started = startApp(app, args);
    expect(await started.ended, started.log).toBe(2);
    expect(started.log).toContain(says);
  });

  it('names the wrong value and the option, also when it came by the environment', async () => {
    const app = startApp('edge-pipeline', ['--role', 'detect', '--source', 'x'], {
      env: { EDGE_RELAY_WORKERS: 'many' },
    });
    expect(await app.ended).toBe(2);
    expect(app.log).toMatch(/--workers.*'many'.*EDGE_RELAY_WORKERS.*whole number/s);
    expect(app.log).toMatch(/--help/);
  });

  it.each(['edge-pipeline', 'cloud-sink'] as const)(
    '%s --help teaches every option, its variable and examples',
    async (name) => {
      const app = startApp(name, ['--help']);
      expect(await app.ended).toBe(0);
      expect(app.output).toMatch(/EDGE_RELAY_CLOUD_URL/);
      expect(app.output).toMatch(/Examples:/);
      expect(app.output).toMatch(/SIGTERM/);
      const flags = app.output.match(/^ {2}--[a-z0-9-]+/gm) ?? [];
      expect(flags.length).toBeGreaterThan(8);
    },
  );
});

describe('a name that is none', () => {
  it.each([
    ['cloud-sink', '--mainfest', '--manifest'],
    ['cloud-sink', '--no-manifset', '--no-manifest'],
    ['cloud-sink', '--stroe', '--store'],
    ['cloud-sink', '-store', '--store'],
    ['cloud-sink', '--strore=x', '--store'],
    ['edge-pipeline', '--lopo', '--loop'],
    ['edge-pipeline', '--frames-per-scnd', '--frames-per-second'],
    ['edge-pipeline', '--verison', '--version'],
    ['edge-pipeline', '--hlep', '--help'],
  ] as const)('%s %s is answered with the nearest', async (app, written, meant) => {
    const started = startApp(app, [written]);
    expect(await started.ended).toBe(2);
    const [name] = written.split('=');
    expect(started.log).toContain(`error: there is no option '${name}'. Did you mean ${meant}?\n`);
  });

  it('is answered with none where none is like it', async () => {
    const started = startApp('cloud-sink', ['--zebra']);
    expect(await started.ended).toBe(2);
    expect(started.log).toContain("error: there is no option '--zebra'.\n");
  });

  it.each([
    ['mainfest', 'manifest'],
    ['tpoic', 'topic'],
    ['lopo', 'loop'],
    ['CLOUD_ULR', 'CLOUD_URL'],
    ['framesPerScnd', 'framesPerSecond'],
    ['rope', undefined],
    ['kay', 'key'],
    ['kai', undefined],
  ])('%s: %s', (written, meant) => {
    const names = ['manifest', 'topic', 'loop', 'CLOUD_URL', 'framesPerSecond', 'key', 'camera'];
    expect(didYouMean(written, names)).toBe(meant === undefined ? '' : ` Did you mean ${meant}?`);
  });
});

describe('--version', () => {
  const { version } = JSON.parse(readFileSync(library, 'utf8')) as { version: string };

  it.each([
    ['edge-pipeline', []],
    ['edge-pipeline', ['doctor']],
    ['cloud-sink', []],
    ['cloud-sink', ['audit']],
    ['cloud-sink', ['forget']],
    ['cloud-sink', ['doctor']],
  ] as const)('of %s %j is that of the library, and stands in the help', async (app, command) => {
    const started = startApp(app, [...command, '--version']);
    expect(await started.ended).toBe(0);
    expect(started.output).toBe(`${[app, ...command].join(' ')} ${version}\n`);
    const help = startApp(app, [...command, '--help']);
    expect(await help.ended).toBe(0);
    expect(help.output).toMatch(/^ {2}--version +print the version and end$/m);
  });
});

describeWith('mosquitto', 'the apps when they are told to stop', () => {
  it('edge-pipeline takes its settings from the environment, drains at SIGTERM and exits with 0', async () => {
    const broker = await startMosquitto();
    const store = await temporaryFolder();
    const sink = startApp('cloud-sink', ['--topic', 'faces/out'], {
      env: { EDGE_RELAY_CLOUD_URL: broker.url, EDGE_RELAY_STORE: store },
    });
    const app = startApp('edge-pipeline', [], {
      env: {
        EDGE_RELAY_ROLE: 'both',
        EDGE_RELAY_SOURCE: await photoFolder(2),
        EDGE_RELAY_LOOP: '1',
        EDGE_RELAY_CAMERA: 'front-door',
        EDGE_RELAY_EDGE_URL: broker.url,
        EDGE_RELAY_EDGE_TOPIC: 'faces/in',
        EDGE_RELAY_CLOUD_URL: broker.url,
        EDGE_RELAY_CLOUD_TOPIC: 'faces/out',
      },
    });
    onTestFinished(async () => {
      for (const { child } of [app, sink]) child.kill('SIGKILL');
      await broker.close();
    });
    await until(
      async () => (await filesIn(store)).length > 8,
      () => app.log + sink.log,
    );
    app.child.kill('SIGTERM');
    expect(await app.ended, app.log).toBe(0);
    const [, faces, acknowledged] = /(\d+) faces, (\d+) acknowledged/.exec(app.log) ?? [];
    expect(acknowledged).toBe(faces);
    await until(
      async () => (await filesIn(store)).length === Number(faces),
      () => app.log + sink.log,
    );
    sink.child.kill('SIGTERM');
    expect(await sink.ended, sink.log).toBe(0);
    for (const path of await filesIn(store))
      expect(path).toMatch(/^front-door\/dt=.*\/hour=.*\/front-door-.*\.jpg$/);
  });

  it('role both ends by itself when the last face of its source is forwarded, also over MQTT 3.1.1', async () => {
    const [edge, cloud] = [await startAedes(), await startAedes()];
    const store = await temporaryFolder();
    const sink = startApp('cloud-sink', ['--cloud-url', cloud.url, '--store', store]);
    onTestFinished(async () => {
      sink.child.kill('SIGKILL');
      await Promise.all([edge.close(), cloud.close()]);
    });
    await until(
      () => sink.log.includes('listening'),
      () => sink.log,
    );
    const urls = ['--edge-url', edge.url, '--cloud-url', cloud.url];
    const app = startApp('edge-pipeline', [...urls, '--source', await photoFolder(2)]);
    expect(await app.ended, app.log).toBe(0);
    expect(app.log).toMatch(/bridge: 6 forwarded, 0 refused/);
    await until(
      async () => (await filesIn(store)).length === 6,
      () => sink.log,
    );
  });

  it('a second SIGTERM stops at once, with exit code 1 and nothing acknowledged that was not sent', async () => {
    const app = startApp('edge-pipeline', [
      '--role',
      'detect',
      '--source',
      await photoFolder(1),
      '--edge-url',
      'mqtt://127.0.0.1:1',
    ]);
    await until(
      () => app.log.includes('cannot reach the broker') && app.log.includes('pixels'),
      () => app.log,
    );
    app.child.kill('SIGTERM');
    await until(
      () => app.log.includes('finishing'),
      () => app.log,
    );
    // Long enough for the three faces to be found, and less than the grace that it has.
    await new Promise((resolve) => setTimeout(resolve, 3_000));
    app.child.kill('SIGTERM');
    expect(await app.ended, app.log).toBe(1);
    expect(app.log).toMatch(/a second time/);
    expect(app.log).toMatch(/3 faces are lost/);
    expect(app.log).toMatch(/0 acknowledged/);
  });
});

describe('wrong input gives one clear error', () => {
  const detect = (source: string, ...more: string[]) =>
    startApp('edge-pipeline', [
      '--role',
      'detect',
      '--source',
      source,
      '--edge-url',
      'mqtt://127.0.0.1:1',
      ...more,
    ]);
  const errors = (log: string) => log.split('\n').filter((line) => line.includes(' error '));

  it('a source that is not there', async () => {
    const app = detect('/no/such/folder');
    expect(await app.ended).toBe(1);
    expect(errors(app.log)).toHaveLength(1);
    expect(app.log).toMatch(/\/no\/such\/folder/);
  });

  it('a cascade that is not one', async () => {
    const path = join(await temporaryFolder(), 'cascade.xml');
    await writeFile(path, '<opencv_storage><nothing/></opencv_storage>');
    const app = detect(VIDEO, '--cascade', path);
    expect(await app.ended).toBe(1);
    expect(errors(app.log)).toHaveLength(1);
    expect(errors(app.log)[0]).toContain(path);
  });

  it('a bucket at an address where nobody answers is waited for, and said once', async () => {
    const app = startApp('cloud-sink', ['--store', 's3://nowhere', '--s3-endpoint', 'http://127.0.0.1:1'], {
      env: { AWS_ACCESS_KEY_ID: 'a', AWS_SECRET_ACCESS_KEY: 'b', AWS_REGION: 'us-east-1' },
    });
    await until(
      () => app.log.includes('the store fails'),
      () => app.log,
    );
    expect(app.log.match(/the store fails/g)).toHaveLength(1);
    app.child.kill('SIGTERM');
    expect(await app.ended, app.log).not.toBe(2);
  });
});

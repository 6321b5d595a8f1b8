// biome-ignore-all lint/suspicious/noTemplateCurlyInString: that is how files name variables.
import { readFileSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Ajv } from 'ajv';
import { describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import { cloudSink } from '../packages/examples/cloud-sink/src/options';
import { jsonSchemaOf, referenceOf } from '../packages/examples/command-line/src/index';
import { edgePipeline } from '../packages/examples/edge-pipeline/src/options';
import { startApp } from './app-process';
import { temporaryFolder } from './materials';

const programs = [edgePipeline, cloudSink] as const;
const document = fileURLToPath(new URL('../docs/configuration.md', import.meta.url));
const markdown = readFileSync(document, 'utf8');

type Name = Parameters<typeof startApp>[0];

function exampleFile(): string {
  return /<!-- file edge.yaml -->\n+```yaml\n([\s\S]*?)```/.exec(markdown)?.[1] ?? '';
}

/** Runs an app with these files in its folder, and resolves when it has ended. */
async function told(
  app: Name,
  args: readonly string[],
  { files = {}, env = {} }: { files?: Record<string, string>; env?: Record<string, string> } = {},
) {
  const cwd = await temporaryFolder();
  for (const [name, text] of Object.entries(files)) await writeFile(join(cwd, name), text);
  const started = startApp(app, args, { env, cwd });
  const code = await started.ended;
  return { code, log: started.log, output: started.output, lines: started.log.trimEnd().split('\n') };
}

/** What `--check` says that holds, and the whole of it. */
async function checked(app: Name, args: readonly string[], more: Parameters<typeof told>[2] = {}) {
  const { code, log, output } = await told(app, [...args, '--check'], more);
  expect(code, log).toBe(0);
  return { output, holds: parse(output) as Record<string, unknown> };
}

describe('flags, variables and the file', () => {
  const files = { 'sink.yaml': 'topic: from-file\nclientId: from-file\nstore: from-file\nmanifest: off\n' };

  it('go before each other in this order, and --check says where a value comes from', async () => {
    const env = { EDGE_RELAY_TOPIC: 'from-variable', EDGE_RELAY_CLIENT_ID: 'from-variable' };
    const args = ['--config', 'sink.yaml', '--topic', 'from-flag', '--manifest'];
    const { holds, output } = await checked('cloud-sink', args, { files, env });
    expect(holds).toMatchObject({
      topic: 'from-flag',
      clientId: 'from-variable',
      store: 'from-file',
      manifest: true,
      maxPixels: 25_000_000,
    });
    expect(output).toMatch(/^topic: from-flag +# --topic$/m);
    expect(output).toMatch(/^clientId: from-variable +# EDGE_RELAY_CLIENT_ID$/m);
    expect(output).toMatch(/^store: from-file +# sink\.yaml:3$/m);
    expect(output).toMatch(/^maxPixels: 25000000 +# default$/m);
  });

  it('take what --check prints for a file that says the same', async () => {
    const { output, holds } = await checked('cloud-sink', ['--config', 'sink.yaml', '--max-size', '5'], {
      files,
    });
    const again = await checked('cloud-sink', ['--config', 'again.yaml'], {
      files: { 'again.yaml': output },
    });
    expect(holds).toMatchObject({ maxSize: 5, manifest: false });
    expect(again.holds).toEqual(holds);
  });

  it('turn a switch off that is on below, and an empty variable says nothing', async () => {
    const yaml = 'source: x.mp4\nrole: detect\nloop: true\nmotionGate: true\nreceipts: true\n';
    const env = { EDGE_RELAY_MOTION_GATE: 'off', EDGE_RELAY_RECEIPTS: '', EDGE_RELAY_CONFIG: 'edge.yaml' };
    const { holds } = await checked('edge-pipeline', ['--no-loop'], { files: { 'edge.yaml': yaml }, env });
    expect(holds).toMatchObject({ loop: false, motionGate: false, receipts: true });
    const { holds: sink } = await checked('cloud-sink', [], { env: { EDGE_RELAY_NO_MANIFEST: 'yes' } });
    expect(sink).toMatchObject({ manifest: false });
  });

  it('read the same text in the same way', async () => {
    const yaml = [
      'role: both',
      'source: door=/dev/video0, yard=exec:film --to "a b"',
      'cloudUrl: mqtt://a, mqtt://b',
      'workers: "2"',
    ].join('\n');
    const { holds } = await checked('edge-pipeline', ['--config', 'edge.yaml'], {
      files: { 'edge.yaml': yaml },
    });
    expect(holds).toMatchObject({
      source: [
        { name: 'door', location: '/dev/video0' },
        { name: 'yard', command: ['film', '--to', 'a b'] },
      ],
      cloudUrl: ['mqtt://a', 'mqtt://b'],
      workers: 2,
    });
    const camera = ['--role', 'detect', '--source', '/dev/video0', '--controls', 'brightness=128, gain=-1'];
    const { holds: asFlags } = await checked('edge-pipeline', camera);
    expect(asFlags).toMatchObject({ controls: { brightness: 128, gain: -1 } });
  });

  it('serve cloud-sink audit and forget, too, with what they do not know checked all the same', async () => {
    const yaml = 'topic: somewhere\nstore: elsewhere\n';
    const { holds } = await checked('cloud-sink', ['audit', '--config', 'sink.yaml'] as never, {
      files: { 'sink.yaml': yaml },
    });
    expect(holds).toEqual({ store: 'elsewhere' });
    const wrong = { files: { 'sink.yaml': `${yaml}concurrency: all\n` } };
    const { code, log } = await told('cloud-sink', ['forget', '--config', 'sink.yaml', '--check'], wrong);
    expect(code).toBe(2);
    expect(log).toContain("sink.yaml:3:14: concurrency: 'all' is invalid.");
  });
});

describe('variables in the file', () => {
  it('are put in as values, with a default or from a file, and change nothing around them', async () => {
    const yaml = [
      'role: detect',
      'source:',
      '  - name: door',
      '    location: rtsp://anna:${DOOR}@10.0.0.5/1',
      '    width: ${WIDTH:640}',
      '    height: ${HEIGHT}',
      'edgeTopic: ${TOPIC:faces}',
      'edgeUsername: $${literally}',
      'camera: ${NOTHING:}',
      'bridgeClientId: ${SLY}',
    ].join('\n');
    const env = { HEIGHT: '480', SLY: 'x\nloop: true # "', DOOR_FILE: 'door', TOPIC: '' };
    const { holds, output } = await checked('edge-pipeline', ['--config', 'edge.yaml'], {
      files: { 'edge.yaml': yaml, door: 'sesame\n' },
      env,
    });
    expect(holds).toMatchObject({
      source: [{ name: 'door', location: 'rtsp://***@10.0.0.5/1', width: 640, height: 480 }],
      edgeTopic: 'faces',
      edgeUsername: '${literally}',
      bridgeClientId: 'x\nloop: true # "',
    });
    expect(holds).not.toHaveProperty('camera');
    expect(holds).not.toHaveProperty('loop');
    expect(output).not.toContain('sesame');
  });

  it('are missed where they are not set, each by its line', async () => {
    const files = { 'sink.yaml': 'topic: ${A}\nclientId: "x-${B}"\nstore: ${not good}\n' };
    const { code, log } = await told('cloud-sink', ['--config', 'sink.yaml'], { files });
    expect(code).toBe(2);
    expect(log).toContain('sink.yaml:1:8: ${A} is not set: set the variable, or write ${A:default}.');
    expect(log).toContain('sink.yaml:2:11: ${B} is not set');
    expect(log).toContain('sink.yaml:3:8: write ${NAME}');
  });
});

describe('secrets', () => {
  const files = { password: 'open sesame\n', 'sink.yaml': 'passwordFile: password\nusername: me\n' };

  it.each([
    ['by flag', ['--username', 'me', '--password-file', 'password'], {}, '--password-file'],
    [
      'by variable',
      ['--username', 'me'],
      { EDGE_RELAY_PASSWORD_FILE: 'password' },
      'EDGE_RELAY_PASSWORD_FILE',
    ],
    ['by the file', ['--config', 'sink.yaml'], {}, 'sink.yaml:1'],
  ])('come from files that are named %s, and are not shown', async (_, args, env, origin) => {
    const { holds, output } = await checked('cloud-sink', args, { files, env });
    expect(holds).toMatchObject({ password: '***' });
    expect(holds).not.toHaveProperty('passwordFile');
    expect(output).toContain(`# password (${origin})`);
    expect(output).not.toContain('sesame');
  });

  it('go by the same order: a variable before what the file names', async () => {
    const { output } = await checked('cloud-sink', ['--config', 'sink.yaml'], {
      files,
      env: { EDGE_RELAY_PASSWORD: 'other' },
    });
    expect(output).toMatch(/^password: "\*\*\*" +# EDGE_RELAY_PASSWORD$/m);
    expect(output).not.toMatch(/other|sesame/);
  });

  it.each([
    [{ EDGE_RELAY_PASSWORD: 'a', EDGE_RELAY_PASSWORD_FILE: 'password' }, 'are both given'],
    [{ EDGE_RELAY_PASSWORD_FILE: 'nowhere' }, "no such file or directory, open 'nowhere'"],
    [{ EDGE_RELAY_PASSWORD_FILE: '.' }, 'cannot be read from . (EISDIR'],
    [{ EDGE_RELAY_PASSWORD_FILE: 'empty' }, 'the file empty is empty'],
  ])('are refused with %j', async (env, says) => {
    const { code, log } = await told('cloud-sink', ['--check'], { files: { ...files, empty: '\n' }, env });
    expect(code).toBe(2);
    expect(log).toContain(says);
  });

  it('stand in no error', async () => {
    const yaml = 'password: [open, sesame]\ngalleryToken: 12345\ncloudUrl: http://me:sesame@h\n';
    const { code, log } = await told('cloud-sink', ['--config', 'sink.yaml'], {
      files: { 'sink.yaml': yaml },
    });
    expect(code).toBe(2);
    expect(log).toContain('sink.yaml:1:11: password is invalid.');
    expect(log).toContain('sink.yaml:2:15: galleryToken: is invalid.');
    expect(log).toContain('sink.yaml:3:11: cloudUrl:');
    expect(log).not.toMatch(/sesame|12345/);
  });
});

describe('what is wrong in a file is refused with its place', () => {
  it.each([
    ['workers: 0', "1:10: workers: '0' is invalid. It must be a whole number of at least 1."],
    [
      'role: detekt',
      "1:7: role: 'detekt' is invalid. It must be detect, bridge or both. Did you mean detect?",
    ],
    ['# x\n\nmotion-gate: on', "3:1: there is no option 'motion-gate'. Did you mean motionGate?"],
    ['quality: 0.9', "1:10: quality: '0.9' is invalid. It must be a whole number from 1 to 100."],
    ['minimumQuality: 60', "1:17: minimumQuality: '60' is invalid. It must be a number from 0 to 1."],
    ['cloudUrl: mqtt://${CLOUD_HOST}', '1:11: ${CLOUD_HOST} is not set: set the variable'],
    [
      'source:\n  name: a\n  url: b',
      "3:3: source is invalid. A source has no 'url'. It has a name, a location",
    ],
    ['zebra: 1', "1:1: there is no option 'zebra'.\n"],
    ['listCameras: true', "1:1: there is no option 'listCameras'."],
    ['edgeTopic: 5', "1:12: edgeTopic: '5' is invalid. It must be text; a number is written in quotes."],
    ['cloudUrl:\n  - mqtt://a\n  - b', '3:5: cloudUrl is invalid. "b" is not a broker\'s address'],
    [
      'source:\n  - name: a\n    location: b\n    widht: 5',
      "4:5: source is invalid. A source has no 'widht'. Did you mean width?",
    ],
    [
      'source:\n  - name: a\n    location: b\n    width: wide',
      '4:12: source is invalid. It must be a whole number',
    ],
    ['source:\n  - name: a', '2:5: source is invalid. It must have a location or a command'],
    ['controls:\n  brightness: high', '2:15: controls is invalid. It must be names and numbers'],
    [
      'loop: true\nloop: false',
      '2:1: Map keys must be unique. Leave out one of the two lines with this name.',
    ],
    ['source: x\n\tloop: on', '2:1: Tabs are not allowed as indentation. Use spaces.'],
    [
      'camera: a: b',
      '1:9: Nested mappings are not allowed in compact mappings. Put a text with a colon in it',
    ],
    [
      'edgeTopic: *any',
      '1:12: *any stands for nothing that is named before. Put a text that begins with * in quotes.',
    ],
    ['cloud:\n  url: mqtt://c', "1:1: there is no option 'cloud'. Did you mean cloudUrl?"],
    ['EDGE_RELAY_LOOP: on', "1:1: there is no option 'EDGE_RELAY_LOOP'. Did you mean loop?"],
    ['edgeTopic: [a, b]', '1:12: edgeTopic is invalid. It must be one text, without a list'],
    [
      'budgetMs: 30ms',
      "1:11: budgetMs: '30ms' is invalid. It must be a number of at least 0. Write the number of milliseconds alone.",
    ],
    [
      'spool: edge.yaml',
      "1:8: spool: 'edge.yaml' is invalid. It must be a folder, and a file has that name.",
    ],
    ['- role', '1:1: the file must hold names and values'],
    ['source: [a', '2:1: '],
    [
      'cascade: frontalface_alt',
      "1:10: cascade: 'frontalface_alt' is invalid. It must be frontalface_alt2, frontalface_default or a file",
    ],
    ['cascade: .', "1:10: cascade: '.' is invalid. It must be frontalface_alt2,"],
    ['margin: 30', "1:9: margin: '30' is invalid. It must be a number from 0 to 3: 0.2 adds a fifth"],
    ['scaleFactor: 1', "1:14: scaleFactor: '1' is invalid. It must be a number above 1"],
    ['camera: front door', "1:9: camera: 'front door' is invalid. It must be 1 to 64 letters, digits"],
    [
      'edgeUrl: mqtt://h:99999',
      "1:10: edgeUrl: 'mqtt://h:99999' is invalid. \"mqtt://h:99999\" is not a broker's",
    ],
    [
      'edgeTopic: a/#/b',
      '1:12: edgeTopic: \'a/#/b\' is invalid. "a/#/b" is wrong: + stands for a whole level',
    ],
    ['statusTopic: a/+', '1:14: statusTopic: \'a/+\' is invalid. "a/+" must not contain the wildcards'],
    ['edgeCa: edge.yaml', "1:9: edgeCa: 'edge.yaml' is invalid. It must be the text of a certificate in PEM"],
  ])('%j', async (yaml, says) => {
    const { code, log } = await told('edge-pipeline', ['--config', 'edge.yaml', '--check'], {
      files: { 'edge.yaml': `${yaml}\n` },
    });
    expect(code).toBe(2);
    expect(log).toContain(`error: edge.yaml:${says}`);
    expect(log.match(/^error/gm)).toHaveLength(1);
  });

  it.each([
    ['edgeTopic: a/+', "5:12: edgeTopic: 'a/+' is invalid. Faces are sent to one topic"],
    [
      'edgePassword: sesame',
      '5:15: edgePassword: is invalid. It needs a user name: give --edge-username, too.',
    ],
    [
      'latestSeconds: 5\npolicy: all',
      "5:16: latestSeconds: '5' is invalid. It is for policy best and top-k, not for all.",
    ],
    [
      'minFaceSize: 100\nmaxFaceSize: 50',
      "6:14: maxFaceSize: '50' is invalid. It must not be below --min-face-size (100), but is 50.",
    ],
    ['loop: on', "5:7: loop: 'on' is invalid. It does not go with a camera, which knows"],
    [
      'cloudTopic: b/+',
      '5:13: cloudTopic: \'b/+\' is invalid. The wildcards of --cloud-topic "b/+" must be those of --edge-topic',
    ],
    [
      'cloudTopic: hw3facestx2\nedgeUrl: mqtt://c',
      "5:13: cloudTopic: 'hw3facestx2' is invalid. It is --edge-topic, at the same broker",
    ],
    ['preview: 8081\nmetrics: 8081', "5:10: preview: '8081' is invalid. It is the port of --metrics"],
    ['camera: door', "5:9: camera: 'door' is invalid. It names one source"],
  ])('beside what goes with it alone: %j', async (yaml, says) => {
    const sources = 'source:\n  - location: /dev/video0\n  - location: /dev/video1\ncloudUrl: mqtt://c\n';
    const { code, log } = await told('edge-pipeline', ['--config', 'edge.yaml'], {
      files: { 'edge.yaml': `${sources}${yaml}\n` },
    });
    expect(code).toBe(2);
    expect(log).toContain(`error: edge.yaml:${says}`);
    expect(log.match(/^error/gm)).toHaveLength(1);
  });

  it.each([
    ['location: x.mp4\n    stallSeconds: 5', '3:19: source is invalid. It does not go with a recording'],
    ['location: rtsp://', '2:5: source is invalid. rtsp:// is not a URL such as rtsp://camera.example'],
    ['location: webrtc://x', '2:5: source is invalid. webrtc://x: such streams are not supported'],
    [
      'name: door\n    location: x.jpg\n  - name: door\n    location: y.jpg',
      '4:5: source is invalid. Two sources are called door',
    ],
  ])('in a source: %j', async (yaml, says) => {
    const { code, log } = await told(
      'edge-pipeline',
      ['--config', 'edge.yaml', '--check', '--role', 'detect'],
      {
        files: { 'edge.yaml': `source:\n  - ${yaml}\n` },
      },
    );
    expect(code).toBe(2);
    expect(log).toContain(`error: edge.yaml:${says}`);
  });

  it.each([
    [
      'store: s3://192.168.0.7/faces',
      "1:8: store: 's3://192.168.0.7/faces' is invalid. It must name a bucket, not the address",
    ],
    ['s3Endpoint: minio:9000', "1:13: s3Endpoint: 'minio:9000' is invalid. It must be an http or https URL"],
    [
      's3Endpoint: https://s3.example',
      "1:13: s3Endpoint: 'https://s3.example' is invalid. It is for a bucket, and --store is the folder ./faces.",
    ],
    [
      'store: s3://faces\nmaxAge: 24',
      "2:9: maxAge: '24' is invalid. It is for a folder, and --store is s3://faces.",
    ],
    ['store: s3://faces\ns3KmsKey: k', "2:11: s3KmsKey: 'k' is invalid. It needs --s3-encryption aws:kms"],
    [
      'store: s3://faces\ns3StorageClass: GLACIR',
      "2:17: s3StorageClass: 'GLACIR' is invalid. It is no class of Amazon S3",
    ],
    [
      'store: s3://faces\ns3StorageClass: GLACIER',
      "2:17: s3StorageClass: 'GLACIER' is invalid. It must be one whose objects can be read at once",
    ],
    ["keyTemplate: '{name}'", "1:14: keyTemplate: '{name}' is invalid. It must be a template such as"],
    ['accept: {a/#/b: any}', '1:9: accept is invalid. It must have topic filters such as'],
    ['store: sink.yaml', "1:8: store: 'sink.yaml' is invalid. It must be a folder or s3://bucket/prefix"],
    ['gallery: 8080\nmetrics: 8080', "1:10: gallery: '8080' is invalid. It is the port of --metrics"],
    ['gallery: 0\nmanifest: off', "1:10: gallery: '0' is invalid. The gallery shows the manifest"],
  ])('of the sink: %j', async (yaml, says) => {
    const { code, log } = await told('cloud-sink', ['--config', 'sink.yaml'], {
      files: { 'sink.yaml': `${yaml}\n` },
    });
    expect(code).toBe(2);
    expect(log).toContain(`error: sink.yaml:${says}`);
    expect(log.match(/^error/gm)).toHaveLength(1);
  });

  it('where it may be meant, it is told of and stops nothing', async () => {
    const bucket = ['--check', '--store', 's3://My_Bucket'];
    const elsewhere = ['--s3-endpoint', 'https://s3.example', '--s3-storage-class', 'STANDART'];
    const { code, log } = await told('cloud-sink', [...bucket, ...elsewhere]);
    expect(code).toBe(0);
    expect(log).toContain('is My_Bucket what yours is called?');
    expect(log).toContain('STANDART is no class of Amazon S3. Did you mean STANDARD?');
    const { log: own } = await told('cloud-sink', [
      '--check',
      '--store',
      's3://faces',
      ...elsewhere.slice(0, 2),
      '--s3-storage-class',
      'COLD',
    ]);
    expect(own).not.toContain('is no class');
  });

  it('and so is a file that is not there', async () => {
    const { code, log } = await told('cloud-sink', ['--config', 'nowhere.yaml']);
    expect(code).toBe(2);
    expect(log).toContain('nowhere.yaml: the configuration file cannot be read');
  });

  it('all of it at once, as the document shows', async () => {
    const [, refused] = /<!-- refused -->\n+```text\n([\s\S]*?)```/.exec(markdown) ?? [];
    const { log } = await told('edge-pipeline', ['--config', 'wrong.yaml'], {
      files: { 'wrong.yaml': 'workers: many\ncloudUlr: mqtt://cloud.example\n' },
    });
    expect(log).toBe(refused);
  });

  it('what only shows when everything is put together, --check finds, too', async () => {
    const { code, log } = await told('cloud-sink', ['--check', '--key-template', '{name}']);
    expect(code).toBe(2);
    expect(log).toMatch(
      /^error: option '--key-template <template>' argument '\{name\}' is invalid\. It must .*\{captured:FORMAT\}/,
    );
    const edge = await told('edge-pipeline', [
      '--check',
      '--role',
      'bridge',
      '--cloud-url',
      'mqtt://c',
      '--cloud-topic',
      'a/+',
    ]);
    expect(edge.code).toBe(2);
    expect(edge.log).toContain('wildcards');
  });

  it('a variable that looks like a slip is told of', async () => {
    const env = {
      EDGE_RELAY_CLOUD_ULR: 'x',
      EDGE_RELAY_SERVICE_HOST: '10.0.0.1',
      EDGE_RELAY_PORT: 'tcp://x',
    };
    const { code, log } = await told('cloud-sink', ['--check'], { env });
    expect(code).toBe(0);
    expect(log).toContain(
      'EDGE_RELAY_CLOUD_ULR says nothing to cloud-sink; did you mean EDGE_RELAY_CLOUD_URL?',
    );
    expect(log.match(/did you mean/g)).toHaveLength(1);
  });
});

describe('what is written about the options', () => {
  it.each(programs)('$name.schema.json is what the program takes', async ({ name, options }) => {
    const path = fileURLToPath(new URL(`../packages/examples/${name}/${name}.schema.json`, import.meta.url));
    const text = `${JSON.stringify(jsonSchemaOf(name, options), undefined, 2)}\n`;
    await expect(text).toMatchFileSnapshot(path);
  });

  it('and editors that go by it accept the example, and no name that is unknown', () => {
    const isValid = new Ajv({ strict: true, allowUnionTypes: true }).compile(
      jsonSchemaOf('edge-pipeline', edgePipeline.options),
    );
    const example = parse(exampleFile()) as object;
    expect(isValid(example), JSON.stringify(isValid.errors)).toBe(true);
    expect(isValid({ ...example, workers: '${WORKERS:2}' })).toBe(true);
    for (const wrong of [{ cloudUlr: 'x' }, { workers: 'many' }, { workers: 0 }, { role: 'dance' }]) {
      expect(isValid({ ...example, ...wrong }), JSON.stringify(wrong)).toBe(false);
    }
  });

  it('docs/configuration.md has a row for each', async () => {
    const text = programs.reduce(
      (sum, { name, options }) =>
        sum.replace(
          new RegExp(`(<!-- options ${name} -->\n)[\\s\\S]*?(<!-- end -->)`),
          (_, begin, end) => `${begin}\n${referenceOf(options)}\n\n${end}`,
        ),
      markdown,
    );
    await expect(text).toMatchFileSnapshot(document);
  });

  it('the example of docs/configuration.md is in order', async () => {
    const files = {
      'edge.yaml': exampleFile().replace('/run/secrets/cloud-password', 'password'),
      password: 'x',
    };
    const env = { DOOR_PASSWORD: 'sesame' };
    const { holds } = await checked('edge-pipeline', ['--config', 'edge.yaml'], { files, env });
    expect(holds).toMatchObject({ receipts: true, cloudPassword: '***', edgeUrl: ['mqtt://localhost'] });
  });
});

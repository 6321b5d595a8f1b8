import { execFile } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { publint } from 'publint';
import { formatMessage } from 'publint/utils';
import { beforeAll, expect, test } from 'vitest';
import manifest from '../package.json' with { type: 'json' };
import { Consumer, packLibrary } from './consumer';
import { dependenciesOf, folderSize } from './folder-size';
import { lightPackages } from './light-packages';

const execute = promisify(execFile);
const core = fileURLToPath(new URL('..', import.meta.url));
const programs = join(core, 'node_modules', '.bin');

let archive: string;
beforeAll(async () => {
  archive = await packLibrary();
});

const body = `
const source = { async *[Symbol.asyncIterator]() { yield* [1, 2, 3]; } };
const double = { transform: (number) => [number * 2] };
const numbers = [];
const writer = { write: (number) => { numbers.push(number); } };
const done = pipeline(source, double, writer).then(() => console.log(numbers.join()));
`;

test('publint finds nothing wrong', async () => {
  const tarball = new Uint8Array(readFileSync(archive)).buffer;
  const { messages } = await publint({ strict: true, pack: { tarball } });
  expect(messages.map((message) => formatMessage(message, manifest))).toEqual([]);
});

test('the types are right for every way of resolving them', async () => {
  const attw = execute(join(programs, 'attw'), [archive, '--format', 'ascii', '--no-emoji', '--no-color']);
  const { stdout } = await attw.catch((error: { stdout: string }) => error);
  expect(stdout).toContain('No problems found');
});

test('the archive holds the build, the cascades, the licence and nothing of the workshop', async () => {
  const { stdout } = await execute('tar', ['--list', '--file', archive]);
  const files = stdout.trim().split('\n');
  for (const file of [
    'LICENSE',
    'README.md',
    'CHANGELOG.md',
    'package.json',
    'dist/index.js',
    'dist/index.cjs',
  ]) {
    expect(files).toContain(`package/${file}`);
  }
  const places = /^package\/(dist\/|cascades\/|LICENSE$|README\.md$|CHANGELOG\.md$|package\.json$)/;
  expect(files.filter((file) => !places.test(file))).toEqual([]);
});

test('it and all that it needs take less than 80 MB, OpenCV apart', async () => {
  const project = await Consumer.create(archive, {});
  const needed = [...dependenciesOf(core)].filter(([name]) => !name.startsWith('opencv-wasm '));
  const names = needed.map(([name]) => name.split(' ')[0]);
  const native = `@img/sharp-${process.platform}-${process.arch}`;
  expect(names).toEqual(expect.arrayContaining(['lmdb', '@smithy/core', 'mqtt-packet', native]));
  const folders = [join(project.folder, 'node_modules', 'edge-relay'), ...needed.map(([, folder]) => folder)];
  const megabytes = folders.map((folder) => folderSize(folder) / 1e6);
  expect(megabytes.reduce((sum, size) => sum + size, 0)).toBeLessThan(80);
});

test('an ES module project runs a pipeline of its own', async () => {
  const project = await Consumer.create(archive, {
    'package.json': '{ "type": "module" }',
    'main.js': `import { pipeline } from 'edge-relay'; import 'edge-relay/testing';${body}await done;`,
  });
  expect(await project.run(['main.js'])).toBe('2,4,6\n');
});

test('a CommonJS project runs a pipeline of its own', async () => {
  const project = await Consumer.create(archive, {
    'package.json': '{ "type": "commonjs" }',
    'main.js': `const { pipeline } = require('edge-relay'); require('edge-relay/testing');${body}`,
  });
  expect(await project.run(['main.js'])).toBe('2,4,6\n');
});

const typed = `
import { type Frame, pipeline, RelayError, type Transform, type Writer } from 'edge-relay';
import * as testing from 'edge-relay/testing';

async function* source() { yield* [1, 2, 3]; }
const label: Transform<number, string> = { transform: (number) => [number.toFixed()] };
const writer: Writer<string> = { write: (text) => { text.toUpperCase(); } };
export const done: Promise<void> = pipeline(source(), label, writer);
export const sequenceOf = (frame: Frame): number => frame.sequence;
export const isRetryable = (error: unknown): boolean => error instanceof RelayError && error.retryable;
export const kit: object = testing;
// @ts-expect-error: the writer takes texts, the source gives numbers.
export const wrong = pipeline(source(), writer);
`;

test.each([
  { resolution: 'nodenext', module: 'nodenext' },
  { resolution: 'bundler', module: 'esnext' },
])('a TypeScript project compiles with moduleResolution $resolution', async ({ resolution, module }) => {
  const project = await Consumer.create(archive, {
    'package.json': '{ "type": "module" }',
    'main.ts': typed,
    'main.cts': typed,
    'tsconfig.json': JSON.stringify({
      compilerOptions: {
        target: 'es2022',
        module,
        moduleResolution: resolution,
        strict: true,
        skipLibCheck: true,
        types: ['node'],
      },
    }),
  });
  expect(await project.compile()).toBe('');
});

/** Prints the native add-ons that the process has loaded. */
const report =
  "console.log(JSON.stringify(process.report.getReport().sharedObjects.filter((file) => file.endsWith('.node'))));";

/** The packages that files or URLs belong to, but for the library and what is light enough to come along. */
function packagesAmong(files: readonly string[]): string[] {
  const names = files.flatMap((file) => /.*\/node_modules\/((?:@[^/]+\/)?[^/]+)\//.exec(file)?.[1] ?? []);
  return [...new Set(names)].filter((name) => name !== 'edge-relay' && !lightPackages.includes(name));
}

test('importing it as an ES module loads no package but light ones, and nothing native', async () => {
  const hooks = `import { appendFileSync } from 'node:fs';
    export async function resolve(specifier, context, next) {
      const resolved = await next(specifier, context);
      appendFileSync(new URL('resolved.txt', import.meta.url), resolved.url + '\\n');
      return resolved;
    }`;
  const project = await Consumer.create(archive, {
    'package.json': '{ "type": "module" }',
    'hooks.js': hooks,
    'register.js': "import { register } from 'node:module'; register('./hooks.js', import.meta.url);",
    'main.js': `await import('edge-relay'); ${report}`,
  });
  expect(await project.run(['--import', './register.js', 'main.js'])).toBe('[]\n');
  const resolved = readFileSync(join(project.folder, 'resolved.txt'), 'utf8').trim().split('\n');
  expect(resolved).toContainEqual(expect.stringMatching(/edge-relay\/dist\/index\.js$/));
  expect(packagesAmong(resolved)).toEqual([]);
});

test('requiring it loads no package but light ones, and nothing native', async () => {
  const project = await Consumer.create(archive, {
    'package.json': '{ "type": "commonjs" }',
    'main.js': `require('edge-relay'); ${report} console.log(Object.keys(require.cache).join('\\n'));`,
  });
  const [native, ...loaded] = (await project.run(['main.js'])).trim().split('\n');
  expect(native).toBe('[]');
  expect(loaded).toContainEqual(expect.stringMatching(/edge-relay\/dist\/index\.cjs$/));
  expect(packagesAmong(loaded)).toEqual([]);
});

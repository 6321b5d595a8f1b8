import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join, normalize } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';
import manifest from '../package.json' with { type: 'json' };
import { lightPackages } from './light-packages';

type Kind = 'value' | 'type' | 'dynamic';

interface Import {
  readonly from: string;
  /** A file of src, `mqtt/link.ts`, or a package, `sharp`. */
  readonly to: string;
  readonly kind: Kind;
  readonly isFile: boolean;
}

const roles = ['detectors', 'mqtt', 'preview', 'selection', 'sinks', 'sources', 'spool'];

/** Who may name a package: what its path begins with. */
const drivers: Readonly<Record<string, readonly string[]>> = {
  '@aws-sdk/client-s3': ['sinks/s3-'],
  '@aws-sdk/lib-storage': ['sinks/s3-'],
  '@aws-sdk/s3-request-presigner': ['sinks/s3-'],
  'exif-reader': ['sources/exif-time.ts', 'sinks/embedded-attributes.ts'],
  lmdb: ['spool/lmdb-'],
  mqtt: ['mqtt/'],
  'opencv-wasm': ['detectors/opencv.ts'],
  sharp: ['codec.ts', 'preview/preview-picture.ts', 'selection/picture-encoder.ts'],
};

function importsOf(from: string, text: string): Import[] {
  const found: [string, Kind][] = [];
  for (const [, typeOnly, specifier] of text.matchAll(
    /^(?:import|export)\s+(?:(type)\s+(?!from))?(?:[^'";]*?\sfrom\s+)?['"]([^'"]+)['"]/gm,
  )) {
    found.push([specifier!, typeOnly ? 'type' : 'value']);
  }
  for (const [, call, specifier] of text.matchAll(/\b(import|require)\(\s*['"]([^'"]+)['"]\s*\)/g)) {
    found.push([specifier!, call === 'import' ? 'dynamic' : 'value']);
  }
  return found
    .filter(([specifier]) => !specifier.startsWith('node:'))
    .map(([specifier, kind]) => {
      if (!specifier.startsWith('.')) return { from, to: packageOf(specifier), kind, isFile: false };
      return { from, to: `${normalize(join(dirname(from), specifier))}.ts`, kind, isFile: true };
    });
}

function packageOf(specifier: string): string {
  return specifier
    .split('/')
    .slice(0, specifier.startsWith('@') ? 2 : 1)
    .join('/');
}

function roleOf(file: string): string | undefined {
  return roles.find((role) => file.startsWith(`${role}/`));
}

function say({ from, to }: Import): string {
  return `${from} → ${to}`;
}

const isEntry = (file: string) => file === 'index.ts' || file.startsWith('testing/');

const rules = {
  'role folders do not import each other, except mqtt → spool': (imports: readonly Import[]) =>
    imports
      .filter(({ from, to }) => roleOf(from) && roleOf(to) && roleOf(from) !== roleOf(to))
      .filter(({ from, to }) => !(roleOf(from) === 'mqtt' && roleOf(to) === 'spool'))
      .map(say),
  'files of no role import no role': (imports: readonly Import[]) =>
    imports.filter(({ from, to }) => !roleOf(from) && !isEntry(from) && roleOf(to)).map(say),
  'nothing imports the barrel or the test kit': (imports: readonly Import[]) =>
    imports.filter(({ from, to, isFile }) => isFile && !isEntry(from) && isEntry(to)).map(say),
  'only its driver names a heavy package': (imports: readonly Import[]) =>
    imports
      .filter(({ to, isFile }) => !isFile && !lightPackages.includes(to))
      .filter(({ from, to }) => !drivers[to]?.some((place) => from.startsWith(place)))
      .map(say),
  'heavy packages are loaded when first used, by import()': (imports: readonly Import[]) =>
    imports
      .filter(({ to, kind, isFile }) => !isFile && !lightPackages.includes(to) && kind === 'value')
      .map(say),
  'what is imported is in dependencies': (imports: readonly Import[]) =>
    imports.filter(({ to, isFile }) => !isFile && !Object.hasOwn(manifest.dependencies, to)).map(say),
  'imports go in no circle': circles,
};

function circles(imports: readonly Import[]): string[] {
  const targets = new Map<string, string[]>();
  for (const { from, to, isFile } of imports) {
    if (isFile) targets.set(from, [...(targets.get(from) ?? []), to]);
  }
  const done = new Set<string>();
  const found: string[] = [];
  const visit = (file: string, path: readonly string[]) => {
    if (path.includes(file)) found.push([...path.slice(path.indexOf(file)), file].join(' → '));
    if (path.includes(file) || done.has(file)) return;
    for (const target of targets.get(file) ?? []) visit(target, [...path, file]);
    done.add(file);
  };
  for (const file of targets.keys()) visit(file, []);
  return found;
}

const source = fileURLToPath(new URL('../src', import.meta.url));
const files = readdirSync(source, { recursive: true, encoding: 'utf8' }).filter(
  (file) => file.endsWith('.ts') && !file.endsWith('.test.ts'),
);
const imports = files.flatMap((file) => importsOf(file, readFileSync(join(source, file), 'utf8')));

test('finds the imports of the library', () => {
  expect(files).toContain('pipeline.ts');
  expect(imports).toContainEqual({ from: 'pipeline.ts', to: 'channel.ts', kind: 'value', isFile: true });
  expect(imports).toContainEqual({ from: 'codec.ts', to: 'sharp', kind: 'dynamic', isFile: false });
  expect(imports).toContainEqual({ from: 'index.ts', to: 'frame.ts', kind: 'type', isFile: true });
  const missing = imports.filter(({ to, isFile }) => isFile && !files.includes(to));
  expect(missing).toEqual([]);
});

test.each(Object.entries(rules))('%s', (_, violations) => {
  expect(violations(imports)).toEqual([]);
});

const wrong: Record<keyof typeof rules, readonly [file: string, text: string][]> = {
  'role folders do not import each other, except mqtt → spool': [
    ['sinks/sink.ts', "import { connect } from '../mqtt/connection';"],
    ['spool/spool.ts', "import type { Publisher } from '../mqtt/publisher';"],
  ],
  'files of no role import no role': [['pipeline.ts', "export * from './sinks/sink';"]],
  'nothing imports the barrel or the test kit': [
    ['sinks/sink.ts', "import { pipeline } from '../index';"],
    ['pipeline.ts', "import './testing/suite';"],
  ],
  'only its driver names a heavy package': [
    ['sinks/sink.ts', "import type { S3Client } from '@aws-sdk/client-s3';"],
    ['frame.ts', "const sharp = await import('sharp');"],
    ['frame.ts', "import lodash from 'lodash/get';"],
  ],
  'heavy packages are loaded when first used, by import()': [
    ['codec.ts', "import sharp from 'sharp';"],
    ['codec.ts', "import {\n  type Sharp,\n  cache,\n} from 'sharp';"],
    ['mqtt/connection.ts', "export { connect } from 'mqtt';"],
    ['mqtt/connection.ts', "const mqtt = require('mqtt');"],
  ],
  'what is imported is in dependencies': [['mqtt/link.ts', "const aedes = await import('aedes');"]],
  'imports go in no circle': [
    ['a.ts', "import type { B } from './b';"],
    ['b.ts', "import { c } from './c';"],
    ['c.ts', "export { a } from './a';"],
  ],
};

test.each(Object.entries(wrong))('would see that it is not so: %s', (rule, sources) => {
  const violations = rules[rule as keyof typeof rules];
  if (rule === 'imports go in no circle') {
    expect(violations(sources.flatMap(([file, text]) => importsOf(file, text)))).toHaveLength(1);
    return;
  }
  for (const [file, text] of sources) expect(violations(importsOf(file, text)), text).toHaveLength(1);
});

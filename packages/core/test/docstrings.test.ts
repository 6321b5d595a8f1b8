import { mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';
import { type PublicName, publicNames } from './docstrings';

const entries = ['index.ts', 'testing/index.ts'].map((name) =>
  fileURLToPath(new URL(`../src/${name}`, import.meta.url)),
);
const names = publicNames(entries);
/** Ways to say what holds where an option is left out. */
const saysDefault = /@default|without|unless|otherwise|left out/i;

const undocumented = (all: readonly PublicName[]) => all.filter(({ docstring }) => docstring === '');
const withoutDefault = (all: readonly PublicName[]) =>
  all.filter(
    ({ docstring, isOptionalOption }) => isOptionalOption && docstring !== '' && !saysDefault.test(docstring),
  );
const lines = (all: readonly PublicName[]) => all.map(({ place, name }) => `${place} ${name}`);

test('every public name has a docstring', () => {
  expect(names.map(({ name }) => name)).toEqual(
    expect.arrayContaining([
      'Publisher.publish',
      'PublisherEvents.online',
      'PublisherOptions.spool',
      'audit',
    ]),
  );
  expect(lines(undocumented(names))).toEqual([]);
});

test('every option that may be left out says what holds then', () => {
  expect(lines(withoutDefault(names))).toEqual([]);
});

test('what lacks one would be seen', () => {
  const file = join(mkdtempSync(join(tmpdir(), 'edge-relay-')), 'entry.ts');
  const text = `
    /** Options. */
    export interface DoorOptions {
      /** How wide, in metres. */
      width?: number;
      height: number;
    }
    export interface DoorEvents { open: [] }
    /** A door. */
    export class Door { #lock = 1; private bolt = 2; close(): number { return this.#lock + this.bolt; } }`;
  writeFileSync(file, text);
  const found = publicNames([file]);
  expect(undocumented(found).map(({ name }) => name)).toEqual([
    'DoorOptions.height',
    'DoorEvents',
    'DoorEvents.open',
    'Door.close',
  ]);
  expect(withoutDefault(found).map(({ name }) => name)).toEqual(['DoorOptions.width']);
});

import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { RelayError } from '../errors';
import type { Store } from '../sinks/store';
import type { TestFunctions } from './suite';

/** What `storeSuite()` needs to know of a store. */
export interface StoreSuiteOptions extends TestFunctions {
  /** What the store is called in the names of the tests. */
  readonly name: string;
  /** Makes a store of its own for each test, with nothing in it. The suite opens and closes it. */
  create(): Store | Promise<Store>;
}

const MEGABYTE = 1_000_000;

/** Keys of people and programs: all are kept as they are. */
const KEYS = [
  'plain.png',
  'front-door/dt=2026-01-02/hour=03/front-door-20260102T030405.678Z-0badcafe-12-haar-0.png',
  'with space/a b.png',
  'ünïcödé/日本/😀.png',
  'signs/+&?#%:;,@$!~()[]{}"\'*<>|^`.png',
  'percent/%2e%2e/%2F.png',
  'dots/...png/.hidden',
  `${'long/'.repeat(4)}${'n'.repeat(255)}`,
  `${`${'d'.repeat(199)}/`.repeat(3)}${'n'.repeat(200)}`,
];

/** Keys that would lead out of the place, or that some store could not keep. */
const HOSTILE_KEYS = [
  '',
  '/',
  '/absolute.png',
  '../outside.png',
  'a/../../outside.png',
  'a/..',
  '.',
  'a/./b.png',
  'a//b.png',
  'a/',
  'nul\0.png',
  'line\nbreak.png',
  'back\\slash.png',
  'half-a-pair-\ud800.png',
  'p'.repeat(256),
  'k/'.repeat(600),
];

/** What every store promises: run it with your own in one line. */
export function storeSuite({ describe, it, name, create }: StoreSuiteOptions): void {
  const test = (title: string, body: (store: Store) => Promise<void>) =>
    it(title, async () => {
      const store = await create();
      try {
        await store.open();
        await body(store);
      } finally {
        await store.close();
      }
    });

  describe(`${name} as a store`, () => {
    test('creates an object once and keeps its first bytes', async (store) => {
      assert.equal(await store.put('a/b.png', bytes('first')), 'created');
      assert.equal(await store.put('a/b.png', bytes('second')), 'exists');
      assert.deepEqual(await contentOf(store, 'a/b.png'), bytes('first'));
    });

    test('lets exactly one of 32 puts of one key create it, and keeps that one', async (store) => {
      const contents = Array.from({ length: 32 }, (_, index) => bytes(`writer ${index}`));
      const outcomes = await Promise.all(contents.map((content) => store.put('race.png', content)));
      assert.equal(outcomes.filter((outcome) => outcome === 'created').length, 1);
      assert.deepEqual(await contentOf(store, 'race.png'), contents[outcomes.indexOf('created')]);
    });

    test('knows nothing under a key that was never put', async (store) => {
      await store.put('a/b.png', bytes('there'));
      for (const key of ['missing.png', 'a', 'a/b', 'a/b.png/c', 'a/b.pngx']) {
        assert.equal(await store.get(key), undefined, key);
      }
    });

    test('gives back bytes, content type and metadata as they were put', async (store) => {
      const data = new Uint8Array(randomBytes(20_000));
      const metadata = {
        id: 'front-door-1',
        sha256: 'ab'.repeat(32),
        'with-dash': 'a, b; c="d"',
        padded: ' spaces ',
        unicode: 'Küche 日本',
        tricky: '=?UTF-8?B?eA==?=',
        nothing: '',
      };
      await store.put('a.png', data, { contentType: 'image/png', metadata });
      const object = await store.get('a.png');
      assert.deepEqual(object && new Uint8Array(object.data), data);
      assert.equal(object?.contentType, 'image/png');
      if (store.supports.metadata) assert.deepEqual({ ...object?.metadata }, metadata);
    });

    test('does not change when the bytes that were put, or those that it gave, are changed', async (store) => {
      const data = bytes('as it was');
      await store.put('a.png', data);
      data.fill(0);
      (await store.get('a.png'))?.data.fill(0);
      assert.deepEqual(await contentOf(store, 'a.png'), bytes('as it was'));
    });

    test('takes part of a larger buffer', async (store) => {
      const whole = bytes('before-inside-after');
      await store.put('a.png', whole.subarray(7, 13));
      assert.deepEqual(await contentOf(store, 'a.png'), bytes('inside'));
    });

    for (const [size, title] of [
      [0, 'no bytes'],
      [6 * MEGABYTE, '6 MB'],
    ] as const) {
      test(`creates an object of ${title} once`, async (store) => {
        const data = new Uint8Array(randomBytes(size));
        // A store that learns from small objects must not be mistaken about others.
        for (const outcome of ['created', 'exists']) {
          assert.equal(await store.put('small.bin', bytes('small')), outcome);
        }
        assert.equal(await store.put('a.bin', data), 'created');
        assert.equal(await store.put('a.bin', new Uint8Array(randomBytes(size))), 'exists');
        assert.equal(Buffer.compare((await contentOf(store, 'a.bin')) ?? bytes('none'), data), 0);
      });
    }

    test('lists the keys that begin with a prefix, with their sizes', async (store) => {
      for (const key of ['a/1.png', 'a/2.png', 'a-b/3.png', 'b/a/4.png']) await store.put(key, bytes(key));
      assert.deepEqual(await keysOf(store), ['a-b/3.png', 'a/1.png', 'a/2.png', 'b/a/4.png']);
      assert.deepEqual(await keysOf(store, 'a/'), ['a/1.png', 'a/2.png']);
      assert.deepEqual(await keysOf(store, 'a'), ['a-b/3.png', 'a/1.png', 'a/2.png']);
      assert.deepEqual(await keysOf(store, 'a/2'), ['a/2.png']);
      assert.deepEqual(await keysOf(store, 'c/'), []);
      assert.deepEqual(await keysOf(store, '../'), []);
      for await (const { key, bytes: size } of store.list()) assert.equal(size, key.length);
    });

    test('names the folders below a prefix, where it can', async (store) => {
      if (!store.folders) return;
      const folders = async (prefix: string) => {
        const names: string[] = [];
        for await (const name of store.folders?.(prefix) ?? []) names.push(name);
        return names.sort();
      };
      for (const key of ['a/1.png', 'a/b/2.png', 'a/b/c/3.png', 'a-b/3.png', 'd.png'])
        await store.put(key, bytes(key));
      assert.deepEqual(await folders(''), ['a', 'a-b']);
      assert.deepEqual(await folders('a/'), ['b']);
      assert.deepEqual(await folders('a/b/c/'), []);
      assert.deepEqual(await folders('none/'), []);
    });

    test('lists nothing while it is empty', async (store) => {
      assert.deepEqual(await keysOf(store), []);
    });

    test('keeps keys with spaces, signs, other scripts and great length as they are', async (store) => {
      for (const key of KEYS) assert.equal(await store.put(key, bytes(key)), 'created', key);
      assert.deepEqual(await keysOf(store), [...KEYS].sort());
      for (const key of KEYS) assert.deepEqual(await contentOf(store, key), bytes(key), key);
    });

    test('refuses hostile keys and stores nothing for them', async (store) => {
      for (const key of HOSTILE_KEYS) {
        const refused = (error: unknown) => error instanceof TypeError || error instanceof RelayError;
        await assert.rejects(async () => store.put(key, bytes('hostile')), refused, JSON.stringify(key));
        await assert.rejects(async () => store.get(key), refused, JSON.stringify(key));
        await assert.rejects(async () => store.delete(key), refused, JSON.stringify(key));
      }
      assert.deepEqual(await keysOf(store), []);
    });

    test('deletes an object, and does not mind when there is none', async (store) => {
      await store.put('a.png', bytes('first'));
      await store.delete('a.png');
      await store.delete('a.png');
      await store.delete('never/there.png');
      assert.equal(await store.get('a.png'), undefined);
      assert.equal(await store.put('a.png', bytes('second')), 'created');
      assert.deepEqual(await contentOf(store, 'a.png'), bytes('second'));
    });

    test('does not put when its signal is aborted already', async (store) => {
      const signal = AbortSignal.abort(new Error('enough'));
      await assert.rejects(async () => store.put('a.png', bytes('late'), { signal }), /enough/);
      assert.deepEqual(await keysOf(store), []);
    });

    test('can be opened twice and closed twice', async (store) => {
      await store.open();
      await store.put('a.png', bytes('there'));
      await store.close();
      await store.close();
    });
  });
}

function bytes(text: string): Uint8Array {
  return new TextEncoder().encode(text);
}

async function contentOf(store: Store, key: string): Promise<Uint8Array | undefined> {
  const object = await store.get(key);
  return object && new Uint8Array(object.data);
}

async function keysOf(store: Store, prefix?: string): Promise<string[]> {
  const keys: string[] = [];
  for await (const { key } of store.list(prefix)) keys.push(key);
  return keys.sort();
}

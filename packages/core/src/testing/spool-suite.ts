import assert from 'node:assert/strict';
import { RelayError } from '../errors';
import type { Message } from '../message';
import type { FullPolicy, Spool, SpoolDrop, SpoolOrder } from '../spool/spool';
import type { TestFunctions } from './suite';

/** What the spool of a test takes in, and how. */
export interface SpoolSuiteBounds {
  /** Messages at the most. Left out: no bound. */
  readonly maximumMessages?: number;
  /** Their bytes together at the most. Left out: no bound. */
  readonly maximumBytes?: number;
  /** What to do when it is full. Left out: `block`. */
  readonly whenFull?: FullPolicy;
  /** What is read first. Left out: `oldest-first`. */
  readonly order?: SpoolOrder;
  /** Seconds after which a message expires. Left out: never. */
  readonly maximumAgeSeconds?: number;
}

/** What `spoolSuite()` needs to know of a spool. */
export interface SpoolSuiteOptions extends TestFunctions {
  /** What the spool is called in the names of the tests. */
  readonly name: string;
  /** Makes a spool of its own for each test, with nothing in it. The suite opens and closes it. */
  create(bounds: SpoolSuiteBounds): Spool | Promise<Spool>;
}

const message = (id: string, bytes = 10): Message => ({
  id,
  payload: Buffer.alloc(bytes, id),
  properties: {},
});
const idsOf = (entries: readonly { readonly message: Message }[]) => entries.map((entry) => entry.message.id);
const allIn = (spool: Spool) => {
  spool.rewind();
  return spool.read(100_000);
};
const nextTurn = () => new Promise((resolve) => setTimeout(resolve, 20));

/** Checks what a Spool promises; for a spool of your own, one call in a test file. */
export function spoolSuite({ describe, it, name, create }: SpoolSuiteOptions): void {
  const withSpool = (bounds: SpoolSuiteBounds, body: (spool: Spool) => Promise<void>) => async () => {
    const spool = await create(bounds);
    await spool.open();
    try {
      await body(spool);
    } finally {
      await spool.close();
    }
  };

  describe(`${name} as a spool`, () => {
    it(
      'keeps order, reads each message once, and all that are left when it begins anew',
      withSpool({}, async (spool) => {
        await Promise.all(['a', 'b', 'c', 'd'].map((id) => spool.append(message(id))));
        const first = await spool.read(2);
        assert.deepEqual(idsOf(first), ['a', 'b']);
        assert.deepEqual(idsOf(await spool.read(10)), ['c', 'd']);
        assert.deepEqual(await spool.read(10), []);
        await spool.remove(first[1]!.position);
        await spool.remove(first[1]!.position);
        await spool.append(message('e'));
        assert.deepEqual(idsOf(await spool.read(10)), ['e']);
        spool.rewind();
        assert.deepEqual(idsOf(await spool.read(10)), ['a', 'c', 'd', 'e']);
        assert.equal(spool.messages, 4);
        assert.deepEqual((await spool.get(first[0]!.position))?.message.payload, message('a').payload);
        assert.equal(await spool.get(first[1]!.position), undefined);
      }),
    );

    it(
      'reads what has a higher priority first, in order, and begins anew in the same way',
      withSpool({}, async (spool) => {
        for (const [id, priority] of [
          ['a', 0],
          ['b', 5],
          ['c', -1],
          ['d', 5],
          ['e', 0],
        ] as const) {
          await spool.append({ ...message(id), ...(priority !== 0 && { priority }) });
        }
        assert.deepEqual(idsOf(await spool.read(1)), ['b']);
        await spool.append({ ...message('f'), priority: 9 });
        assert.deepEqual(idsOf(await spool.read(2)), ['f', 'd']);
        assert.deepEqual(idsOf(await spool.read(10)), ['a', 'e', 'c']);
        assert.deepEqual(idsOf(await allIn(spool)), ['f', 'b', 'd', 'a', 'e', 'c']);
      }),
    );

    it(
      'finds a message by its id and its payload, for as long as it is in',
      withSpool({}, async (spool) => {
        const one = { ...message('a'), properties: { id: 'x' } };
        const entry = await spool.append(one);
        assert.equal(await spool.find({ ...one, payload: Buffer.from(one.payload) }), entry!.position);
        assert.equal(await spool.find({ ...one, topic: 'elsewhere' }), undefined);
        assert.equal(await spool.find({ ...one, payload: Buffer.from('other') }), undefined);
        assert.equal(await spool.find({ ...one, properties: { id: 'y' } }), undefined);
        assert.equal(await spool.find(message('a')), undefined);
        await spool.remove(entry!.position);
        assert.equal(await spool.find(one), undefined);
      }),
    );

    it(
      'reads the newest first when told to, also when newer ones come between',
      withSpool({ order: 'newest-first' }, async (spool) => {
        for (const id of ['a', 'b', 'c', 'd']) await spool.append(message(id));
        assert.equal(spool.order, 'newest-first');
        const first = await spool.read(2);
        assert.deepEqual(idsOf(first), ['d', 'c']);
        await spool.append(message('e'));
        assert.deepEqual(idsOf(await spool.read(2)), ['e', 'b']);
        await spool.remove(first[0]!.position);
        spool.rewind();
        assert.deepEqual(idsOf(await spool.read(10)), ['e', 'c', 'b', 'a']);
      }),
    );

    it(
      'shows what was appended in order and without a gap, at whatever pace it comes',
      withSpool({}, async (spool) => {
        const seen: number[] = [];
        const appended = Array.from({ length: 1_500 }, async (_, index) => {
          await new Promise((resolve) => setTimeout(resolve, Math.random() * 150));
          const { position } = (await spool.append(message(String(index))))!;
          seen.push(...(await spool.read(1_000)).map((entry) => entry.position));
          assert.ok(seen.at(-1)! >= position);
        });
        await Promise.all(appended);
        assert.equal(seen.length, 1_500);
        assert.ok(seen.every((position, index) => index === 0 || position > seen[index - 1]!));
      }),
    );

    it(
      'reads no more bytes than asked for, but one message',
      withSpool({}, async (spool) => {
        for (const id of ['a', 'b', 'c', 'd']) await spool.append(message(id, 99));
        assert.deepEqual(idsOf(await spool.read(10, 200)), ['a', 'b']);
        assert.deepEqual(idsOf(await spool.read(10, 1)), ['c']);
      }),
    );

    it(
      'says when a message came and when it expires, and drops it instead of reading it after that',
      withSpool({ maximumAgeSeconds: 60 }, async (spool) => {
        const drops: SpoolDrop[] = [];
        spool.onDrop((drop) => drops.push(drop));
        const before = Date.now();
        await spool.append({ ...message('late'), expirySeconds: 0.02 });
        const entry = await spool.append({ ...message('good'), expirySeconds: 30 });
        const old = await spool.append({ ...message('old'), expirySeconds: 90 });
        assert.ok(Math.abs(entry!.storedAt - before) < 30_000);
        assert.equal(entry!.expiresAt, entry!.storedAt + 30_000);
        assert.equal(old!.expiresAt, old!.storedAt + 60_000);
        await nextTurn();
        await nextTurn();
        const [read, ...others] = await spool.read(10);
        assert.deepEqual(idsOf([read!, ...others]), ['good', 'old']);
        assert.deepEqual([read!.storedAt, read!.expiresAt], [entry!.storedAt, entry!.expiresAt]);
        assert.deepEqual(idsOf(drops), ['late']);
        assert.equal(drops[0]!.reason, 'expired');
        assert.equal(spool.messages, 2);
      }),
    );

    it(
      'tells how long the first message has been in, and 0 where none is',
      withSpool({}, async (spool) => {
        assert.equal(spool.oldestAgeSeconds, 0);
        const first = await spool.append(message('a'));
        await nextTurn();
        const second = await spool.append({ ...message('b'), priority: 1 });
        const betweenSeconds = (second!.storedAt - first!.storedAt) / 1_000;
        assert.ok(spool.oldestAgeSeconds >= betweenSeconds);
        await spool.read(10);
        const since = performance.now();
        const ageOfFirst = spool.oldestAgeSeconds;
        assert.ok(ageOfFirst >= betweenSeconds);
        await spool.remove(first!.position);
        const ageOfSecond = spool.oldestAgeSeconds;
        const passedSeconds = (performance.now() - since) / 1_000;
        // One may count in whole milliseconds.
        assert.ok(ageOfSecond <= ageOfFirst + passedSeconds - betweenSeconds + 0.002);
        await spool.remove(second!.position);
        assert.equal(spool.oldestAgeSeconds, 0);
      }),
    );

    it(
      'refuses a message without properties with the cure, and takes the next one',
      withSpool({}, async (spool) => {
        const { properties: _, ...bare } = message('a');
        await assert.rejects(
          spool.append(bare as Message),
          /^TypeError: spool: message a has no properties\. Give it \{\}/,
        );
        assert.ok(await spool.append(message('b')));
      }),
    );

    it(
      'drops what expires by itself, read or not, and makes room for what waits',
      withSpool({ maximumAgeSeconds: 0.5, maximumMessages: 2 }, async (spool) => {
        const drops: string[] = [];
        spool.onDrop((drop) => drops.push(drop.message.id));
        await spool.append(message('a'));
        await spool.read(1);
        await spool.append(message('b'));
        await spool.append(message('c'));
        assert.deepEqual(drops, ['a', 'b']);
        assert.equal(spool.messages, 1);
      }),
    );

    it(
      'lets nobody overtake a message that waits for room',
      withSpool({ maximumBytes: 100 }, async (spool) => {
        await spool.append(message('a', 60));
        const order: string[] = [];
        const large = spool.append(message('b', 80)).then(() => order.push('b'));
        const small = spool.append(message('c', 10)).then(() => order.push('c'));
        await nextTurn();
        assert.deepEqual(order, []);
        await spool.remove((await allIn(spool))[0]!.position);
        await Promise.all([large, small]);
        assert.deepEqual(order, ['b', 'c']);
      }),
    );

    it(
      'gives everything back byte for byte',
      withSpool({}, async (spool) => {
        const full: Message = {
          id: 'door-1 "ü" 😀',
          topic: 'faces/ü',
          payload: Buffer.from(Array.from({ length: 256 }, (_, byte) => byte)),
          contentType: 'image/png',
          properties: { one: 'ü', two: ['a', 'b'], __proto__x: '', constructor: 'text' },
          retain: true,
          expirySeconds: 60,
          responseTopic: 'answers',
          correlationData: Buffer.from([0, 255, 128]),
          payloadIsText: false,
        };
        await spool.append(full);
        await spool.append({ id: 'bare', payload: new Uint8Array(0), properties: {} });
        const [first, second] = await allIn(spool);
        assert.deepEqual(plain(first!.message), plain(full));
        assert.deepEqual(plain(second!.message), { id: 'bare', payload: '', properties: {} });
      }),
    );

    it(
      'blocks when it is full, and goes on in order when there is room',
      withSpool({ maximumMessages: 2 }, async (spool) => {
        await spool.append(message('a'));
        await spool.append(message('b'));
        const order: string[] = [];
        const waiting = ['c', 'd'].map((id) => spool.append(message(id)).then(() => order.push(id)));
        await nextTurn();
        assert.deepEqual(order, []);
        await spool.remove((await allIn(spool))[0]!.position);
        await waiting[0];
        await nextTurn();
        assert.deepEqual(order, ['c']);
        await spool.remove((await allIn(spool))[0]!.position);
        await waiting[1];
        assert.deepEqual(idsOf(await allIn(spool)), ['c', 'd']);
      }),
    );

    it('lets a waiting append go when it is aborted or the spool is closed', async () => {
      const spool = await create({ maximumMessages: 1 });
      await spool.open();
      await spool.append(message('a'));
      const controller = new AbortController();
      const aborted = assert.rejects(spool.append(message('b'), controller.signal), /enough/);
      const closed = assert.rejects(spool.append(message('c')), { code: 'CLOSED' });
      await nextTurn();
      controller.abort(new Error('enough'));
      await aborted;
      await spool.close();
      await closed;
      await assert.rejects(spool.append(message('d')), { code: 'CLOSED' });
      await spool.close();
    });

    for (const [whenFull, kept, dropped] of [
      ['drop-oldest', ['b', 'c'], ['a']],
      ['drop-newest', ['a', 'b'], ['c']],
    ] as const) {
      it(
        `with ${whenFull} keeps ${kept.join(' and ')} and tells of ${dropped[0]}`,
        withSpool({ maximumMessages: 2, whenFull }, async (spool) => {
          const drops: SpoolDrop[] = [];
          spool.onDrop((drop) => drops.push(drop));
          for (const id of ['a', 'b', 'c']) await spool.append(message(id));
          assert.deepEqual(idsOf(await allIn(spool)), kept);
          assert.deepEqual(idsOf(drops), dropped);
          assert.deepEqual(
            drops.map(({ reason }) => reason),
            ['full'],
          );
        }),
      );
    }

    it(
      'with drop-oldest drops first what has the lowest priority and is not on its way',
      withSpool({ maximumMessages: 4, whenFull: 'drop-oldest' }, async (spool) => {
        const drops: SpoolDrop[] = [];
        spool.onDrop((drop) => drops.push(drop));
        await spool.append(message('a'));
        await spool.append({ ...message('b'), priority: 1 });
        await spool.append(message('c'));
        await spool.append(message('d'));
        assert.deepEqual(idsOf(await spool.read(2)), ['b', 'a']);
        for (const id of ['e', 'f']) await spool.append(message(id));
        assert.deepEqual(idsOf(drops), ['c', 'd']);
        await spool.read(10);
        await spool.append(message('g'));
        assert.deepEqual(idsOf(drops), ['c', 'd', 'a']);
        assert.deepEqual(idsOf(await allIn(spool)), ['b', 'e', 'f', 'g']);
      }),
    );

    it(
      'with drop-oldest never holds more than it may, however many arrive at once',
      withSpool({ maximumMessages: 3, whenFull: 'drop-oldest' }, async (spool) => {
        let drops = 0;
        spool.onDrop(() => {
          drops += 1;
        });
        await Promise.all(Array.from({ length: 50 }, (_, index) => spool.append(message(String(index)))));
        assert.equal(spool.messages, 3);
        assert.equal(drops, 47);
      }),
    );

    it(
      'counts payload, topic and properties against its bytes, and refuses what can never fit',
      withSpool({ maximumBytes: 100 }, async (spool) => {
        await spool.append({
          id: '1',
          topic: 'abc',
          payload: Buffer.alloc(50),
          properties: { one: ['12', '34'] },
        });
        assert.equal(spool.bytes, 1 + 3 + 50 + 5 + 5);
        await assert.rejects(
          spool.append(message('big', 200)),
          (error) => error instanceof RelayError && error.code === 'MESSAGE_TOO_LARGE',
        );
        await spool.remove((await allIn(spool))[0]!.position);
        assert.equal(spool.bytes, 0);
      }),
    );
  });
}

function plain({ payload, correlationData, properties, ...rest }: Message) {
  return {
    ...rest,
    properties: { ...properties },
    payload: Buffer.from(payload).toString('hex'),
    ...(correlationData && { correlationData: Buffer.from(correlationData).toString('hex') }),
  };
}

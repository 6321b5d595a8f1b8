import assert from 'node:assert/strict';
import { RelayError } from '../errors';
import type { Message } from '../message';
import type { FullPolicy, Spool, SpoolDrop } from '../spool/spool';
import type { TestFunctions } from './suite';

/** How much the spool of a test may hold. */
export interface SpoolSuiteBounds {
  readonly maximumMessages?: number;
  readonly maximumBytes?: number;
  readonly whenFull?: FullPolicy;
}

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
      'keeps order, and reads from any position',
      withSpool({}, async (spool) => {
        await Promise.all(['a', 'b', 'c', 'd'].map((id) => spool.append(message(id))));
        const all = await spool.read(0, 10);
        assert.deepEqual(idsOf(all), ['a', 'b', 'c', 'd']);
        assert.deepEqual(idsOf(await spool.read(0, 2)), ['a', 'b']);
        assert.deepEqual(idsOf(await spool.read(all[1]!.position, 1)), ['c']);
        await spool.remove(all[1]!.position);
        await spool.remove(all[1]!.position);
        assert.deepEqual(idsOf(await spool.read(0, 10)), ['a', 'c', 'd']);
        assert.equal(spool.messages, 3);
      }),
    );

    it(
      'shows what was appended in order and without a gap, at whatever pace it comes',
      withSpool({}, async (spool) => {
        let seen = 0;
        const appended = Array.from({ length: 1_500 }, async (_, index) => {
          await new Promise((resolve) => setTimeout(resolve, Math.random() * 150));
          const entry = await spool.append(message(String(index)));
          const behind = await spool.read(seen, 1_000_000);
          for (const { position } of behind) {
            // Several that became durable together read at the same time.
            if (position <= seen) continue;
            assert.equal(position, seen + 1);
            seen = position;
          }
          assert.ok(seen >= entry!.position);
        });
        await Promise.all(appended);
        assert.equal(seen, 1_500);
        assert.equal(spool.messages, 1_500);
      }),
    );

    it(
      'reads no more bytes than asked for, but one message',
      withSpool({}, async (spool) => {
        for (const id of ['a', 'b', 'c']) await spool.append(message(id, 99));
        assert.deepEqual(idsOf(await spool.read(0, 10, 200)), ['a', 'b']);
        assert.deepEqual(idsOf(await spool.read(0, 10, 1)), ['a']);
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
        await spool.remove((await spool.read(0, 1))[0]!.position);
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
        const [first, second] = await spool.read(0, 2);
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
        await spool.remove((await spool.read(0, 1))[0]!.position);
        await waiting[0];
        await nextTurn();
        assert.deepEqual(order, ['c']);
        await spool.remove((await spool.read(0, 1))[0]!.position);
        await waiting[1];
        assert.deepEqual(idsOf(await spool.read(0, 10)), ['c', 'd']);
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
          assert.deepEqual(idsOf(await spool.read(0, 10)), kept);
          assert.deepEqual(idsOf(drops), dropped);
          assert.deepEqual(
            drops.map(({ reason }) => reason),
            ['full'],
          );
        }),
      );
    }

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
        await spool.remove((await spool.read(0, 1))[0]!.position);
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

import { afterAll, beforeAll, expect, it } from 'vitest';
import { describeWith } from '../../test/requirements';
import { pipeline } from '../pipeline';
import { MemoryStore } from '../sinks/memory-store';
import { Sink } from '../sinks/sink';
import { freePort } from '../testing/free-port';
import { type Mosquitto, startMosquitto } from '../testing/mosquitto';
import { roundTrip } from './round-trip';
import { Subscriber } from './subscriber';

/** A sink in memory that takes what comes on a topic. */
async function startSink(broker: Mosquitto, topic: string, options: { protocolVersion?: 4 | 5 } = {}) {
  const faces = new Subscriber({ url: broker.url, topic, receipts: true, ...options });
  const sink = new Sink(new MemoryStore());
  const online = new Promise((resolve) => faces.once('online', resolve));
  const running = pipeline(faces, sink);
  await online;
  return {
    store: sink.store,
    [Symbol.asyncDispose]: async () => {
      await faces.close();
      await running;
      await sink.close();
    },
  };
}

describeWith('mosquitto', 'a probe', () => {
  let broker: Mosquitto;
  beforeAll(async () => {
    broker = await startMosquitto();
  });
  afterAll(() => broker.close());

  it.each([4, 5] as const)(
    'goes to the store and back on MQTT %i, and tells the time',
    async (protocolVersion) => {
      const topic = `stored/${protocolVersion}`;
      await using _ = await startSink(broker, topic, { protocolVersion });
      const trip = await roundTrip({ url: broker.url, topic, protocolVersion });
      if (trip.outcome !== 'stored') throw new Error(trip.outcome);
      // One clock is behind both ends.
      expect(Math.abs(trip.clockAheadMs!)).toBeLessThanOrEqual(trip.totalMs / 2 + 1);
    },
  );

  it('says when nobody takes it, or nobody answers', async () => {
    const { url } = broker;
    expect(await roundTrip({ url, topic: 'nobody' })).toEqual({ outcome: 'unsubscribed' });
    const subscriber = new Subscriber({ url, topic: 'deaf' });
    const online = new Promise((resolve) => subscriber.once('online', resolve));
    const messages = subscriber[Symbol.asyncIterator]();
    const first = messages.next();
    await online;
    const silent = await roundTrip({ url, topic: 'deaf', timeoutMs: 300 });
    expect(silent).toEqual({ outcome: 'silent', waitedMs: expect.any(Number) });
    expect((await first).value?.expirySeconds).toBeLessThanOrEqual(60);
    await messages.return?.();
  });

  it.each([
    [4, 'taken', { protocolVersion: 4 }],
    [5, 'unsubscribed', {}],
  ] as const)(
    'ends at the broker without receipts, on MQTT %i: %s',
    async (protocolVersion, outcome, more) => {
      const trip = await roundTrip({ url: broker.url, topic: 'nobody', protocolVersion, receipts: false });
      expect(trip).toEqual({ outcome, ...more });
    },
  );

  it('rejects where there is no broker', async () => {
    const url = `mqtt://127.0.0.1:${await freePort()}`;
    await expect(roundTrip({ url, topic: 'faces' })).rejects.toMatchObject({ code: 'BROKER_UNREACHABLE' });
  });
});

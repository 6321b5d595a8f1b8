import { once } from 'node:events';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { startAedes, until } from '../../test/brokers';
import { describeWith } from '../../test/requirements';
import { type FaultProxy, startFaultProxy } from '../testing/fault-proxy';
import { freePort } from '../testing/free-port';
import { type Mosquitto, startMosquitto } from '../testing/mosquitto';
import { Bridge, type BridgeOptions } from './bridge';
import { Publisher } from './publisher';
import { Subscriber } from './subscriber';

const routes = [{ from: 'hw3facestx2', to: 'hw3faces' }];

/** Reads a topic in the background and acknowledges everything. */
async function archive(url: string, topic = 'hw3faces') {
  const subscriber = new Subscriber({ url, topic, clientId: 'archive' });
  const texts: string[] = [];
  const done = (async () => {
    for await (const delivery of subscriber) {
      texts.push(Buffer.from(delivery.payload).toString());
      delivery.ack();
    }
  })();
  await once(subscriber as never, 'online');
  return { texts, subscriber, close: () => subscriber.close().then(() => done) };
}

describeWith('mosquitto', 'Bridge between two Mosquittos', () => {
  let near: Mosquitto;
  let far: Mosquitto;
  let proxy: FaultProxy;
  beforeEach(async () => {
    [near, far] = await Promise.all([startMosquitto(), startMosquitto()]);
    proxy = await startFaultProxy({ targetPort: far.port });
  });
  afterEach(async () => {
    await proxy.close();
    await Promise.all([near.close(), far.close()]);
  });

  it.each([4, 5] as const)(
    'forwards under the other topic, in order (version %d)',
    async (protocolVersion) => {
      const reader = await archive(far.url);
      const bridge = new Bridge({
        from: { url: near.url, protocolVersion },
        to: { url: far.url, protocolVersion },
        topics: routes,
      });
      const running = bridge.run();
      await new Promise<void>((resolve) => bridge.on('online', ({ side }) => side === 'from' && resolve()));
      const publisher = new Publisher({ url: near.url, topic: 'hw3facestx2' });
      const texts = Array.from({ length: 300 }, (_, index) => String(index));
      await Promise.all(texts.map((payload) => publisher.publish({ payload })));
      await until(() => reader.texts.length === 300, '300 texts');
      expect(reader.texts).toEqual(texts);
      await bridge.close();
      await running;
      expect(bridge.stats).toMatchObject({ received: 300, forwarded: 300, outstanding: 0, spooled: 0 });
      await publisher.close();
      await reader.close();
    },
  );

  it('carries id, content type and properties through', async () => {
    const bridge = new Bridge({ from: { url: near.url }, to: { url: far.url }, topics: routes });
    const running = bridge.run();
    const subscriber = new Subscriber({ url: far.url, topic: 'hw3faces' });
    const iterator = subscriber[Symbol.asyncIterator]();
    const next = iterator.next();
    const publisher = new Publisher({ url: near.url, topic: 'hw3facestx2' });
    const message = {
      payload: Buffer.from([1, 0, 255]),
      contentType: 'image/png',
      properties: { id: 'a-1', score: '7.5' },
    };
    await publisher.publish(message);
    const { value } = await next;
    expect(value).toMatchObject({ ...message, id: 'a-1', topic: 'hw3faces' });
    value!.ack();
    await iterator.return?.();
    await bridge.close();
    await running;
    await publisher.close();
  });

  it('acknowledges to the near broker only what the far broker has taken', async () => {
    const reader = await archive(far.url);
    const bridge = new Bridge({
      from: { url: near.url, clientId: 'bridge' },
      to: { url: `mqtt://127.0.0.1:${proxy.port}`, retryMinimumMs: 20, retryMaximumMs: 50 },
      topics: routes,
    });
    const running = bridge.run();
    await new Promise<void>((resolve) => bridge.on('online', ({ side }) => side === 'from' && resolve()));
    proxy.pause('to-client');
    const publisher = new Publisher({ url: near.url, topic: 'hw3facestx2' });
    await Promise.all(
      Array.from({ length: 10 }, (_, index) => publisher.publish({ payload: String(index) })),
    );
    await until(() => bridge.stats.outstanding === 10, 'ten messages on their way');
    expect(near.log).not.toMatch(/Received PUBACK from bridge/);
    proxy.cut();
    proxy.resume();
    await until(() => new Set(reader.texts).size === 10, 'all ten');
    await until(() => bridge.stats.outstanding === 0, 'all acknowledged');
    await until(() => (near.log.match(/Received PUBACK from bridge/g) ?? []).length === 10, 'ten PUBACKs');
    await bridge.close();
    await running;
    await publisher.close();
    await reader.close();
  });

  it('is not stopped by a message that the far broker can never take, and tells of it', async () => {
    const narrow = await startMosquitto({ config: 'max_packet_size 10000' });
    const reader = await archive(narrow.url);
    const bridge = new Bridge({
      from: { url: near.url, clientId: 'bridge' },
      to: { url: narrow.url },
      topics: routes,
    });
    const refused: string[] = [];
    bridge.on('refused', ({ error }) => refused.push(error.code));
    const running = bridge.run();
    await new Promise<void>((resolve) => bridge.on('online', ({ side }) => side === 'from' && resolve()));
    const publisher = new Publisher({ url: near.url, topic: 'hw3facestx2' });
    for (const payload of ['before', 'x'.repeat(20_000), 'after']) await publisher.publish({ payload });
    await until(() => reader.texts.length === 2, 'both small ones');
    expect(reader.texts).toEqual(['before', 'after']);
    expect(refused).toEqual(['MESSAGE_TOO_LARGE']);
    await until(() => bridge.stats.outstanding === 0, 'all acknowledged');
    expect(bridge.stats).toMatchObject({ refused: 1, forwarded: 2 });
    await bridge.close();
    await running;
    expect(() => bridge.run()).toThrow(/running already|closed/);
    await publisher.close();
    await reader.close();
    await narrow.close();
  });

  it('lets go of what comes by a subscription of earlier routes, and tells of it', async () => {
    const reader = await archive(far.url);
    const bridgeFor = (topic: string) =>
      new Bridge({
        from: { url: near.url, clientId: 'bridge' },
        to: { url: far.url },
        topics: [{ from: topic, to: 'hw3faces' }],
      });
    const earlier = bridgeFor('earlier');
    const first = earlier.run();
    await new Promise<void>((resolve) => earlier.on('online', ({ side }) => side === 'from' && resolve()));
    await earlier.close();
    await first;
    const bridge = bridgeFor('hw3facestx2');
    const running = bridge.run();
    await new Promise<void>((resolve) => bridge.on('online', ({ side }) => side === 'from' && resolve()));
    const publisher = new Publisher({ url: near.url });
    await publisher.publish({ topic: 'earlier', payload: 'old' });
    await publisher.publish({ topic: 'hw3facestx2', payload: 'new' });
    await until(() => reader.texts.length === 1, 'the new one');
    expect(reader.texts).toEqual(['new']);
    await until(() => bridge.stats.outstanding === 0, 'all acknowledged');
    expect(bridge.stats).toMatchObject({ refused: 1, forwarded: 1 });
    await bridge.close();
    await running;
    await publisher.close();
    await reader.close();
  });

  it('says at once that the far broker refuses it, before any message has come', async () => {
    const strict = await startMosquitto({ config: 'allow_anonymous false' });
    const bridge = new Bridge({ from: { url: near.url }, to: { url: strict.url }, topics: routes });
    await expect(bridge.run()).rejects.toMatchObject({ code: 'BROKER_REFUSED', stage: 'bridge (to)' });
    await bridge.close();
    await strict.close();
  });

  it('with the far broker away closes cleanly, and the next one delivers what the near broker kept', async () => {
    const farPort = await freePort();
    const options = {
      from: { url: near.url, clientId: 'bridge' },
      to: { url: `mqtt://127.0.0.1:${farPort}`, retryMinimumMs: 20, retryMaximumMs: 50 },
      topics: routes,
    };
    const first = new Bridge(options);
    const subscribed = new Promise<void>((done) =>
      first.on('online', ({ side }) => side === 'from' && done()),
    );
    const running = first.run();
    await subscribed;
    const publisher = new Publisher({ url: near.url, topic: 'hw3facestx2' });
    await Promise.all(['a', 'b', 'c'].map((payload) => publisher.publish({ payload })));
    await until(() => first.stats.outstanding === 3, 'three messages taken');
    const controller = new AbortController();
    await first.close();
    await running;

    const late = await startMosquitto({ port: farPort });
    const reader = await archive(late.url);
    const second = new Bridge(options);
    const again = second.run({ signal: controller.signal });
    await until(() => reader.texts.length === 3, 'the three messages');
    expect(reader.texts).toEqual(['a', 'b', 'c']);
    controller.abort(new Error('now'));
    await expect(again).rejects.toThrow('now');
    await second.close();
    await publisher.close();
    await reader.close();
    await late.close();
  }, 40_000);
});

describe('Bridge between brokers of MQTT 3.1.1', () => {
  it('forwards both ways where nothing can go round in circles', async () => {
    const [near, far] = await Promise.all([startAedes(), startAedes()]);
    const reader = await archive(far.url);
    const bridge = new Bridge({
      from: { url: near.url },
      to: { url: far.url },
      topics: [...routes, { from: 'commands', direction: 'in' }],
    });
    const sides = new Set<string>();
    bridge.on('online', ({ side }) => sides.add(side));
    const running = bridge.run();
    await until(() => sides.size === 2, 'both sides are up');
    const publisher = new Publisher({ url: near.url, topic: 'hw3facestx2' });
    await publisher.publish({ payload: 'x' });
    await until(() => reader.texts.length === 1, 'the text');
    await bridge.close();
    await running;
    await publisher.close();
    await reader.close();
    await Promise.all([near.close(), far.close()]);
  });

  it('forwards', async () => {
    const [near, far] = await Promise.all([startAedes(), startAedes()]);
    const reader = await archive(far.url);
    const bridge = new Bridge({ from: { url: near.url }, to: { url: far.url }, topics: routes });
    const running = bridge.run();
    await new Promise<void>((resolve) => bridge.on('online', ({ side }) => side === 'from' && resolve()));
    const publisher = new Publisher({ url: near.url, topic: 'hw3facestx2' });
    await publisher.publish({ payload: 'x' });
    await until(() => reader.texts.length === 1, 'the text');
    await bridge.close();
    await running;
    await publisher.close();
    await reader.close();
    await Promise.all([near.close(), far.close()]);
  });
});

describe('Bridge', () => {
  const url = 'mqtt://h';
  it.each([
    [{ from: { url }, to: { url }, topics: [] }, /at least one/],
    [{ from: { url }, to: { url }, topics: routes, mode: 'store' }, /mode store needs a spool/],
    [{ from: { url }, to: { url }, topics: routes, mode: 'ack-through', spool: './x' }, /it has no spool/],
    [
      { from: { url }, to: { url }, topics: routes, mode: 'fast' },
      /mode must be store or ack-through, not fast/,
    ],
    [
      { from: { url, clientId: 'a+' }, to: { url }, topics: routes, stateTopic: true },
      /"edge-relay\/bridge\/a\+\/state"/,
    ],
    [{ from: { url: 'x' }, to: { url }, topics: routes }, /bridge \(from\).*"x"/],
    [{ from: { url }, to: { url: 'http://u:secret@h' }, topics: routes }, /bridge \(to\).*u:\*\*\*@h/],
  ])('refuses the options %j', (options, message) => {
    expect(() => new Bridge(options as BridgeOptions)).toThrow(TypeError);
    expect(() => new Bridge(options as BridgeOptions)).toThrow(message);
  });
});

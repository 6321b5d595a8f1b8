import { once } from 'node:events';
import { createServer, type Socket } from 'node:net';
import fc from 'fast-check';
import mqtt from 'mqtt';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { startAedes, until } from '../../test/brokers';
import { describeWith } from '../../test/requirements';
import type { Delivery } from '../message';
import { pipeline } from '../pipeline';
import { type FaultProxy, startFaultProxy } from '../testing/fault-proxy';
import { type Mosquitto, startMosquitto } from '../testing/mosquitto';
import { Publisher } from './publisher';
import { Subscriber, type SubscriberOptions } from './subscriber';

const textOf = (delivery: Delivery) => Buffer.from(delivery.payload).toString();

/** Takes `count` deliveries without acknowledging any. */
async function take(iterator: AsyncIterator<Delivery>, count: number): Promise<Delivery[]> {
  const taken: Delivery[] = [];
  while (taken.length < count) taken.push((await iterator.next()).value);
  return taken;
}

describeWith('mosquitto', 'Subscriber on Mosquitto', () => {
  let broker: Mosquitto;
  let publisher: Publisher;
  let proxy: FaultProxy;
  beforeEach(async () => {
    broker = await startMosquitto();
    proxy = await startFaultProxy({ targetPort: broker.port });
    publisher = new Publisher({ url: broker.url, topic: 'faces' });
  });
  afterEach(async () => {
    await publisher.close();
    await proxy.close();
    await broker.close();
  });
  let latest: Subscriber;
  const subscribe = (options: Partial<SubscriberOptions> = {}) => {
    latest = new Subscriber({
      url: broker.url,
      topic: 'faces',
      clientId: 'reader',
      retryMinimumMs: 20,
      ...options,
    });
    return latest;
  };
  /** Once somebody listens: what is published just before comes after what is published just then. */
  const publishAll = async (texts: readonly string[]) => {
    await until(() => latest.stats.online, 'the subscriber is online');
    await Promise.all(texts.map((payload) => publisher.publish({ payload })));
  };
  const texts = (count: number) => Array.from({ length: count }, (_, index) => String(index));

  it.each([4, 5] as const)(
    'what is not acknowledged comes again, and only that (version %d)',
    async (protocolVersion) => {
      const first = subscribe({ protocolVersion });
      const iterator = first[Symbol.asyncIterator]();
      const taking = take(iterator, 10);
      await publishAll(texts(10));
      for (const delivery of (await taking).slice(0, 4)) delivery.ack();
      await until(() => first.stats.outstanding === 6, 'four are acknowledged');
      await iterator.return?.();

      const second = subscribe({ protocolVersion });
      const again = await take(second[Symbol.asyncIterator](), 6);
      expect(again.map(textOf)).toEqual(texts(10).slice(4));
      expect(again.every(({ redelivered }) => redelivered)).toBe(true);
      for (const delivery of again) delivery.ack();
      await second.close();
      expect(second.stats).toMatchObject({ received: 6, redelivered: 6, acknowledged: 6, outstanding: 0 });
    },
  );

  it('acknowledges to the broker in the order of receipt, however mixed the order here', async () => {
    const subscriber = subscribe();
    const iterator = subscriber[Symbol.asyncIterator]();
    const taking = take(iterator, 5);
    await publishAll(texts(5));
    const deliveries = await taking;
    for (const index of [4, 2, 3, 1]) deliveries[index]!.ack();
    await subscriber.close().catch(() => {});
    const pubacks = () =>
      [...broker.log.matchAll(/Received PUBACK from reader \(Mid: (\d+)/g)].map(([, id]) => Number(id));
    expect(pubacks()).toEqual([]);

    const second = subscribe();
    const again = await take(second[Symbol.asyncIterator](), 5);
    for (const index of [4, 2, 3, 1, 0]) again[index]!.ack();
    again[0]!.ack();
    await second.close();
    await until(() => pubacks().length === 5, 'five acknowledgements');
    expect(pubacks()).toEqual([...pubacks()].sort((a, b) => a - b));
  }, 30_000);

  it.each([4, 5] as const)(
    'holds no more than its window unacknowledged, and goes on as it is acknowledged (version %d)',
    async (protocolVersion) => {
      const subscriber = subscribe({ windowMessages: 7, protocolVersion });
      const iterator = subscriber[Symbol.asyncIterator]();
      const first = take(iterator, 7);
      await publishAll(texts(60));
      const held = await first;
      let most = subscriber.stats.outstanding;
      const order = held.map(textOf);
      for (const delivery of held) delivery.ack();
      while (order.length < 60) {
        const [delivery] = await take(iterator, 1);
        most = Math.max(most, subscriber.stats.outstanding);
        order.push(textOf(delivery!));
        delivery!.ack();
      }
      expect(most).toBeLessThanOrEqual(7);
      expect(order).toEqual(texts(60));
      await subscriber.close();
    },
  );

  it('outlives a pause of several keepalive periods', async () => {
    const subscriber = subscribe({ windowMessages: 3, keepaliveSeconds: 1, protocolVersion: 4 });
    const offline: string[] = [];
    subscriber.on('offline', ({ error }) => offline.push(error.message));
    const iterator = subscriber[Symbol.asyncIterator]();
    const first = take(iterator, 3);
    await publishAll(texts(10));
    const held = await first;
    await new Promise((resolve) => setTimeout(resolve, 4_000));
    for (const delivery of held) delivery.ack();
    for (let count = 0; count < 7; count += 1) (await take(iterator, 1))[0]!.ack();
    await subscriber.close();
    expect(offline).toEqual([]);
    expect(subscriber.stats).toMatchObject({ received: 10, redelivered: 0 });
  });

  it('an acknowledgement for a lost connection is void: the message comes again', async () => {
    const subscriber = subscribe({ url: `mqtt://127.0.0.1:${proxy.port}` });
    const iterator = subscriber[Symbol.asyncIterator]();
    const taking = take(iterator, 3);
    await publishAll(texts(3));
    const [first, ...rest] = await taking;
    const offline = once(subscriber as never, 'offline');
    proxy.cut();
    await offline;
    for (const delivery of [first!, ...rest]) delivery.ack();
    const again = await take(iterator, 3);
    expect(again.map(textOf)).toEqual(texts(3));
    for (const delivery of again) delivery.ack();
    await subscriber.close();
    expect(subscriber.stats).toMatchObject({ acknowledged: 3, acknowledgedTooLate: 3, outstanding: 0 });
  });

  it('close() hands out what has arrived, waits for its acknowledgements and lets the pipeline end', async () => {
    const subscriber = subscribe({ windowMessages: 5 });
    const stored: string[] = [];
    let release: () => void = () => {};
    const gate = new Promise<void>((resolve) => {
      release = resolve;
    });
    const running = pipeline(subscriber, {
      concurrency: 2,
      write: async (delivery: Delivery) => {
        await gate;
        stored.push(textOf(delivery));
      },
    });
    await once(subscriber as never, 'online');
    await publishAll(texts(20));
    await until(() => subscriber.stats.outstanding === 5, 'a full window');
    const closing = subscriber.close();
    release();
    await Promise.all([closing, running]);
    expect(stored).toEqual(texts(20).slice(0, stored.length));
    const { acknowledged } = subscriber.stats;
    expect(acknowledged).toBe(stored.length);

    const second = subscribe();
    const rest = await take(second[Symbol.asyncIterator](), 20 - acknowledged);
    expect(rest.map(textOf)).toEqual(texts(20).slice(acknowledged));
    for (const delivery of rest) delivery.ack();
    await second.close();
  });

  it('what is never acknowledged takes no room on the next connection', async () => {
    const subscriber = subscribe({ url: `mqtt://127.0.0.1:${proxy.port}`, windowMessages: 4 });
    const iterator = subscriber[Symbol.asyncIterator]();
    const taking = take(iterator, 3);
    await publishAll(texts(3));
    await taking;
    for (const expected of [
      ['0', '1', '2'],
      ['0', '1', '2'],
    ]) {
      const offline = once(subscriber as never, 'offline');
      proxy.cut();
      await offline;
      expect((await take(iterator, 3)).map(textOf)).toEqual(expected);
    }
    await publishAll(['3']);
    expect((await take(iterator, 1)).map(textOf)).toEqual(['3']);
    await iterator.return?.();
  });

  it('reads no more of what needs no acknowledgement (QoS 0) than its window', async () => {
    const subscriber = subscribe({ windowMessages: 5 });
    const iterator = subscriber[Symbol.asyncIterator]();
    const first = iterator.next();
    await until(() => subscriber.stats.online, 'it is subscribed');
    const client = await mqtt.connectAsync(broker.url);
    for (let count = 0; count < 50; count += 1) await client.publishAsync('faces', String(count), { qos: 0 });
    expect(textOf((await first).value!)).toBe('0');
    await until(() => subscriber.stats.outstanding === 5, 'a full window');
    const rest = await take(iterator, 49);
    expect(rest.map(textOf)).toEqual(texts(50).slice(1));
    await client.endAsync();
    await iterator.return?.();
  });

  it('without a client id only hears what comes while it is connected', async () => {
    const subscriber = subscribe({ clientId: undefined });
    const iterator = subscriber[Symbol.asyncIterator]();
    const next = iterator.next();
    await once(subscriber as never, 'online');
    await publisher.publish({ payload: 'now' });
    expect(textOf((await next).value!)).toBe('now');
    await iterator.return?.();
    expect(broker.log).toMatch(/as edge-relay-subscriber-[0-9a-f]{8} \(p5, c1/);
  });

  it('gives a foreign message an id made of its topic and payload', async () => {
    const subscriber = subscribe({ topic: ['faces', 'other'] });
    const iterator = subscriber[Symbol.asyncIterator]();
    const taking = take(iterator, 3);
    const foreign = await mqtt.connectAsync(broker.url);
    await until(() => subscriber.stats.online, 'it is subscribed');
    for (const [topic, text] of [
      ['faces', 'x'],
      ['faces', 'x'],
      ['other', 'x'],
    ] as const) {
      await foreign.publishAsync(topic, text, { qos: 1 });
    }
    const ids = (await taking).map(({ id }) => id);
    expect(ids[0]).toMatch(/^[0-9a-f]{32}$/);
    expect(ids[1]).toBe(ids[0]);
    expect(ids[2]).not.toBe(ids[0]);
    await foreign.endAsync();
    await iterator.return?.();
  });

  it('tells once when the broker has forgotten what it kept, and not when it was only cut off', async () => {
    const forgotten: string[] = [];
    const url = `mqtt://127.0.0.1:${proxy.port}`;
    const readers = [subscribe({ url, clientId: undefined }), subscribe({ url })];
    for (const [index, reader] of readers.entries()) {
      reader.on('forgotten', (news) => forgotten.push(`${index} ${news.url}`));
      reader[Symbol.asyncIterator]().next();
    }
    const [unnamed, named] = readers;
    let connections = 0;
    named!.on('online', () => {
      connections += 1;
    });
    await until(() => connections === 1 && unnamed!.stats.online, 'both are there');
    proxy.cut();
    await until(() => connections === 2 && unnamed!.stats.online, 'both are back');
    expect(forgotten).toEqual([]);
    await broker.kill();
    await broker.start();
    await until(() => connections === 3 && unnamed!.stats.online, 'both are back again');
    expect(forgotten).toEqual([`1 ${url}`]);
    for (const reader of readers) await reader.close();
  });

  it('says so when it may not subscribe', async () => {
    // Mosquitto grants subscriptions whatever its access rules say, so a broker that refuses is played by hand.
    const refusing = createServer((socket) => answerWithRefusal(socket)).listen(0, '127.0.0.1');
    await once(refusing, 'listening');
    const { port } = refusing.address() as { port: number };
    const refused = new Subscriber({ url: `mqtt://127.0.0.1:${port}`, topic: 'secret', clientId: 'x' });
    const next = refused[Symbol.asyncIterator]().next();
    await expect(next).rejects.toMatchObject({ code: 'SUBSCRIPTION_REFUSED', stage: 'subscriber' });
    await expect(next).rejects.toThrow(/secret.*access rules/);
    await refused.close();
    refusing.close();
  });
});

describe('Subscriber on a broker that does not answer', () => {
  it('closes although its subscription was never answered', async () => {
    const silent = createServer((socket) => {
      socket.on('error', () => {});
      socket.once('data', () => socket.write(Buffer.from([0x20, 3, 0, 0, 0])));
    }).listen(0, '127.0.0.1');
    await once(silent, 'listening');
    const { port } = silent.address() as { port: number };
    const subscriber = new Subscriber({ url: `mqtt://127.0.0.1:${port}`, topic: 'x', clientId: 'x' });
    const next = subscriber[Symbol.asyncIterator]().next();
    await new Promise((resolve) => setTimeout(resolve, 200));
    await subscriber.close();
    expect(await next).toEqual({ done: true, value: undefined });
    silent.close();
  });
});

describe('Subscriber on a broker that has forgotten it', () => {
  it('subscribes again also when the link broke while it did', async () => {
    let connections = 0;
    const subscriptions: number[] = [];
    const broker = createServer((socket) => {
      const connection = ++connections;
      socket.on('error', () => {});
      socket.on('data', (data) => {
        const type = data[0]! >> 4;
        // On the third one it knows the session that the second has made, without any subscription.
        if (type === 1) socket.write(Buffer.from([0x20, 3, connection === 3 ? 1 : 0, 0, 0]));
        if (type !== 8) return;
        subscriptions.push(connection);
        if (connection === 2) socket.destroy();
        else socket.write(Buffer.from([0x90, 4, data[2]!, data[3]!, 0, 1]));
        if (connection === 1) setTimeout(() => socket.destroy(), 50);
      });
    }).listen(0, '127.0.0.1');
    await once(broker, 'listening');
    const { port } = broker.address() as { port: number };
    const subscriber = new Subscriber({
      url: `mqtt://127.0.0.1:${port}`,
      topic: 'x',
      clientId: 'x',
      retryMinimumMs: 1,
      retryMaximumMs: 2,
    });
    let forgotten = 0;
    subscriber.on('forgotten', () => {
      forgotten += 1;
    });
    subscriber[Symbol.asyncIterator]().next();
    await until(() => connections === 3 && subscriber.stats.online, 'it is up for the third time');
    expect(subscriptions).toEqual([1, 2, 3]);
    expect(forgotten).toBe(1);
    await subscriber.close();
    broker.close();
  });
});

/** CONNACK, then a SUBACK with "not authorized" (MQTT 5 section 3.9.3). */
function answerWithRefusal(socket: Socket): void {
  socket.on('error', () => {});
  socket.on('data', (data) => {
    const type = data[0]! >> 4;
    if (type === 1) socket.write(Buffer.from([0x20, 3, 0, 0, 0]));
    if (type === 8) socket.write(Buffer.from([0x90, 4, data[2]!, data[3]!, 0, 0x87]));
  });
}

describe('Subscriber against a hostile broker', () => {
  it('survives whatever bytes arrive, and tries again', async () => {
    const packets = fc.sample(fc.uint8Array({ minLength: 1, maxLength: 300 }), { numRuns: 60, seed: 7 });
    let served = 0;
    const hostile = createServer((socket) => {
      socket.on('error', () => {});
      socket.once('data', () => {
        const bytes = packets[served % packets.length]!;
        // Every other one after a proper handshake.
        if (served % 2 === 0) socket.write(Buffer.from([0x20, 3, 0, 0, 0]));
        served += 1;
        socket.end(bytes);
      });
    }).listen(0, '127.0.0.1');
    await once(hostile, 'listening');
    const { port } = hostile.address() as { port: number };
    const subscriber = new Subscriber({
      url: `mqtt://127.0.0.1:${port}`,
      topic: 'x',
      clientId: 'x',
      protocolVersion: 5,
      retryMinimumMs: 1,
      retryMaximumMs: 2,
      connectTimeoutMs: 200,
    });
    const iterator = subscriber[Symbol.asyncIterator]();
    const next = iterator.next();
    next.catch(() => {});
    await until(() => served >= 60, 'sixty connections');
    await iterator.return?.();
    hostile.close();
    expect(subscriber.stats.acknowledged).toBe(0);
  });
});

describe('Subscriber on a broker of MQTT 3.1.1', () => {
  it('falls back by itself, and gets again what it did not acknowledge', async () => {
    const broker = await startAedes();
    const publisher = new Publisher({ url: broker.url, topic: 'faces' });
    const open = () => new Subscriber({ url: broker.url, topic: 'faces', clientId: 'reader' });
    const first = open()[Symbol.asyncIterator]();
    const next = first.next();
    await until(() => broker.broker.connectedClients === 1, 'connected');
    await publisher.publish({ payload: 'x' });
    expect(textOf((await next).value!)).toBe('x');
    await first.return?.();
    const second = open();
    const [again] = await take(second[Symbol.asyncIterator](), 1);
    expect(textOf(again!)).toBe('x');
    again!.ack();
    await second.close();
    await publisher.close();
    await broker.close();
  });
});

describe('Subscriber', () => {
  it.each([
    [{ url: 'mqtt://h', topic: [] }, /topic/],
    [{ url: 'mqtt://h', topic: 'a/#/b' }, /filter/],
    [{ url: 'mqtt://h', topic: 'a', clientId: '' }, /clientId/],
    [{ url: 'mqtt://h', topic: 'a', windowBytes: 0 }, /windowBytes/],
    [{ url: 'ftp://h', topic: 'a' }, /url/],
  ])('refuses the options %j', (options, message) => {
    expect(() => new Subscriber(options)).toThrow(TypeError);
    expect(() => new Subscriber(options)).toThrow(message);
  });

  it('can be iterated once at a time, and not after close()', async () => {
    const subscriber = new Subscriber({ url: 'mqtt://127.0.0.1:1', topic: 'x' });
    const iterator = subscriber[Symbol.asyncIterator]();
    expect(() => subscriber[Symbol.asyncIterator]()).toThrow(/already/);
    await iterator.return?.();
    await subscriber[Symbol.asyncIterator]().return?.();
    await subscriber.close();
    expect(() => subscriber[Symbol.asyncIterator]()).toThrow(/closed/);
  });
});

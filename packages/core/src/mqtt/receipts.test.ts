import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it, onTestFinished } from 'vitest';
import { startAedes, until } from '../../test/brokers';
import { describeWith } from '../../test/requirements';
import type { Delivery } from '../message';
import { startFaultProxy } from '../testing/fault-proxy';
import { type Mosquitto, startMosquitto } from '../testing/mosquitto';
import { Publisher } from './publisher';
import type { ReceiptOptions } from './publisher-options';
import { decodeReceipts, encodeReceipts, receiptTopicOf } from './receipts';
import { Subscriber, type SubscriberOptions } from './subscriber';

describe('what receipts look like', () => {
  it.each([
    ['a name', { receiptsto: 'jetson-1' }, 'faces/receipts/jetson-1'],
    ['no name', {}, 'faces/receipts/all'],
    ['a topic of its own', { receiptsto: '../secret/#' }, 'faces/receipts/all'],
    ['a name too long', { receiptsto: 'x'.repeat(65) }, 'faces/receipts/all'],
  ])('go where the message says: %s', (_, properties, topic) => {
    expect(receiptTopicOf({ topic: 'faces', properties })).toBe(topic);
  });

  it('are read back, and anything else is not', () => {
    const receipts = [{ id: 'a', sha256: '0'.repeat(64) }, { sha256: 'f'.repeat(64) }];
    const writtenAt = Date.parse('2026-01-02T03:04:05.678Z');
    expect(decodeReceipts(encodeReceipts({ receipts, writtenAt }))).toEqual({ receipts, writtenAt });
    // As they were before they said when they were written; and with a time that is none.
    expect(decodeReceipts(encodeReceipts({ receipts }))).toEqual({ receipts });
    expect(decodeReceipts(Buffer.from('{"stored":[],"at":"soon"}'))).toEqual({ receipts: [] });
    for (const text of [
      '',
      'null',
      '[]',
      '{}',
      '{"stored":{}}',
      '{"stored":[null]}',
      '{"stored":[{"id":"a"}]}',
    ]) {
      expect(decodeReceipts(Buffer.from(text)), text).toBeUndefined();
    }
    expect(decodeReceipts(Buffer.from('{"stored":[{"sha256":"ABC"}]}'))).toBeUndefined();
  });
});

describeWith('mosquitto', 'receipts', () => {
  let broker: Mosquitto;
  let folder: string;
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'edge-relay-receipts-'));
    // Stock, as far as what it keeps is concerned.
    broker = await startMosquitto();
  });
  afterEach(async () => {
    await broker.close();
    await rm(folder, { recursive: true });
  });

  /** A consumer that acknowledges when it is told to. */
  async function consume(options: Partial<SubscriberOptions> = {}) {
    const subscriber = new Subscriber({
      url: broker.url,
      topic: 'faces',
      clientId: 'archive',
      receipts: true,
      ...options,
    });
    const deliveries: Delivery[] = [];
    const consumer = { subscriber, deliveries, isStoring: true };
    const online = new Promise((done) => subscriber.once('online', done));
    const consuming = (async () => {
      for await (const delivery of subscriber) {
        deliveries.push(delivery);
        if (consumer.isStoring) delivery.ack();
      }
    })();
    consuming.catch(() => {});
    onTestFinished(() => subscriber.close());
    await online;
    return consumer;
  }

  function publisherWith(receipts: boolean | ReceiptOptions, options = {}): Publisher {
    const publisher = new Publisher({ url: broker.url, topic: 'faces', spool: folder, receipts, ...options });
    onTestFinished(() => publisher.close());
    return publisher;
  }
  const message = (id: string) => ({ payload: `picture ${id}`, properties: { id } });

  it('keep a message in the spool until it is acknowledged at the other end', async () => {
    const consumer = await consume();
    consumer.isStoring = false;
    const publisher = publisherWith(true);
    const stored: string[] = [];
    publisher.on('stored', ({ id, topic, bytes }) => stored.push(`${id} ${topic} ${bytes}`));
    await publisher.publish(message('a'));
    await publisher.publish(message('b'));
    await until(() => publisher.stats.acknowledged === 2, 'the broker took both');
    expect(publisher.stats).toMatchObject({ spooled: 2, unreceipted: 2, stored: 0 });
    await until(() => consumer.deliveries.length === 2, 'both arrived');
    consumer.deliveries[1]!.ack();
    await until(() => publisher.stats.stored === 1, 'one receipt');
    expect(publisher.stats).toMatchObject({ spooled: 1, unreceipted: 1 });
    consumer.deliveries[0]!.ack();
    await publisher.flush();
    expect(stored).toEqual(['b faces 9', 'a faces 9']);
    expect(publisher.stats).toMatchObject({
      published: 2,
      acknowledged: 2,
      stored: 2,
      resent: 0,
      unreceipted: 0,
    });
  });

  it('tell how long they took to come back, with the next message that is stamped', async () => {
    const consumer = await consume();
    const publisher = publisherWith(true, { stamp: 'publishedat' });
    for (const id of ['a', 'b']) {
      await publisher.publish(message(id));
      await publisher.flush();
    }
    await publisher.publish(message('c'));
    await until(() => consumer.deliveries.length === 3, 'all arrived');
    const told = consumer.deliveries.map(({ properties }) => properties.receiptms);
    expect(told).toEqual([undefined, expect.stringMatching(/^\d+$/), expect.stringMatching(/^\d+$/)]);
  });

  it('without a spool on disk, publish() resolves when the message is stored', async () => {
    const consumer = await consume();
    consumer.isStoring = false;
    const publisher = publisherWith(true, { spool: undefined });
    let isPublished = false;
    const publishing = publisher.publish(message('a')).then(() => {
      isPublished = true;
    });
    await until(() => publisher.stats.acknowledged === 1 && consumer.deliveries.length === 1, 'it arrived');
    expect(isPublished).toBe(false);
    consumer.deliveries[0]!.ack();
    await publishing;
  });

  it.each([
    ['MQTT 5', 5],
    ['MQTT 3.1.1', 4],
  ] as const)(
    'lose nothing with a broker that is killed and forgets what it had acknowledged: %s',
    async (_, protocolVersion) => {
      const consumer = await consume({ protocolVersion });
      const publisher = publisherWith(
        { resendAfterMs: 300, probeAfterMs: 600 },
        { protocolVersion, retryMaximumMs: 500 },
      );
      // Acknowledged here, and never delivered anywhere: the consumer holds back.
      consumer.isStoring = false;
      for (let index = 0; index < 40; index += 1) await publisher.publish(message(`first-${index}`));
      await until(() => publisher.stats.acknowledged === 40, 'the broker took all');
      await broker.kill();
      await broker.start();
      consumer.isStoring = true;
      await publisher.flush();
      const ids = new Set(consumer.deliveries.map(({ payload }) => Buffer.from(payload).toString()));
      expect(ids.size).toBe(40);
      expect(publisher.stats).toMatchObject({ published: 40, stored: 40, spooled: 0 });
      expect(publisher.stats.resent).toBeGreaterThan(0);
    },
  );

  it('find a publisher that was started again, and what it sends twice is receipted twice', async () => {
    const consumer = await consume();
    consumer.isStoring = false;
    const first = publisherWith({ publisher: 'jetson-1' });
    await first.publish(message('a'));
    await until(() => consumer.deliveries.length === 1, 'it arrived');
    await first.close();
    consumer.isStoring = true;
    const second = publisherWith({ publisher: 'jetson-1' });
    await second.flush();
    expect(second.stats).toMatchObject({ published: 0, stored: 1 });
    expect(consumer.deliveries.map(({ id }) => id)).toEqual(['a', 'a']);
  });

  it('are out in so many at the most', async () => {
    const consumer = await consume();
    consumer.isStoring = false;
    const publisher = publisherWith({ maximumMessages: 5 });
    for (let index = 0; index < 20; index += 1) await publisher.publish(message(`${index}`));
    await until(() => publisher.stats.acknowledged === 5, 'five are out');
    await new Promise((resolve) => setTimeout(resolve, 200));
    expect(publisher.stats).toMatchObject({ acknowledged: 5, unreceipted: 5, spooled: 20 });
    consumer.isStoring = true;
    for (const delivery of consumer.deliveries) delivery.ack();
    await publisher.flush();
    expect(consumer.deliveries.map(({ id }) => id)).toEqual([...Array(20).keys()].map(String));
  });

  it('that do not come make one message go again, and are told of', async () => {
    const consumer = await consume({ receipts: false });
    const publisher = publisherWith({ resendAfterMs: 100, probeAfterMs: 300 });
    const silences: object[] = [];
    publisher.on('silent', (news) => silences.push(news));
    for (const id of ['a', 'b', 'c']) await publisher.publish(message(id));
    await until(() => silences.length === 2, 'two silences');
    await until(() => consumer.deliveries.length === 5, 'two went again');
    expect(silences).toEqual([
      { outstanding: 3, attempts: 1 },
      { outstanding: 3, attempts: 2 },
    ]);
    expect(consumer.deliveries.map(({ id }) => id)).toEqual(['a', 'b', 'c', 'a', 'b']);
  });

  it('pass over what else comes on their topic', async () => {
    const consumer = await consume();
    consumer.isStoring = false;
    const publisher = publisherWith({ publisher: 'jetson-1' });
    await publisher.publish(message('a'));
    await until(() => consumer.deliveries.length === 1, 'it arrived');
    const stranger = new Publisher({ url: broker.url, topic: 'faces/receipts/jetson-1' });
    onTestFinished(() => stranger.close());
    for (const payload of ['', 'hello', '{"stored":[{"id":"a"}]}', Buffer.alloc(100_000, 1)]) {
      await stranger.publish({ payload });
    }
    await stranger.publish({ payload: encodeReceipts({ receipts: [{ id: 'a', sha256: '0'.repeat(64) }] }) });
    expect(publisher.stats).toMatchObject({ stored: 0, spooled: 1 });
    consumer.deliveries[0]!.ack();
    await publisher.flush();
  });

  it('that the broker does not let us hear fail the publisher with the cure', async () => {
    // Mosquitto grants subscriptions whatever its access rules say.
    const strict = await startAedes();
    strict.broker.authorizeSubscribe = (_client, _subscription, answer) => answer(null, null);
    onTestFinished(() => strict.close());
    const publisher = publisherWith({ publisher: 'jetson-1' }, { url: strict.url, spool: undefined });
    await expect(publisher.publish(message('a'))).rejects.toMatchObject({
      code: 'SUBSCRIPTION_REFUSED',
      message: expect.stringContaining('faces/receipts/jetson-1'),
    });
  });

  it.each([
    [{ publisher: 'a/b' }, /receipts.publisher .* "a\/b"/],
    [{ publisher: 'all' }, /receipts.publisher/],
    [{ resendAfterMs: 0 }, /receipts.resendAfterMs .* 0/],
    [{ maximumMessages: 1.5 }, /receipts.maximumMessages .* 1.5/],
  ])('cannot be had with %j', (receipts, text) => {
    expect(() => new Publisher({ url: broker.url, receipts })).toThrow(text);
  });

  it('make no packet larger than the broker takes, which would hang up for ever', async () => {
    await broker.close();
    broker = await startMosquitto({ config: 'max_packet_size 2000' });
    const consumer = await consume({ retryMinimumMs: 20, retryMaximumMs: 100 });
    const lost: string[] = [];
    consumer.subscriber.on('offline', ({ error }) => lost.push(error.message));
    const publisher = publisherWith(true);
    await Promise.all(Array.from({ length: 100 }, (_, index) => publisher.publish(message(String(index)))));
    await until(() => publisher.stats.stored === 100 || lost.length > 0, 'all receipts');
    expect(lost).toEqual([]);
  });

  it('send again on the next link what the broker had not acknowledged', async () => {
    const proxy = await startFaultProxy({ targetPort: broker.port });
    onTestFinished(() => proxy.close());
    await consume();
    const publisher = publisherWith(true, {
      url: `mqtt://127.0.0.1:${proxy.port}`,
      retryMinimumMs: 20,
      retryMaximumMs: 100,
    });
    await publisher.publish(message('first'));
    await publisher.flush();
    proxy.pause('to-server');
    for (let index = 0; index < 5; index += 1) await publisher.publish(message(String(index)));
    await until(() => publisher.stats.inFlight === 5, 'all are on their way');
    proxy.cut();
    proxy.heal();
    await publisher.flush();
    expect(publisher.stats).toMatchObject({ stored: 6, acknowledged: 6, unreceipted: 0 });
  });
});

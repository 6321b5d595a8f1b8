import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { until } from '../../test/brokers';
import { describeWith } from '../../test/requirements';
import type { Delivery } from '../message';
import { pipeline } from '../pipeline';
import { LmdbSpool } from '../spool/lmdb-spool';
import { MemorySpool } from '../spool/memory-spool';
import { startFaultProxy } from '../testing/fault-proxy';
import { type Mosquitto, startMosquitto } from '../testing/mosquitto';
import { Publisher } from './publisher';
import { Subscriber } from './subscriber';

describeWith('mosquitto', 'Publisher and its spool', () => {
  let broker: Mosquitto;
  let folder: string;
  let subscriber: Subscriber;
  let deliveries: Delivery[];
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'edge-relay-publisher-'));
    broker = await startMosquitto();
    deliveries = [];
    subscriber = new Subscriber({ url: broker.url, topic: 'spool', clientId: 'reader' });
    const online = new Promise((done) => subscriber.once('online', done));
    (async () => {
      for await (const delivery of subscriber) {
        deliveries.push(delivery);
        delivery.ack();
      }
    })();
    await online;
  });
  afterEach(async () => {
    await subscriber.close();
    await broker.close();
    await rm(folder, { recursive: true });
  });
  const texts = () => deliveries.map(({ payload }) => Buffer.from(payload).toString());

  it('sends the newest first when the spool is so, after an outage', async () => {
    const spool = new LmdbSpool(folder, { order: 'newest-first' });
    await spool.open();
    for (const id of ['a', 'b', 'c', 'd', 'e']) {
      await spool.append({ id, topic: 'spool', payload: Buffer.from(id), properties: {} });
    }
    const publisher = new Publisher({ url: broker.url, spool, windowMessages: 2 });
    await publisher.open();
    await publisher.flush();
    await until(() => deliveries.length === 5, 'five messages');
    expect(texts()).toEqual(['e', 'd', 'c', 'b', 'a']);
    expect(publisher.stats.resent).toBe(0);
    await publisher.close();
  });

  it('sends a backlog as it was, from memory that it uses again', async () => {
    const spool = new LmdbSpool(folder);
    await spool.open();
    const sizes = Array.from({ length: 400 }, (_, index) =>
      index % 10 === 0 ? 600_000 : (index * 997) % 30_000,
    );
    await Promise.all(
      sizes.map((size, index) =>
        spool.append({
          id: `${index}`,
          topic: 'spool',
          payload: Buffer.alloc(size, index % 251),
          properties: {},
        }),
      ),
    );
    await spool.close();
    const publisher = new Publisher({ url: broker.url, spool, windowMessages: 20 });
    await publisher.open();
    await publisher.flush();
    await until(() => deliveries.length === sizes.length, 'the backlog');
    for (const [index, { payload }] of deliveries.entries()) {
      expect(payload.byteLength).toBe(sizes[index]);
      expect(payload.every((byte) => byte === index % 251)).toBe(true);
    }
    await publisher.close();
  });

  it('sends what is late with the rest of its time, and what has expired never', async () => {
    const proxy = await startFaultProxy({ targetPort: broker.port });
    proxy.refuse();
    const publisher = new Publisher({
      url: `mqtt://127.0.0.1:${proxy.port}`,
      topic: 'spool',
      retryMinimumMs: 20,
      retryMaximumMs: 50,
    });
    const drops: string[] = [];
    publisher.on('drop', ({ message, reason }) => drops.push(`${message.id} ${reason}`));
    const late = publisher.publish({ payload: 'late', expirySeconds: 600 });
    const gone = publisher.publish({ id: 'gone', payload: 'gone', expirySeconds: 1 });
    await expect(gone).rejects.toThrow(/gone was dropped: it expired/);
    proxy.accept();
    await late;
    await until(() => deliveries.length === 1, 'the late one');
    expect(texts()).toEqual(['late']);
    expect(deliveries[0]!.expirySeconds).toBeLessThan(600);
    expect(deliveries[0]!.expirySeconds).toBeGreaterThan(500);
    expect(drops).toEqual(['gone expired']);
    expect(publisher.stats).toMatchObject({ acknowledged: 1, dropped: 1, spooled: 0 });
    await publisher.close();
    await proxy.close();
  });

  it('counts once what is dropped while it is in flight', async () => {
    const proxy = await startFaultProxy({ targetPort: broker.port });
    const spool = new MemorySpool({ maximumMessages: 1, whenFull: 'drop-oldest' });
    const publisher = new Publisher({ url: `mqtt://127.0.0.1:${proxy.port}`, topic: 'spool', spool });
    await publisher.publish({ payload: 'first' });
    proxy.pause('to-client');
    const dropped = publisher.publish({ payload: 'second' });
    await until(() => deliveries.length === 2, 'the second is in flight');
    const third = publisher.publish({ payload: 'third' });
    await expect(dropped).rejects.toMatchObject({ code: 'MESSAGE_DROPPED' });
    proxy.resume();
    await third;
    expect(publisher.stats).toMatchObject({ published: 3, acknowledged: 2, dropped: 1, inFlight: 0 });
    await publisher.close();
    await proxy.close();
  });

  it('ends no pipeline because a message is dropped', async () => {
    const proxy = await startFaultProxy({ targetPort: broker.port });
    proxy.refuse();
    const publisher = new Publisher({
      url: `mqtt://127.0.0.1:${proxy.port}`,
      topic: 'spool',
      spool: new MemorySpool({ maximumMessages: 2, whenFull: 'drop-newest' }),
      retryMinimumMs: 20,
      retryMaximumMs: 50,
    });
    publisher.on('drop', () => proxy.accept());
    async function* messages() {
      for (const payload of ['a', 'b', 'c']) yield { payload };
    }
    await pipeline(messages(), publisher);
    expect(publisher.stats).toMatchObject({ acknowledged: 2, dropped: 1 });
    await publisher.close();
    await proxy.close();
  });
});

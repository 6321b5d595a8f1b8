import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { startAedes, until } from '../../test/brokers';
import { describeWith } from '../../test/requirements';
import { LmdbSpool } from '../spool/lmdb-spool';
import { MemorySpool } from '../spool/memory-spool';
import { type FaultProxy, startFaultProxy } from '../testing/fault-proxy';
import { freePort } from '../testing/free-port';
import { type Mosquitto, startMosquitto } from '../testing/mosquitto';
import { Publisher } from './publisher';
import type { OutgoingMessage } from './publisher-options';
import { Subscriber } from './subscriber';

/** Collects and acknowledges what arrives, until it is closed. */
function collect(url: string, topic: string, protocolVersion?: 4 | 5) {
  const subscriber = new Subscriber({
    url,
    topic,
    clientId: `collect-${topic.replaceAll('/', '-')}`,
    protocolVersion,
  });
  const texts: string[] = [];
  const online = new Promise((resolve) => subscriber.once('online', resolve));
  const done = (async () => {
    for await (const delivery of subscriber) {
      texts.push(Buffer.from(delivery.payload).toString());
      delivery.ack();
    }
  })();
  return { texts, online, close: () => subscriber.close().then(() => done) };
}

describeWith('mosquitto', 'Publisher on Mosquitto', () => {
  let broker: Mosquitto;
  let proxy: FaultProxy;
  beforeEach(async () => {
    broker = await startMosquitto();
    proxy = await startFaultProxy({ targetPort: broker.port });
  });
  afterEach(async () => {
    await proxy.close();
    await broker.close();
  });

  it.each([4, 5] as const)(
    'publishes in order, and resolves when the broker has acknowledged (version %d)',
    async (protocolVersion) => {
      const reader = collect(broker.url, 'order');
      await reader.online;
      const publisher = new Publisher({ url: broker.url, topic: 'order', protocolVersion });
      const texts = Array.from({ length: 500 }, (_, index) => String(index));
      await Promise.all(texts.map((payload) => publisher.publish({ payload })));
      expect(publisher.stats).toMatchObject({ published: 500, acknowledged: 500, spooled: 0, inFlight: 0 });
      await until(() => reader.texts.length === 500, '500 texts');
      expect(reader.texts).toEqual(texts);
      await publisher.close();
      await reader.close();
    },
  );

  it('keeps a topic saying the last text it was given, beside its messages', async () => {
    const publisher = new Publisher({ url: broker.url, topic: 'order', retryMaximumMs: 200 });
    publisher.announce('door', 'too early to be heard');
    publisher.announce('door', 'starting');
    await publisher.open();
    const said = async (topic: string) => {
      await using reader = new Subscriber({ url: broker.url, topic });
      for await (const { payload, retain } of reader)
        return `${Buffer.from(payload)}${retain ? ', retained' : ''}`;
      return 'nothing';
    };
    await until(() => publisher.stats.online, 'it is online');
    expect(await said('door')).toMatch(/^starting/);
    publisher.announce('door', 'running');
    publisher.announce('yard', 'stalled');
    const reader = collect(broker.url, 'order');
    await reader.online;
    // What comes behind it on the same connection says that it has come.
    await publisher.publish({ payload: 'a message' });
    expect(await said('door')).toBe('running, retained');
    // It comes back with nothing retained.
    await broker.kill();
    await until(() => !publisher.stats.online, 'it has noticed');
    publisher.announce('door', 'stalled');
    publisher.announce('door', 'running again');
    await broker.start();
    await until(() => publisher.stats.online, 'it is back');
    expect([await said('door'), await said('yard')].map((text) => text.split(',')[0])).toEqual([
      'running again',
      'stalled',
    ]);
    expect(publisher.stats).toMatchObject({ published: 1, acknowledged: 1, spooled: 0 });
    expect(() => publisher.announce('door/#', 'running')).toThrow(TypeError);
    await publisher.close();
    await reader.close();
  });

  it('never has more in flight than the broker allows', async () => {
    await broker.close();
    broker = await startMosquitto({ config: 'max_inflight_messages 3' });
    const reader = collect(broker.url, 'narrow');
    await reader.online;
    const publisher = new Publisher({ url: broker.url, topic: 'narrow' });
    let most = 0;
    publisher.on('acknowledged', () => {
      most = Math.max(most, publisher.stats.inFlight + 1);
    });
    await Promise.all(
      Array.from({ length: 50 }, (_, index) => publisher.publish({ payload: String(index) })),
    );
    expect(most).toBe(3);
    await publisher.close();
    await reader.close();
  });

  it('keeps a message that nobody subscribes to yet, and sends it when somebody does, in order', async () => {
    const publisher = new Publisher({ url: broker.url, topic: 'early' });
    const waits: number[] = [];
    publisher.on('waiting', ({ reasonCode }) => waits.push(reasonCode));
    const published = Promise.all(['a', 'b', 'c'].map((payload) => publisher.publish({ payload })));
    await until(() => waits.length >= 2, 'the broker says twice that nobody subscribes');
    expect(waits[0]).toBe(0x10);
    const late = publisher.publish({ payload: 'd' });
    await until(() => publisher.stats.spooled === 4, 'the fourth waits too');
    expect(publisher.stats.acknowledged).toBe(0);
    const reader = collect(broker.url, 'early');
    await published;
    await late;
    await until(() => reader.texts.length === 4, 'four texts');
    expect(reader.texts).toEqual(['a', 'b', 'c', 'd']);
    await publisher.close();
    await reader.close();
  });

  it('one topic without subscribers does not hold up another', async () => {
    const reader = collect(broker.url, 'busy');
    await reader.online;
    const publisher = new Publisher({ url: broker.url });
    const lonely = publisher.publish({ topic: 'lonely', payload: 'x' });
    await publisher.publish({ topic: 'busy', payload: 'y' });
    await publisher.publish({ topic: 'busy', payload: 'z' });
    const other = collect(broker.url, 'lonely');
    await lonely;
    await until(() => other.texts.length === 1 && reader.texts.length === 2, 'all three');
    await publisher.close();
    await Promise.all([reader.close(), other.close()]);
  });

  it('takes the missing subscriber as done when told to', async () => {
    const publisher = new Publisher({ url: broker.url, topic: 'nobody', whenNoSubscriber: 'accept' });
    await publisher.publish({ payload: 'x' });
    expect(publisher.stats.acknowledged).toBe(1);
    await publisher.close();
  });

  it.each([4, 5] as const)(
    'loses nothing when the connection is cut again and again (version %d)',
    async (protocolVersion) => {
      const reader = collect(broker.url, 'cut');
      await reader.online;
      const publisher = new Publisher({
        url: `mqtt://127.0.0.1:${proxy.port}`,
        topic: 'cut',
        protocolVersion,
        windowMessages: 8,
        retryMinimumMs: 20,
        retryMaximumMs: 50,
      });
      const texts = Array.from({ length: 2_000 }, (_, index) => `${index} ${'x'.repeat(500)}`);
      const published = Promise.all(texts.map((payload) => publisher.publish({ payload })));
      const cutter = setInterval(() => proxy.cut(), 40);
      await until(() => proxy.connections >= 4, 'four connections');
      clearInterval(cutter);
      await published;
      await until(() => new Set(reader.texts).size === texts.length, 'every text');
      expect([...new Set(reader.texts)]).toEqual(texts);
      expect(publisher.stats.resent).toBeGreaterThan(0);
      await publisher.close();
      await reader.close();
    },
  );

  it('leaves a broker that acknowledges nothing, and sends again', async () => {
    const reader = collect(broker.url, 'stuck');
    await reader.online;
    const url = `mqtt://127.0.0.1:${proxy.port}`;
    const publisher = new Publisher({ url, topic: 'stuck', acknowledgeTimeoutMs: 200, retryMinimumMs: 20 });
    await publisher.publish({ payload: 'before' });
    proxy.pause('to-client');
    const stuck = publisher.publish({ payload: 'during' });
    await until(() => !publisher.stats.online, 'it has given the link up');
    proxy.resume();
    await stuck;
    expect(publisher.stats.resent).toBe(1);
    await publisher.close();
    await reader.close();
  });

  it('says that the broker is not there, keeps trying, and loses nothing', async () => {
    const port = await freePort();
    const publisher = new Publisher({
      url: `mqtt://127.0.0.1:${port}`,
      topic: 'later',
      retryMinimumMs: 20,
      retryMaximumMs: 50,
    });
    const news: { code: string; message: string }[] = [];
    publisher.on('offline', ({ error }) => news.push(error));
    const published = publisher.publish({ payload: 'patience' });
    await until(() => news.length >= 2, 'two attempts');
    expect(news[0]!.code).toBe('BROKER_UNREACHABLE');
    expect(news[0]!.message).toMatch(`mqtt://127.0.0.1:${port}`);
    expect(news[0]!.message).toMatch(/ECONNREFUSED.*running/);
    const late = await startMosquitto({ port });
    const reader = collect(late.url, 'later');
    await published;
    await until(() => reader.texts.length === 1, 'the text');
    await publisher.close();
    await reader.close();
    await late.close();
  });

  it('refuses a message that the broker would throw it out for, naming both sizes', async () => {
    await broker.close();
    broker = await startMosquitto({ config: 'max_packet_size 10000' });
    const reader = collect(broker.url, 'size');
    await reader.online;
    const publisher = new Publisher({ url: broker.url, topic: 'size' });
    const early = publisher.publish({ payload: Buffer.alloc(20_000) });
    await expect(early).rejects.toMatchObject({ code: 'MESSAGE_TOO_LARGE' });
    await expect(early).rejects.toThrow(/20013 bytes.*10000/);
    await expect(publisher.publish({ payload: Buffer.alloc(10_000) })).rejects.toThrow(/10012 bytes/);
    await publisher.publish({ payload: Buffer.alloc(9_900) });
    await until(() => reader.texts.length === 1, 'the small one');
    expect(publisher.stats.online).toBe(true);
    await publisher.close();
    await reader.close();
  });

  it('keeps to a limit that it was told, where a broker of MQTT 3.1.1 says none', async () => {
    await broker.close();
    broker = await startMosquitto({ config: 'max_packet_size 10000' });
    const reader = collect(broker.url, 'told', 4);
    await reader.online;
    const options = {
      url: broker.url,
      topic: 'told',
      protocolVersion: 4,
      maximumPacketBytes: 10_000,
    } as const;
    const publisher = new Publisher(options);
    await expect(publisher.publish({ payload: Buffer.alloc(20_000) })).rejects.toMatchObject({
      code: 'MESSAGE_TOO_LARGE',
    });
    await publisher.publish({ payload: 'small' });
    expect(publisher.stats).toMatchObject({ acknowledged: 1, resent: 0, online: true });
    await publisher.close();
    await reader.close();
  });

  it('refuses properties that the broker would throw it out for, and goes on', async () => {
    await broker.close();
    broker = await startMosquitto({ config: 'max_packet_size 10000' });
    const reader = collect(broker.url, 'properties/bad');
    await reader.online;
    const publisher = new Publisher({ url: broker.url, topic: 'properties/bad' });
    const publish = (value: string) => publisher.publish({ payload: 'x', properties: { name: value } });
    await publish('fine');
    for (const value of ['line\nbreak', 'nul\0', 'c1\u0085', 'half \ud800', 'x'.repeat(65_536)]) {
      await expect(publish(value)).rejects.toThrow(TypeError);
    }
    await expect(publish('x'.repeat(12_000))).rejects.toMatchObject({ code: 'MESSAGE_TOO_LARGE' });
    await expect(publisher.publish({ topic: 'c1\u0085', payload: 'x' })).rejects.toThrow(TypeError);
    await publish('still fine');
    expect(publisher.stats).toMatchObject({ acknowledged: 2, online: true, resent: 0 });
    await publisher.close();
    await reader.close();
  });

  it('sets aside on disk what the broker refuses for good, tells of it, and goes on with the rest', async () => {
    await broker.close();
    const folder = await mkdtemp(join(tmpdir(), 'edge-relay-publisher-'));
    await writeFile(join(folder, 'acl'), 'topic readwrite allowed\n');
    broker = await startMosquitto({ config: `acl_file ${join(folder, 'acl')}` });
    const reader = collect(broker.url, 'allowed');
    await reader.online;
    const spool = new LmdbSpool(join(folder, 'spool'));
    const publisher = new Publisher({ url: broker.url, spool });
    const refused: string[] = [];
    publisher.on('refused', ({ message, error }) => refused.push(`${message.id} ${error.code}`));
    await publisher.publish({ id: 'one', topic: 'forbidden', payload: 'x' });
    await publisher.publish({ id: 'two', topic: 'allowed', payload: 'y' });
    await publisher.flush();
    expect(refused).toEqual(['one MESSAGE_REFUSED']);
    expect(publisher.stats).toMatchObject({ refused: 1, acknowledged: 1, spooled: 0 });
    expect((await spool.listSetAside()).map(({ message, reason }) => [message.id, reason])).toEqual([
      ['one', expect.stringMatching(/forbidden.*not authorised/)],
    ]);
    await publisher.close();
    await reader.close();
    await rm(folder, { recursive: true });
  });

  it('closes although the broker has fallen silent', async () => {
    const url = `mqtt://127.0.0.1:${proxy.port}`;
    const publisher = new Publisher({ url, topic: 'silent', closeTimeoutMs: 200 });
    const online = new Promise((resolve) => publisher.once('online', resolve));
    const publishing = publisher.publish({ payload: 'x' });
    publishing.catch(() => {});
    await online;
    proxy.pause();
    await publisher.close();
    await expect(publishing).rejects.toMatchObject({ code: 'CLOSED' });
    await expect(publisher.publish({ payload: 'y' })).rejects.toMatchObject({ code: 'CLOSED' });
    await expect(publisher.open()).rejects.toMatchObject({ code: 'CLOSED' });
    expect(publisher.stats.online).toBe(false);
  });

  it('lets a publish go that is aborted while it waits for the broker', async () => {
    const publisher = new Publisher({ url: broker.url, topic: 'nobody-at-all' });
    const controller = new AbortController();
    const publishing = publisher.publish({ payload: 'x' }, { signal: controller.signal });
    setTimeout(() => controller.abort(new Error('enough')), 50);
    await expect(publishing).rejects.toThrow('enough');
    await publisher.close();
  });

  it('gives up when the broker refuses it for good, and says why', async () => {
    await broker.close();
    broker = await startMosquitto({ config: 'allow_anonymous false' });
    const publisher = new Publisher({ url: broker.url, topic: 'x' });
    await expect(publisher.publish({ payload: 'x' })).rejects.toMatchObject({
      code: 'BROKER_REFUSED',
      retryable: false,
    });
    await expect(publisher.publish({ payload: 'y' })).rejects.toThrow(/user name/);
    await publisher.close();
  });

  it('carries the MQTT 5 properties, and says goodbye when closed', async () => {
    const subscriber = new Subscriber({ url: broker.url, topic: 'properties', clientId: 'properties' });
    const iterator = subscriber[Symbol.asyncIterator]();
    const next = iterator.next();
    const publisher = new Publisher({ url: broker.url, topic: 'properties' });
    const message = {
      payload: Buffer.from([0, 255, 1]),
      contentType: 'image/png',
      properties: { id: 'seven', twice: ['a', 'b'], empty: '', uni: 'ü€😀' },
      expirySeconds: 600,
      responseTopic: 'answer/here',
      correlationData: Buffer.from([1, 2, 3]),
      payloadIsText: false,
    };
    await publisher.publish(message);
    await publisher.close();
    const { value } = await next;
    expect(value).toMatchObject({ ...message, id: 'seven', topic: 'properties' });
    value!.ack();
    await iterator.return?.();
    await until(() => /Received DISCONNECT from edge-relay-publisher/.test(broker.log), 'a goodbye');
  });
});

describe('Publisher on a broker of MQTT 3.1.1', () => {
  it('falls back to 3.1.1 by itself', async () => {
    const broker = await startAedes();
    const reader = collect(broker.url, 'old');
    await reader.online;
    const publisher = new Publisher({ url: broker.url, topic: 'old' });
    const versions: number[] = [];
    publisher.on('online', ({ protocolVersion }) => versions.push(protocolVersion));
    await publisher.publish({ payload: 'hello' });
    await until(() => reader.texts.length === 1, 'the text');
    expect(versions).toEqual([4]);
    await publisher.close();
    await reader.close();
    await broker.close();
  });
});

describe('Publisher', () => {
  it.each([
    [{ url: 'localhost' }, /address/],
    [{ url: 'http://localhost' }, /mqtt:/],
    [{ url: 'mqtt://' }, /address|host/],
    [{ url: 'mqtt://h', topic: 'a/#' }, /wildcards/],
    [{ url: 'mqtts://h', cert: 'x' }, /cert and key/],
    [{ url: 'mqtt://h', ca: 'x' }, /mqtts/],
    [{ url: 'mqtt://h', windowMessages: 0 }, /windowMessages/],
    [{ url: 'mqtt://h', protocolVersion: 3 as 4 }, /protocolVersion/],
    [{ url: 'mqtt://h', whenNoSubscriber: 'shrug' as 'keep' }, /whenNoSubscriber/],
  ])('refuses the options %j', (options, message) => {
    expect(() => new Publisher(options)).toThrow(TypeError);
    expect(() => new Publisher(options)).toThrow(message);
  });

  it.each([
    [{ qos: 2 }, /qos must be 0 or 1, not 2/],
    [{ priority: 0.5 }, /priority must be a whole number, not 0.5/],
  ])('refuses a message with %j', async (part, text) => {
    await using publisher = new Publisher({ url: 'mqtt://127.0.0.1:1', topic: 'a' });
    await expect(publisher.publish({ payload: 'x', ...part } as OutgoingMessage)).rejects.toThrow(text);
  });

  it('refuses a message without a topic, and one that is not bytes', async () => {
    const publisher = new Publisher({ url: 'mqtt://127.0.0.1:1' });
    await expect(publisher.publish({ payload: 'x' })).rejects.toThrow(/topic/);
    await expect(publisher.publish({ topic: 'a', payload: {} as string })).rejects.toThrow(/bytes/);
    await publisher.close();
  });

  it('rejects what still waits when it is closed, and everything after', async () => {
    const publisher = new Publisher({ url: `mqtt://127.0.0.1:${await freePort()}`, topic: 'x' });
    const waiting = publisher.publish({ payload: 'x' });
    waiting.catch(() => {});
    await publisher.open();
    await publisher.close();
    await publisher.close();
    await expect(waiting).rejects.toMatchObject({ code: 'CLOSED' });
    await expect(publisher.publish({ payload: 'y' })).rejects.toMatchObject({ code: 'CLOSED' });
  });

  it('rejects the publish of a message that its spool drops', async () => {
    const spool = new MemorySpool({ maximumMessages: 1, whenFull: 'drop-oldest' });
    const publisher = new Publisher({ url: `mqtt://127.0.0.1:${await freePort()}`, topic: 'x', spool });
    const drops: string[] = [];
    publisher.on('drop', ({ message, reason }) => drops.push(`${message.id} ${reason}`));
    const first = publisher.publish({ id: 'first', payload: 'x' });
    const second = publisher.publish({ id: 'second', payload: 'y' });
    second.catch(() => {});
    await expect(first).rejects.toMatchObject({ code: 'MESSAGE_DROPPED' });
    expect(drops).toEqual(['first full']);
    expect(publisher.stats.dropped).toBe(1);
    await publisher.close();
  });
});

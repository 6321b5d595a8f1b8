import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it, onTestFinished } from 'vitest';
import { startAedes, until } from '../../test/brokers';
import { describeWith } from '../../test/requirements';
import { MemorySpool } from '../spool/memory-spool';
import { startFaultProxy } from '../testing/fault-proxy';
import { type Mosquitto, startMosquitto } from '../testing/mosquitto';
import { Bridge, type BridgeOptions } from './bridge';
import { Publisher } from './publisher';
import { Subscriber } from './subscriber';

describeWith('mosquitto', 'Bridge in both directions', () => {
  let near: Mosquitto;
  let far: Mosquitto;
  let folder: string;
  beforeEach(async () => {
    [near, far] = await Promise.all([startMosquitto(), startMosquitto()]);
    folder = await mkdtemp(join(tmpdir(), 'edge-relay-bridge-'));
  });
  afterEach(async () => {
    await Promise.all([near.close(), far.close()]);
    await rm(folder, { recursive: true });
  });

  async function listen(broker: { url: string }, topic: string): Promise<string[]> {
    const subscriber = new Subscriber({ url: broker.url, topic });
    const heard: string[] = [];
    const online = new Promise((done) => subscriber.once('online', done));
    void (async () => {
      for await (const delivery of subscriber) {
        heard.push(`${delivery.topic} ${Buffer.from(delivery.payload)}`);
        delivery.ack();
      }
    })();
    onTestFinished(() => subscriber.close());
    await online;
    return heard;
  }

  /** The retained message of a topic. */
  async function listenOnce(broker: { url: string }, topic: string): Promise<string> {
    const subscriber = new Subscriber({ url: broker.url, topic });
    for await (const { payload, retain } of subscriber) {
      return `${topic} ${Buffer.from(payload)}${retain ? ' retained' : ''}`;
    }
    throw new Error('nothing came');
  }

  async function start(options: Partial<BridgeOptions> & Pick<BridgeOptions, 'topics'>): Promise<Bridge> {
    const bridge = new Bridge({ from: { url: near.url }, to: { url: far.url }, ...options });
    const sides = new Set<string>();
    bridge.on('online', ({ side }) => sides.add(side));
    const running = bridge.run();
    running.catch(() => {});
    onTestFinished(() => bridge.close());
    await until(() => sides.size === 2, 'both sides are up');
    return bridge;
  }

  async function publish(broker: { url: string }, topic: string, payload: string): Promise<void> {
    const publisher = new Publisher({ url: broker.url });
    await publisher.publish({ topic, payload });
    await publisher.close();
  }

  it('takes in what is routed in, with the wildcards of the other side', async () => {
    const heard = await listen(near, '#');
    const bridge = await start({
      topics: [
        { from: 'faces/+', to: 'cloud/+/faces' },
        { from: 'commands/+', to: 'cloud/+/commands', direction: 'in' },
      ],
    });
    const heardFar = await listen(far, '#');
    await publish(far, 'cloud/door/commands', 'look');
    await publish(near, 'faces/door', 'a face');
    await until(() => heard.length === 2 && heardFar.length === 2, 'both');
    await until(() => bridge.stats.forwarded === 2, 'both brokers have acknowledged');
    expect(heard.sort()).toEqual(['commands/door look', 'faces/door a face']);
    expect(heardFar.sort()).toEqual(['cloud/door/commands look', 'cloud/door/faces a face']);
    expect(bridge.stats).toMatchObject({ received: 2, forwarded: 2, looped: 0 });
  });

  it('brings each message over once with both, and not back', async () => {
    const [heardNear, heardFar] = [await listen(near, 'shared/#'), await listen(far, 'shared/#')];
    const bridge = await start({ topics: [{ from: 'shared/#', direction: 'both' }] });
    await publish(near, 'shared/a', 'from near');
    await publish(far, 'shared/b', 'from far');
    await until(() => bridge.stats.looped === 2, 'both came back and were dropped');
    await until(() => bridge.stats.forwarded === 2, 'both brokers have acknowledged');
    expect(heardNear.sort()).toEqual(['shared/a from near', 'shared/b from far']);
    expect(heardFar.sort()).toEqual(['shared/a from near', 'shared/b from far']);
    expect(bridge.stats).toMatchObject({ received: 4, forwarded: 2, looped: 2 });
  });

  it('ends what goes round a ring of two bridges', async () => {
    const [heardNear, heardFar] = [await listen(near, 'shared'), await listen(far, 'shared')];
    const topics = [{ from: 'shared', direction: 'both' }] as const;
    const first = await start({ topics, from: { url: near.url, clientId: 'first' } });
    const second = await start({ topics, from: { url: near.url, clientId: 'second' } });
    await publish(near, 'shared', 'once');
    // Each takes it over once; each takes back what the other one brought, once; and then it is at an end.
    await until(() => first.stats.looped + second.stats.looped >= 4, 'all were dropped');
    await new Promise((resolve) => setTimeout(resolve, 300));
    await until(() => first.stats.outstanding + second.stats.outstanding === 0, 'nothing is under way');
    expect(heardFar).toHaveLength(2);
    expect(heardNear).toHaveLength(3);
  });

  it('does not begin to go both ways with a broker of MQTT 3.1.1', async () => {
    const old = await startAedes();
    onTestFinished(() => old.close());
    const bridge = new Bridge({
      from: { url: near.url },
      to: { url: old.url },
      topics: [{ from: 'shared', direction: 'both' }],
    });
    await expect(bridge.run()).rejects.toMatchObject({
      code: 'BROKER_REFUSED',
      message: expect.stringContaining(`${old.url} speaks MQTT 3.1.1 only`),
    });
    await bridge.close();
  });

  it('keeps a spool for each direction', async () => {
    const topics = [{ from: 'a' }, { from: 'b', direction: 'in' }] as const;
    const bridge = await start({ topics, spool: folder });
    expect((await readdir(folder)).sort()).toEqual(['in', 'out']);
    await bridge.close();
    expect(
      () => new Bridge({ from: { url: near.url }, to: { url: far.url }, topics, spool: new MemorySpool() }),
    ).toThrow(/a spool each/);
  });

  it('keeps the retained mark of what is published, or takes it off', async () => {
    const bridge = await start({
      to: { url: far.url, whenNoSubscriber: 'accept' },
      topics: [{ from: 'kept' }, { from: 'cleared', retain: 'clear' }],
    });
    const publisher = new Publisher({ url: near.url });
    await publisher.publish({ topic: 'kept', payload: 'a', retain: true });
    await publisher.publish({ topic: 'cleared', payload: 'b', retain: true });
    await publisher.publish({ topic: 'cleared', payload: 'last' });
    await publisher.close();
    await until(() => bridge.stats.forwarded === 3, 'all are over');
    const there = new Subscriber({ url: far.url, topic: ['kept', 'cleared'] });
    onTestFinished(() => there.close());
    const late: string[] = [];
    void (async () => {
      for await (const { topic, retain } of there) late.push(`${topic} ${retain}`);
    })();
    await until(() => late.length > 0, 'what is retained there');
    await new Promise((resolve) => setTimeout(resolve, 100));
    expect(late).toEqual(['kept true']);
  });

  it('drops with QoS 0 what comes while the other side is away, and nothing else', async () => {
    const bridge = await start({ topics: [{ from: 'lossy', qos: 0 }, { from: 'safe' }], spool: folder });
    const heard = await listen(far, '#');
    await publish(near, 'lossy', '1');
    await until(() => heard.length === 1, 'the first');
    const drops: string[] = [];
    bridge.on('drop', ({ message, reason }) => drops.push(`${message.topic} ${reason}`));
    const gone = new Promise<void>((done) => bridge.on('offline', () => done()));
    await far.kill();
    await gone;
    await publish(near, 'safe', '2');
    await publish(near, 'lossy', '3');
    await until(() => drops.length === 1, 'one drop');
    expect(drops).toEqual(['lossy offline']);
    await far.start();
    const again = await listen(far, '#');
    await until(() => again.length === 1, 'the safe one');
    expect(again).toEqual(['safe 2']);
    await until(() => bridge.stats.spooled === 0, 'it is acknowledged');
    expect(bridge.stats.dropped).toBe(1);
  });

  it('lets a higher priority go first when a backlog drains, at the rate that is set', async () => {
    await far.kill();
    const bridge = new Bridge({
      from: { url: near.url },
      to: { url: far.url, limit: { messagesPerSecond: 40 }, retryMaximumMs: 200 },
      topics: [{ from: 'low' }, { from: 'high', priority: 1 }],
      spool: folder,
    });
    const subscribed = new Promise<void>((done) =>
      bridge.on('online', ({ side }) => side === 'from' && done()),
    );
    bridge.run().catch(() => {});
    onTestFinished(() => bridge.close());
    await subscribed;
    for (const payload of ['1', '2', '3']) await publish(near, 'low', payload);
    for (const payload of ['4', '5']) await publish(near, 'high', payload);
    await until(() => bridge.stats.spooled === 5, 'all wait');
    expect(bridge.stats.spooledBytes).toBeGreaterThan(5);
    expect(bridge.stats.oldestAgeSeconds).toBeGreaterThan(0);
    await far.start();
    const heard = await listen(far, '#');
    await until(() => heard.length === 5, 'all came');
    await until(() => bridge.stats.spooled === 0, 'none waits');
    expect([bridge.stats.spooledBytes, bridge.stats.oldestAgeSeconds]).toEqual([0, 0]);
    expect(heard).toEqual(['high 4', 'high 5', 'low 1', 'low 2', 'low 3']);
  });

  it('drops what has waited longer than its route allows, and tells of it', async () => {
    await far.kill();
    const bridge = new Bridge({
      from: { url: near.url },
      to: { url: far.url, retryMaximumMs: 200 },
      topics: [{ from: 'stale', expirySeconds: 1 }, { from: 'safe' }],
      spool: folder,
    });
    const subscribed = new Promise<void>((done) =>
      bridge.on('online', ({ side }) => side === 'from' && done()),
    );
    bridge.run().catch(() => {});
    onTestFinished(() => bridge.close());
    await subscribed;
    const drops: string[] = [];
    bridge.on('drop', ({ message, reason }) => drops.push(`${message.topic} ${reason}`));
    await publish(near, 'stale', '1');
    await publish(near, 'safe', '2');
    await until(() => drops.length === 1, 'it expired');
    await far.start();
    const heard = await listen(far, '#');
    await until(() => heard.length === 1, 'the other came');
    expect(heard).toEqual(['safe 2']);
    expect(drops).toEqual(['stale expired']);
  });

  it('says on a topic whether it is there: 1 while it is, 0 after a goodbye and when it is killed', async () => {
    const proxy = await startFaultProxy({ targetPort: far.port });
    onTestFinished(() => proxy.close());
    const [heardNear, heardFar] = [await listen(near, 'bridge/state'), await listen(far, 'bridge/state')];
    const bridge = await start({
      from: { url: near.url, stateTopic: 'bridge/state' },
      to: { url: `mqtt://127.0.0.1:${proxy.port}`, stateTopic: 'bridge/state', retryMaximumMs: 200 },
      topics: [{ from: 'a', direction: 'both' }],
    });
    await until(() => heardNear.length === 1 && heardFar.length === 1, 'it is up');
    proxy.cut();
    await until(() => heardFar.length === 3, 'it was gone and is back');
    await bridge.close();
    await until(() => heardNear.length === 2 && heardFar.length === 4, 'it said goodbye');
    expect(heardNear).toEqual(['bridge/state 1', 'bridge/state 0']);
    expect(heardFar).toEqual(['bridge/state 1', 'bridge/state 0', 'bridge/state 1', 'bridge/state 0']);
    expect(await listenOnce(far, 'bridge/state')).toBe('bridge/state 0 retained');
  });

  it('says so on both brokers by one option, and never forwards it', async () => {
    const [heardNear, heardFar] = [await listen(near, '#'), await listen(far, '#')];
    const bridge = await start({
      from: { url: near.url, clientId: 'device-1' },
      topics: [{ from: '#', direction: 'both' }],
      stateTopic: true,
    });
    await publish(near, 'a', 'b');
    await until(() => heardFar.includes('a b'), 'what was published');
    await bridge.close();
    const state = 'edge-relay/bridge/device-1/state';
    await until(() => heardNear.length >= 3 && heardFar.length >= 3, 'all');
    expect(heardNear.sort()).toEqual(['a b', `${state} 0`, `${state} 1`]);
    expect(heardFar.sort()).toEqual(['a b', `${state} 0`, `${state} 1`]);
    expect(bridge.stats).toMatchObject({ forwarded: 1, refused: 0 });
  });

  it.each([
    ['receipts', { topics: [{ from: 'a' }], receipts: true }],
    ['routes that come in', { topics: [{ from: 'a', direction: 'both' as const }] }],
  ])(
    'lets devices of one configuration meet at one broker, each with its name there: %s',
    async (_, options) => {
      const other = await startMosquitto();
      onTestFinished(() => other.close());
      const offline: string[] = [];
      for (const [index, { url }] of [near, other].entries()) {
        const to = { url: far.url, clientId: `device-${index}` };
        const bridge = await start({ ...options, from: { url }, to });
        bridge.on('offline', ({ error }) => offline.push(error.message));
      }
      const heard = await listen(other, 'a');
      await publish(near, 'a', 'b');
      const arrives = !('receipts' in options);
      if (arrives) await until(() => heard.length === 1, 'it came from the one to the other');
      await new Promise((resolve) => setTimeout(resolve, 300));
      expect(offline).toEqual([]);
    },
  );

  it('tells when a broker has forgotten what it kept for it', async () => {
    const bridge = await start({ topics: [{ from: 'a' }], from: { url: near.url, retryMaximumMs: 200 } });
    const forgotten: object[] = [];
    bridge.on('forgotten', (news) => forgotten.push(news));
    await near.kill();
    await near.start();
    await until(() => forgotten.length === 1, 'it was told');
    expect(forgotten).toEqual([{ side: 'from', url: near.url }]);
  });

  it('with receipts, carries them back, and takes nothing twice that it holds', async () => {
    const topics = [{ from: 'hw3facestx2', to: 'hw3faces' }];
    const archive = new Subscriber({ url: far.url, topic: 'hw3faces', clientId: 'archive', receipts: true });
    const stored: string[] = [];
    let isOpen = false;
    const waiting: (() => void)[] = [];
    const online = new Promise((done) => archive.once('online', done));
    void (async () => {
      for await (const delivery of archive) {
        stored.push(delivery.id);
        if (isOpen) delivery.ack();
        else waiting.push(() => delivery.ack());
      }
    })();
    onTestFinished(() => archive.close());
    await online;
    const bridge = await start({ topics, spool: join(folder, 'bridge'), receipts: true });
    const publisher = new Publisher({
      url: near.url,
      topic: 'hw3facestx2',
      spool: join(folder, 'publisher'),
      receipts: { resendAfterMs: 200, probeAfterMs: 300 },
    });
    onTestFinished(() => publisher.close());
    await publisher.publish({ payload: 'a', properties: { id: 'a' } });
    await until(() => stored.length === 1, 'it is there');
    expect(publisher.stats.stored).toBe(0);
    isOpen = true;
    for (const acknowledge of waiting) acknowledge();
    await publisher.flush();
    expect(publisher.stats).toMatchObject({ stored: 1, spooled: 0 });

    // The cloud is away: what is asked for again is in the bridge already.
    await far.kill();
    for (const id of ['b', 'c', 'd']) await publisher.publish({ payload: id, properties: { id } });
    await until(() => bridge.stats.duplicates >= 2, 'two came again');
    expect(bridge.stats.spooled).toBe(3);
    await far.start();
    await publisher.flush();
    expect(new Set(stored)).toEqual(new Set(['a', 'b', 'c', 'd']));
    expect(publisher.stats).toMatchObject({ published: 4, stored: 4, spooled: 0 });
  });

  it('tells no broker that it has what is in memory only, also not of what comes a second time', async () => {
    const proxy = await startFaultProxy({ targetPort: near.port });
    onTestFinished(() => proxy.close());
    const bridge = await start({
      from: { url: `mqtt://127.0.0.1:${proxy.port}`, clientId: 'bridge', retryMaximumMs: 100 },
      topics: [{ from: 'hw3facestx2', to: 'hw3faces' }],
      receipts: true,
    });
    await far.kill();
    const publisher = new Publisher({ url: near.url, topic: 'hw3facestx2' });
    onTestFinished(() => publisher.close());
    await publisher.publish({ payload: 'a', properties: { id: 'a' } });
    await until(() => bridge.stats.spooled === 1, 'it is in memory');
    proxy.cut();
    await until(() => bridge.stats.received === 2, 'it has come again');
    await new Promise((resolve) => setTimeout(resolve, 300));
    await bridge.close();
    const next = new Subscriber({ url: near.url, topic: 'hw3facestx2', clientId: 'bridge' });
    onTestFinished(() => next.close());
    const waiting: string[] = [];
    void (async () => {
      for await (const { payload } of next) waiting.push(Buffer.from(payload).toString());
    })();
    await publisher.publish({ payload: 'b' });
    await until(() => waiting.includes('b'), 'what the broker has kept');
    expect(waiting).toEqual(['a', 'b']);
  });
});

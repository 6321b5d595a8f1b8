import { afterEach, beforeEach, expect, it, onTestFinished } from 'vitest';
import { startAedes, until } from '../../test/brokers';
import { describeWith } from '../../test/requirements';
import { startFaultProxy } from '../testing/fault-proxy';
import { freePort } from '../testing/free-port';
import { type Mosquitto, startMosquitto } from '../testing/mosquitto';
import { Bridge } from './bridge';
import { Publisher } from './publisher';
import { Subscriber } from './subscriber';

const pauses = { retryMinimumMs: 10, retryMaximumMs: 50 };

describeWith('mosquitto', 'a broker with two addresses', () => {
  let first: Mosquitto;
  let second: Mosquitto;
  beforeEach(async () => {
    [first, second] = await Promise.all([startMosquitto(), startMosquitto()]);
  });
  afterEach(async () => {
    await Promise.all([first.close(), second.close()]);
  });

  function publisherTo(url: readonly string[]) {
    const publisher = new Publisher({ url, topic: 'x', whenNoSubscriber: 'accept', ...pauses });
    const news: string[] = [];
    publisher.on('online', (online) => news.push(`online ${online.url}`));
    publisher.on('offline', ({ error, retryInMs }) => news.push(`${error.message} ${retryInMs}`));
    onTestFinished(() => publisher.close());
    return { publisher, news };
  }

  it('uses the first, the second when the first is killed, and the first again when the second is', async () => {
    const { publisher, news } = publisherTo([first.url, second.url]);
    await publisher.publish({ payload: 'one' });
    expect(news).toEqual([`online ${first.url}`]);
    await first.kill();
    await publisher.publish({ payload: 'two' });
    await until(() => news.at(-1) === `online ${second.url}`, 'the second is in use');
    expect(news.at(-2)).toMatch(new RegExp(`cannot reach the broker at ${first.url} \\(.*REFUSED.* 0$`));
    await first.start();
    await second.kill();
    await publisher.publish({ payload: 'three' });
    expect(news.at(-1)).toBe(`online ${first.url}`);
    expect(publisher.stats).toMatchObject({ acknowledged: 3, spooled: 0 });
  });

  it('a bridge goes over to the second with what it had in flight, and nothing is lost', async () => {
    const near = await startMosquitto();
    const texts = Array.from({ length: 500 }, (_, index) => String(index));
    const received = new Set<string>();
    const readers = [first.url, second.url].map((url) => {
      const subscriber = new Subscriber({ url, topic: 'y', clientId: 'reader', ...pauses });
      const reading = (async () => {
        for await (const delivery of subscriber) {
          received.add(Buffer.from(delivery.payload).toString());
          delivery.ack();
        }
      })();
      return { subscriber, reading };
    });
    await until(() => readers.every(({ subscriber }) => subscriber.stats.online), 'both readers');
    const bridge = new Bridge({
      from: { url: near.url, clientId: 'bridge' },
      to: { url: [first.url, second.url], ...pauses },
      topics: [{ from: 'x', to: 'y' }],
    });
    const used: string[] = [];
    bridge.on('online', ({ side, url }) => side === 'to' && used.push(url));
    const running = bridge.run();
    const publisher = new Publisher({ url: near.url, topic: 'x' });
    const published = Promise.all(texts.map((payload) => publisher.publish({ payload })));
    await until(() => received.size > 50, 'some have come');
    await first.kill();
    await published;
    await until(() => received.size === texts.length, 'all have come');
    expect(used).toEqual([first.url, second.url]);
    await Promise.all([
      bridge.close(),
      publisher.close(),
      ...readers.map((reader) => reader.subscriber.close()),
    ]);
    await Promise.all([running, ...readers.map((reader) => reader.reading), near.close()]);
  });

  it('tries both in each attempt when neither answers, and says so in one error', async () => {
    const [one, other] = [await freePort(), await freePort()];
    const { publisher, news } = publisherTo([
      `mqtt://a:geheim@127.0.0.1:${one}`,
      `mqtt://127.0.0.1:${other}`,
    ]);
    await publisher.open();
    await until(() => news.length >= 2, 'two attempts');
    for (const line of news.slice(0, 2)) {
      expect(line).toMatch(/^publisher: none of 2 addresses answers: /);
      expect(line).toMatch(
        new RegExp(`a:\\*\\*\\*@127\\.0\\.0\\.1:${one} \\(.*127\\.0\\.0\\.1:${other} \\(`),
      );
    }
  });

  it('is refused for good only when both refuse', async () => {
    const strict = await startMosquitto({ users: { anna: 'x' } });
    const proxy = await startFaultProxy({ targetPort: strict.port });
    onTestFinished(async () => {
      await proxy.close();
      await strict.close();
    });
    const { publisher, news } = publisherTo([strict.url, second.url]);
    await publisher.publish({ payload: 'x' });
    expect(news).toEqual([expect.stringMatching(/wants a user name.* 0$/), `online ${second.url}`]);
    const refused = publisherTo([strict.url, `mqtt://127.0.0.1:${proxy.port}`]);
    await expect(refused.publisher.publish({ payload: 'x' })).rejects.toMatchObject({
      code: 'BROKER_REFUSED',
      retryable: false,
      cause: { errors: [{ code: 'BROKER_REFUSED' }, { code: 'BROKER_REFUSED' }] },
    });
    expect(proxy.connections).toBe(1);
  });

  it('speaks to each the version that it knows', async () => {
    const older = await startAedes();
    onTestFinished(() => older.close());
    const publisher = new Publisher({
      url: [older.url, second.url],
      topic: 'x',
      whenNoSubscriber: 'accept',
      ...pauses,
    });
    const versions: number[] = [];
    publisher.on('online', ({ protocolVersion }) => versions.push(protocolVersion));
    await publisher.publish({ payload: 'x' });
    await older.close();
    await publisher.publish({ payload: 'y' });
    expect(versions).toEqual([4, 5]);
    await publisher.close();
  });
});

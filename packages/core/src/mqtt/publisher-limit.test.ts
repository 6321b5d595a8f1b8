import { afterEach, beforeEach, expect, it, onTestFinished } from 'vitest';
import { until } from '../../test/brokers';
import { describeWith } from '../../test/requirements';
import { type Mosquitto, startMosquitto } from '../testing/mosquitto';
import { Publisher } from './publisher';
import type { RateLimitOptions } from './rate-limit';

describeWith('mosquitto', 'Publisher with a limit of the rate', () => {
  let broker: Mosquitto;
  beforeEach(async () => {
    broker = await startMosquitto();
  });
  afterEach(() => broker.close());

  /** A connected publisher, and the ids of what the broker has acknowledged. */
  async function publisherWith(limit: RateLimitOptions) {
    const publisher = new Publisher({ url: broker.url, topic: 'a', whenNoSubscriber: 'accept', limit });
    onTestFinished(() => publisher.close());
    const sent: string[] = [];
    publisher.on('acknowledged', ({ id }) => sent.push(id));
    const online = new Promise((done) => publisher.once('online', done));
    await publisher.open();
    await online;
    const publish = (id: string, bytes = 1, priority = 0) => {
      publisher.publish({ id, payload: Buffer.alloc(bytes), priority }).catch(() => {});
    };
    return { publisher, sent, publish };
  }

  it.each([
    [{ messagesPerSecond: 0.001 }, 1],
    [{ bytesPerSecond: 10 }, 10_000],
  ])('keeps what goes beyond %j, and lets go even of what is larger', async (limit, bytes) => {
    const { publisher, sent, publish } = await publisherWith(limit);
    for (const id of ['1', '2', '3']) publish(id, bytes);
    await until(() => sent.length > 0, 'the first');
    // The next one would be due only in a quarter of an hour.
    await new Promise((resolve) => setTimeout(resolve, 300));
    expect(sent).toEqual(['1']);
    expect(publisher.stats).toMatchObject({ spooled: 2, inFlight: 0 });
  });

  it('goes on by itself when it may, with what has the highest priority by then', async () => {
    const { sent, publish } = await publisherWith({ messagesPerSecond: 2 });
    for (const id of ['1', '2', '3', '4', '5']) publish(id);
    await until(() => sent.length === 2, 'the first two');
    publish('urgent', 1, 1);
    await until(() => sent.length === 6, 'all');
    // One was the next already.
    expect(sent).toEqual(['1', '2', '3', 'urgent', '4', '5']);
  });
});

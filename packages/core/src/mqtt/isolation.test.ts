import { expect, it, onTestFinished } from 'vitest';
import { until } from '../../test/brokers';
import { describeWith } from '../../test/requirements';
import type { SpoolEntry } from '../spool/spool';
import { freePort } from '../testing/free-port';
import { startMosquitto } from '../testing/mosquitto';
import { Isolation } from './isolation';
import { Publisher } from './publisher';
import { Subscriber } from './subscriber';

describeWith('mosquitto', 'a message on which a broker of MQTT 3.1.1 hangs up', () => {
  it('stays, is told, and is sent when the broker takes it; the others go on', async () => {
    const port = await freePort();
    const strict = await startMosquitto({ port, config: 'max_packet_size 2000' });
    onTestFinished(() => strict.close());
    const reader = new Subscriber({
      url: strict.url,
      topic: 'faces',
      clientId: 'reader',
      retryMaximumMs: 100,
    });
    onTestFinished(() => reader.close());
    const sizes: number[] = [];
    const subscribed = new Promise((done) => reader.once('online', done));
    void (async () => {
      for await (const delivery of reader) {
        sizes.push(delivery.payload.byteLength);
        delivery.ack();
      }
    })();
    await subscribed;
    const publisher = new Publisher({
      url: strict.url,
      topic: 'faces',
      protocolVersion: 4,
      retryMinimumMs: 20,
      retryMaximumMs: 100,
    });
    onTestFinished(() => publisher.close());
    const isolated: [number, number][] = [];
    publisher.on('isolated', ({ message, retryInMs }) =>
      isolated.push([message.payload.byteLength, retryInMs]),
    );
    const publishing = [100, 5_000, 200, 300].map((bytes) =>
      publisher.publish({ payload: Buffer.alloc(bytes) }),
    );
    await Promise.all([publishing[0], publishing[2], publishing[3]]);
    await until(() => isolated.length >= 2, 'it was tried alone twice');
    expect(isolated.slice(0, 2)).toEqual([
      [5_000, 200],
      [5_000, 400],
    ]);
    expect(publisher.stats).toMatchObject({ acknowledged: 3, spooled: 1, refused: 0 });
    // New ones pass it, too.
    await publisher.publish({ payload: Buffer.alloc(400) });
    await until(() => sizes.length === 4, 'the four that fit');
    expect(sizes).toEqual([100, 200, 300, 400]);

    await strict.kill();
    const generous = await startMosquitto({ port });
    onTestFinished(() => generous.close());
    await publishing[1];
    expect(publisher.stats).toMatchObject({ acknowledged: 5, spooled: 0 });
  });
});

const entry = (position: number) => ({ position }) as SpoolEntry;

it('is tried again on the next link where the link went before its turn came', () => {
  const isolation = new Isolation(100);
  for (let link = 0; link < 2; link += 1) isolation.down([entry(1), entry(2)], 0);
  expect(isolation.down([entry(1)], 0)).toBe(100);
  expect(isolation.due(100)).toBe(1);
  // Others were on their way still.
  expect(isolation.down([entry(2), entry(3)], 150)).toBeUndefined();
  expect(isolation.dueInMs(150)).toBe(0);
  expect(isolation.due(150)).toBe(1);
  expect(isolation.down([], 160)).toBeUndefined();
  expect(isolation.due(160)).toBe(1);
  // It was alone this time.
  expect(isolation.down([entry(1)], 200)).toBe(200);
  expect(isolation.due(399)).toBeUndefined();
  expect(isolation.due(400)).toBe(1);
});

it('is tried less and less often, and is one like all others once the broker has answered', () => {
  const isolation = new Isolation(100);
  const pauses: (number | undefined)[] = [];
  for (let now = 0; pauses.length < 12; now += 10_000) {
    isolation.due(now);
    pauses.push(isolation.down([entry(1)], now));
  }
  expect(pauses).toEqual([
    undefined,
    undefined,
    100,
    200,
    400,
    800,
    1_600,
    3_200,
    6_000,
    6_000,
    6_000,
    6_000,
  ]);
  expect(isolation.has(1)).toBe(true);
  isolation.answered(1);
  expect([isolation.has(1), isolation.isOn]).toEqual([false, false]);
});

import { expect, it, onTestFinished } from 'vitest';
import { until } from '../../test/brokers';
import { describeWith } from '../../test/requirements';
import { type MosquittoOptions, startMosquitto } from '../testing/mosquitto';
import { Bridge } from './bridge';
import type { BridgeRoute } from './bridge-routes';
import { Publisher } from './publisher';
import { Subscriber } from './subscriber';

/** Lines of mosquitto.conf, and what docs/bridge.md says that they are here. */
const lines: readonly [string, BridgeRoute][] = [
  ['faces/# out 1 edge/ cloud/', { pattern: 'faces/#', localPrefix: 'edge/', remotePrefix: 'cloud/' }],
  ['commands/+ in 1 "" device-1/', { pattern: 'commands/+', remotePrefix: 'device-1/', direction: 'in' }],
  ['"" out 1 hw3facestx2 hw3faces', { from: 'hw3facestx2', to: 'hw3faces' }],
  ['status both 1', { from: 'status', direction: 'both' }],
];
const topics = [
  ...['edge/faces', 'edge/faces/a/b', 'edge/other', 'cloud/faces/a', 'faces/a', 'hw3facestx2', 'hw3faces'],
  ...['device-1/commands/go', 'device-1/commands/go/on', 'commands/go', 'status', 'status/more'],
];

describeWith('mosquitto', "Bridge beside Mosquitto's own", () => {
  async function broker(options?: MosquittoOptions) {
    const started = await startMosquitto(options);
    onTestFinished(() => started.close());
    return started;
  }

  /** What is heard on either side when everything is published on both, once `isUp` is so. */
  async function heardBetween(near: { url: string }, far: { url: string }, isUp: () => boolean) {
    await until(isUp, 'the bridge is up');
    const heard: string[] = [];
    for (const [side, { url }] of Object.entries({ near, far })) {
      const subscriber = new Subscriber({ url, topic: '#' });
      onTestFinished(() => subscriber.close());
      const online = new Promise((done) => subscriber.once('online', done));
      void (async () => {
        for await (const delivery of subscriber) {
          heard.push(`${side} ${delivery.topic}: ${Buffer.from(delivery.payload)}`);
          delivery.ack();
        }
      })();
      await online;
    }
    for (const [side, { url }] of Object.entries({ near, far })) {
      await using publisher = new Publisher({ url });
      for (const topic of [...topics, 'end']) await publisher.publish({ topic, payload: `${side} ${topic}` });
    }
    await until(
      () => heard.filter((text) => text.includes(' end: ')).length === 2,
      'the last on either side',
    );
    await new Promise((resolve) => setTimeout(resolve, 500));
    return heard.sort();
  }

  it('takes the same over, under the same topics', async () => {
    const [near, far, theirFar] = [await broker(), await broker(), await broker()];
    const config = [
      'connection theirs',
      `address 127.0.0.1:${theirFar.port}`,
      'notifications false',
      ...lines.map(([line]) => `topic ${line}`),
    ].join('\n');
    const theirNear = await broker({ config });
    const theirs = await heardBetween(theirNear, theirFar, () => /Received SUBACK/.test(theirNear.log));

    const bridge = new Bridge({
      from: { url: near.url },
      to: { url: far.url, whenNoSubscriber: 'accept' },
      topics: lines.map(([, route]) => route),
    });
    const sides = new Set<string>();
    bridge.on('online', ({ side }) => sides.add(side));
    bridge.run().catch(() => {});
    onTestFinished(() => bridge.close());
    const ours = await heardBetween(near, far, () => sides.size === 2);
    expect(theirs.length).toBeGreaterThan(2 * topics.length + 5);
    expect(ours).toEqual(theirs);
  });
});

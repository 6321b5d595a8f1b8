import mqtt from 'mqtt';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { until } from '../../test/brokers';
import { describeWith } from '../../test/requirements';
import { type Mosquitto, startMosquitto } from '../testing/mosquitto';
import { Incoming } from './incoming';
import type { IncomingPublish } from './publish-packet';

// The relay rests on behaviour of MQTT.js that its documentation does not promise. When a new version
// changes it, this fails, loudly, before anything is lost.
describeWith('mosquitto', 'what we rely on in MQTT.js', () => {
  let broker: Mosquitto;
  beforeAll(async () => {
    broker = await startMosquitto();
  });
  afterAll(() => broker.close());

  /** A client of the same session each time, whose PUBLISH packets are ours. */
  const open = async (protocolVersion: 4 | 5, clientId = `contract-${protocolVersion}`) => {
    const client = mqtt.connect(broker.url, {
      protocolVersion,
      clean: false,
      clientId,
      reconnectPeriod: 0,
      ...(protocolVersion === 5 && { properties: { sessionExpiryInterval: 60 } }),
      manualConnect: true,
    });
    const packets: IncomingPublish[] = [];
    const errors: unknown[] = [];
    client.on('error', (error) => errors.push(error));
    const connected = new Promise((resolve) => client.once('connect', resolve));
    client.connect();
    new Incoming(protocolVersion, {
      publish: (packet) => packets.push(packet) > 0,
      malformed: (error) => errors.push(error),
    }).attach(client.stream);
    await connected;
    return { client, packets, errors };
  };
  const publish = async (topic: string, qos: 1 | 2, count: number) => {
    const publisher = await mqtt.connectAsync(broker.url);
    for (let number = 0; number < count; number += 1)
      await publisher.publishAsync(topic, String(number), { qos });
    await publisher.endAsync();
  };

  it.each([4, 5] as const)(
    'its stream has one reader, and what that does not hear of it does not acknowledge (version %d)',
    async (protocolVersion) => {
      const topic = `contract/${protocolVersion}`;
      const first = await open(protocolVersion);
      await first.client.subscribeAsync(topic, { qos: 1 });
      await publish(topic, 1, 5);
      await until(() => first.packets.length === 5, 'five packets though none was acknowledged');
      // A PUBACK written by hand counts: only the other three come again.
      for (const { messageId } of first.packets.slice(0, 2)) {
        first.client.stream.write(Buffer.from([0x40, 2, messageId >> 8, messageId & 0xff]));
      }
      await new Promise((resolve) => first.client.end(resolve));

      const second = await open(protocolVersion);
      await until(() => second.packets.length === 3, 'three packets delivered again');
      expect(second.packets.every(({ dup }) => dup)).toBe(true);
      expect([...first.errors, ...second.errors]).toEqual([]);
      second.client.end(true);
    },
  );

  it('the PUBREL of a message that it has not seen it answers with PUBCOMP', async () => {
    const { client, packets, errors } = await open(5, 'twice');
    await client.subscribeAsync('contract/twice', { qos: 2 });
    await publish('contract/twice', 2, 1);
    await until(() => packets.length === 1, 'one packet');
    expect(packets[0]!.qos).toBe(2);
    client.stream.write(Buffer.from([0x50, 2, packets[0]!.messageId >> 8, packets[0]!.messageId & 0xff]));
    await until(() => broker.log.includes('Received PUBCOMP from twice'), 'the PUBCOMP');
    expect(errors).toEqual([]);
    client.end(true);
  });
});

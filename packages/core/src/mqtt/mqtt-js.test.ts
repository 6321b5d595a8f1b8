import mqtt from 'mqtt';
import mqttPacket from 'mqtt-packet';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { until } from '../../test/brokers';
import { describeWith } from '../../test/requirements';
import { type Mosquitto, startMosquitto } from '../testing/mosquitto';

// The relay rests on behaviour of MQTT.js that its documentation does not promise. When a new version
// changes it, this fails, loudly, before anything is lost.
describeWith('mosquitto', 'what we rely on in MQTT.js', () => {
  let broker: Mosquitto;
  beforeAll(async () => {
    broker = await startMosquitto();
  });
  afterAll(() => broker.close());

  it.each([4, 5] as const)(
    'handleMessage answered with an error: no PUBACK, no error event, on to the next (version %d)',
    async (protocolVersion) => {
      const topic = `contract/${protocolVersion}`;
      const session = {
        protocolVersion,
        clean: false,
        clientId: `contract-${protocolVersion}`,
        reconnectPeriod: 0,
      };
      const properties = { sessionExpiryInterval: 60 };
      const open = async () => {
        const client = mqtt.connect(broker.url, {
          ...session,
          ...(protocolVersion === 5 && { properties }),
          manualConnect: true,
        });
        const packets: { messageId: number; dup: boolean }[] = [];
        const errors: unknown[] = [];
        client.on('error', (error) => errors.push(error));
        client.handleMessage = (packet, done) => {
          packets.push({ messageId: packet.messageId!, dup: packet.dup });
          done(new Error('later'));
        };
        const connected = new Promise((resolve) => client.once('connect', resolve));
        client.connect();
        await connected;
        return { client, packets, errors };
      };
      const first = await open();
      await first.client.subscribeAsync(topic, { qos: 1 });
      const publisher = await mqtt.connectAsync(broker.url);
      for (let number = 0; number < 5; number += 1)
        await publisher.publishAsync(topic, String(number), { qos: 1 });
      await until(() => first.packets.length === 5, 'five packets handled though none was acknowledged');
      // A PUBACK written by hand counts: only the other three come again.
      for (const { messageId } of first.packets.slice(0, 2)) {
        mqttPacket.writeToStream({ cmd: 'puback', messageId, reasonCode: 0 }, first.client.stream, {
          protocolVersion,
        });
      }
      await new Promise((resolve) => first.client.end(resolve));

      const second = await open();
      await until(() => second.packets.length === 3, 'three packets delivered again');
      expect(second.packets.every(({ dup }) => dup)).toBe(true);
      expect([...first.errors, ...second.errors]).toEqual([]);
      second.client.end(true);
      await publisher.endAsync();
    },
  );
});

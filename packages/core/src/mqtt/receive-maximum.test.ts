import { once } from 'node:events';
import { type AddressInfo, createServer, type Socket } from 'node:net';
import { generate, parser } from 'mqtt-packet';
import { expect, it, onTestFinished } from 'vitest';
import { until } from '../../test/brokers';
import { Publisher } from './publisher';

const VERSION = { protocolVersion: 5 };

/** A broker that takes so many messages at once, hangs up on one more (MQTT 5 section 4.9), and acknowledges when told. */
async function startStrictBroker(receiveMaximum: number) {
  const held: (() => void)[] = [];
  const heard: string[] = [];
  let exceeded = 0;
  const server = createServer((socket) => {
    const packets = parser(VERSION);
    socket.on('data', (data) => packets.parse(data)).on('error', () => {});
    packets.on('packet', (packet) => {
      if (packet.cmd === 'connect') {
        answer(socket, {
          cmd: 'connack',
          reasonCode: 0,
          sessionPresent: false,
          properties: { receiveMaximum },
        });
      }
      if (packet.cmd !== 'publish') return;
      heard.push(`${packet.topic} ${packet.payload}`);
      if (packet.qos === 0) return;
      if (held.length >= receiveMaximum) {
        exceeded += 1;
        answer(socket, { cmd: 'disconnect', reasonCode: 0x93 });
        socket.end();
        return;
      }
      held.push(() => answer(socket, { cmd: 'puback', messageId: packet.messageId!, reasonCode: 0 }));
    });
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  onTestFinished(() => void server.close());
  return {
    url: `mqtt://127.0.0.1:${(server.address() as AddressInfo).port}`,
    held,
    heard,
    get exceeded() {
      return exceeded;
    },
  };
}

function answer(socket: Socket, packet: Parameters<typeof generate>[0]): void {
  socket.write(generate(packet, VERSION));
}

it('what says that we are there takes no place of the messages that a broker takes at once', async () => {
  const broker = await startStrictBroker(2);
  const publisher = new Publisher({ url: broker.url, topic: 'faces', stateTopic: 'state' });
  onTestFinished(() => publisher.close());
  const acknowledge = () => {
    for (const puback of broker.held.splice(0)) puback();
  };
  for (const text of ['a', 'b', 'c']) {
    publisher.publish({ payload: Buffer.from(text) }).catch(() => {});
  }
  await until(() => broker.held.length === 2, 'as many as it takes are on their way');
  await until(() => broker.heard.includes('state 1'), 'it says that it is there');
  expect(broker.exceeded).toBe(0);
  acknowledge();
  await until(() => broker.held.length === 1, 'the last one is on its way');
  acknowledge();
  await publisher.close();
  await until(() => broker.heard.includes('state 0'), 'its goodbye');
  const faces = broker.heard.filter((said) => said.startsWith('faces'));
  expect(faces).toEqual(['faces a', 'faces b', 'faces c']);
});

it('an acknowledgement that comes a second time stands for no later message', async () => {
  const broker = await startStrictBroker(10);
  // The third message has the place in the window that the first one had.
  const publisher = new Publisher({ url: broker.url, topic: 'faces', windowMessages: 2 });
  onTestFinished(() => publisher.close());
  const [, second] = ['a', 'b', 'c'].map((text) => {
    const published = publisher.publish({ payload: Buffer.from(text) });
    published.catch(() => {});
    return published;
  });
  await until(() => broker.held.length === 2, 'as many as its window takes are on their way');
  const [acknowledgeFirst, acknowledgeSecond] = broker.held;
  acknowledgeFirst!();
  await until(() => broker.held.length === 3, 'the last one is on its way');
  acknowledgeFirst!();
  acknowledgeSecond!();
  await second;
  expect(publisher.stats).toMatchObject({ acknowledged: 2, spooled: 1 });
  broker.held[2]!();
  await until(() => publisher.stats.acknowledged === 3, 'the last one');
});

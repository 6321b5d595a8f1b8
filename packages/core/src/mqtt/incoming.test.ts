import { Duplex } from 'node:stream';
import fc from 'fast-check';
import mqttPacket, { type IPublishPacket, type Packet } from 'mqtt-packet';
import { describe, expect, it } from 'vitest';
import { giveBack, keep } from '../slab';
import { Incoming } from './incoming';
import { LAST_OWN_IDENTIFIER } from './packet-identifiers';
import type { IncomingPublish } from './publish-packet';

type Version = 4 | 5;

/** What has arrived, in order: what we handle, and the bytes that were left to the reader before us. */
interface Arrived {
  readonly packets: (IncomingPublish | { readonly messageId: number; readonly reasonCode: number })[];
  readonly others: Buffer[];
  readonly errors: string[];
}

function open(version: Version, takes: () => boolean = () => true) {
  const stream = new Duplex({ read() {}, write: (_chunk, _encoding, done) => done() });
  const arrived: Arrived = { packets: [], others: [], errors: [] };
  stream.on('data', (chunk: Buffer) => arrived.others.push(chunk));
  const incoming = new Incoming(version, {
    publish: (packet) => {
      arrived.packets.push(packet);
      return takes();
    },
    puback: (messageId, reasonCode) => arrived.packets.push({ messageId, reasonCode }),
    malformed: ({ message }) => arrived.errors.push(message),
  });
  incoming.attach(stream);
  return { stream, incoming, arrived };
}

/** Cuts bytes at the given places. */
function cut(bytes: Buffer, places: readonly number[]): Buffer[] {
  const sorted = [...new Set(places.map((place) => place % bytes.length))].sort((a, b) => a - b);
  return [...sorted, bytes.length].map((end, index) =>
    bytes.subarray(index === 0 ? 0 : sorted[index - 1], end),
  );
}

const text = fc.string({ unit: 'grapheme', maxLength: 20 });
const properties = fc.record(
  {
    payloadFormatIndicator: fc.boolean(),
    messageExpiryInterval: fc.integer({ min: 1, max: 0xffff_ffff }),
    responseTopic: text.filter((topic) => topic !== ''),
    correlationData: fc.uint8Array({ minLength: 1, maxLength: 20 }).map((bytes) => Buffer.from(bytes)),
    userProperties: fc.dictionary(text, fc.oneof(text, fc.array(text, { minLength: 2, maxLength: 3 })), {
      minKeys: 1,
    }),
    contentType: text,
    subscriptionIdentifier: fc.integer({ min: 1, max: 268_435_455 }),
  },
  { requiredKeys: [] },
);
const publish = fc.record({
  cmd: fc.constant('publish' as const),
  topic: text.filter((topic) => topic !== ''),
  payload: fc.uint8Array({ maxLength: 400 }).map((bytes) => Buffer.from(bytes)),
  qos: fc.constantFrom(0, 1, 2),
  dup: fc.boolean(),
  retain: fc.boolean(),
  messageId: fc.integer({ min: 1, max: 65_535 }),
  properties,
});
const puback = fc.record({
  cmd: fc.constant('puback' as const),
  messageId: fc.integer({ min: 1, max: LAST_OWN_IDENTIFIER }),
  reasonCode: fc.constantFrom(0, 0x10, 0x97),
});
const other = fc.constantFrom<Packet>(
  { cmd: 'pingresp' },
  { cmd: 'suback', messageId: 7, granted: [1] },
  { cmd: 'pubrel', messageId: 8 },
  // What MQTT.js has published itself.
  { cmd: 'puback', messageId: LAST_OWN_IDENTIFIER + 1 },
);

describe.each([4, 5] as const)('Incoming (version %d)', (version) => {
  it('reads what mqtt-packet writes, wherever the bytes are cut, and leaves the others as they are', () => {
    const packets = fc.array(fc.oneof(publish, puback, other), { minLength: 1, maxLength: 20 });
    fc.assert(
      fc.property(packets, fc.array(fc.nat()), (sent, places) => {
        const bytesOf = (packet: Packet) => mqttPacket.generate(packet, { protocolVersion: version });
        const { stream, arrived } = open(version);
        for (const chunk of cut(Buffer.concat(sent.map(bytesOf)), places)) stream.emit('data', chunk);
        const ours = sent
          .filter(({ cmd }) => cmd === 'publish' || cmd === 'puback')
          .filter(({ cmd, messageId = 0 }) => cmd === 'publish' || messageId <= LAST_OWN_IDENTIFIER);
        expect(arrived.packets).toEqual(ours.map((packet) => expected(packet, version)));
        const rest = sent.filter((packet) => !ours.includes(packet));
        expect(Buffer.concat(arrived.others)).toEqual(Buffer.concat(rest.map(bytesOf)));
        expect(arrived.errors).toEqual([]);
      }),
      { numRuns: 200 },
    );
  });

  it('gives nothing more until it is resumed, and then all in order', () => {
    let room = 0;
    const { stream, incoming, arrived } = open(version, () => --room > 0);
    const count = 40;
    const bytes = Buffer.concat(
      Array.from({ length: count }, (_, index) =>
        mqttPacket.generate(
          {
            cmd: 'publish',
            topic: 't',
            payload: `number ${index}`,
            qos: 1,
            messageId: index + 1,
            dup: false,
            retain: false,
          },
          { protocolVersion: version },
        ),
      ),
    );
    for (const chunk of cut(bytes, [3, 70, 71, 200, 333])) stream.emit('data', chunk);
    expect(arrived.packets.length).toBe(1);
    expect(stream.isPaused()).toBe(true);
    for (let resumed = 1; arrived.packets.length < count; resumed += 1) {
      expect(arrived.packets.length).toBe(3 * resumed - 2);
      room = 3;
      incoming.resume();
    }
    expect(arrived.packets.map(({ messageId }) => messageId)).toEqual(
      Array.from({ length: count }, (_, i) => i + 1),
    );
  });

  it.each([
    [
      'a web server',
      Buffer.from('HTTP/1.1 400 Bad Request\r\n\r\n, and what it says about it to people who can read'),
    ],
    ['a length without an end', Buffer.from([0x30, 0xff, 0xff, 0xff, 0xff])],
    ['QoS 3', Buffer.from([0x36, 5, 0, 1, 97, 0, 1])],
    ['a topic longer than the packet', Buffer.from([0x30, 3, 0, 9, 97])],
    ['no topic', Buffer.from([0x30, 3, 0, 0, 97])],
    ['packet identifier 0', Buffer.from([0x32, 6, 0, 1, 97, 0, 0, 0])],
    ['a PUBACK that is cut short', Buffer.from([0x40, 1, 0])],
  ])('tells of %s, and reads no further', (_, bytes) => {
    const { stream, arrived } = open(version);
    stream.emit('data', bytes);
    stream.emit('data', Buffer.from([0x40, 2, 0, 1]));
    expect(arrived).toMatchObject({ packets: [], others: [], errors: [expect.any(String)] });
  });
});

it('tells of properties that have no place in a PUBLISH or are cut short', () => {
  for (const body of [
    [0x7f, 0],
    [0x23, 0, 1],
    [0x26, 0, 9, 97],
    [0x02, 0],
  ]) {
    const { stream, arrived } = open(5);
    stream.emit('data', Buffer.from([0x30, 4 + body.length, 0, 1, 97, body.length, ...body]));
    expect(arrived).toMatchObject({ packets: [], errors: [expect.any(String)] });
  }
});

describe('payloads on loan', () => {
  const packet = (payload: Buffer) =>
    mqttPacket.generate(
      { cmd: 'publish', topic: 't', payload, qos: 0, dup: false, retain: false },
      { protocolVersion: 5 },
    );
  const borrowing = () => {
    const payloads: Uint8Array[] = [];
    const incoming = new Incoming(5, {
      borrows: true,
      publish: ({ payload }) => payloads.push(payload) > 0,
      malformed: (error) => expect.fail(error.message),
    });
    /** As `net.connect()` would: into the memory that was asked for before. */
    let target = incoming.onread.buffer();
    const arrive = (bytes: Buffer) => {
      for (let at = 0; at < bytes.length; ) {
        const count = bytes.copy(target, 0, at);
        at += count;
        incoming.onread.callback(count);
        target = incoming.onread.buffer();
      }
    };
    return { payloads, arrive, incoming };
  };

  it('stay as they are until they are given back, in whatever order and however large', () => {
    const sizes = fc.array(
      fc.oneof(
        { weight: 6, arbitrary: fc.integer({ min: 0, max: 60_000 }) },
        { weight: 1, arbitrary: fc.integer({ min: 400_000, max: 1_500_000 }) },
      ),
      { minLength: 1, maxLength: 120 },
    );
    fc.assert(
      fc.property(sizes, fc.infiniteStream(fc.nat()), (taken, numbers) => {
        const { payloads, arrive } = borrowing();
        const held: { readonly payload: Uint8Array; readonly fill: number; readonly size: number }[] = [];
        const look = ({ payload, fill, size }: (typeof held)[number]) => {
          expect(payload.byteLength).toBe(size);
          expect(payload.every((byte) => byte === fill)).toBe(true);
        };
        taken.forEach((size, index) => {
          const fill = index % 251;
          const bytes = packet(Buffer.alloc(size, fill));
          const middle = numbers.next().value! % bytes.length;
          arrive(bytes.subarray(0, middle));
          arrive(bytes.subarray(middle));
          held.push({ payload: payloads.pop()!, fill, size });
          while (held.length > 0 && numbers.next().value! % 3 !== 0) {
            const [one] = held.splice(numbers.next().value! % held.length, 1);
            look(one!);
            giveBack(one!.payload);
            giveBack(one!.payload);
          }
        });
        for (const one of held) look(one);
      }),
      { numRuns: 60 },
    );
  });

  it('lie in memory that is used again, where a late look sees nothing instead of another one', () => {
    const { payloads, arrive } = borrowing();
    const memory = new Set<ArrayBufferLike>();
    for (let number = 0; number < 500; number += 1) {
      arrive(packet(Buffer.alloc(20_000, 1)));
      if (payloads.length < 100) continue;
      for (const payload of payloads.splice(0, 50)) {
        memory.add(payload.buffer);
        giveBack(payload);
      }
    }
    const lent = [...memory].filter(({ byteLength }) => byteLength > 0);
    expect(memory.size).toBeGreaterThan(10);
    expect(lent.length).toBeLessThan(10);
  });

  it('are kept from being given back by who shows them to somebody', () => {
    const { payloads, arrive } = borrowing();
    for (let number = 0; number < 100; number += 1) arrive(packet(Buffer.alloc(20_000, number)));
    keep(payloads[3]!);
    for (const payload of payloads) giveBack(payload);
    expect(payloads[3]![0]).toBe(3);
    expect(payloads[3]!.byteLength).toBe(20_000);
    expect(payloads[50]!.byteLength).toBe(0);
  });

  it('a small one is a copy, and so is every one where nobody borrows', () => {
    const bytes = Buffer.concat([20_000, 100, 20_000].map((size) => packet(Buffer.alloc(size, 1))));
    const { payloads, arrive } = borrowing();
    arrive(bytes);
    expect(payloads[0]!.buffer).toBe(payloads[2]!.buffer);
    expect(payloads[1]!.buffer.byteLength).toBeLessThan(10_000);
    const { stream, arrived } = open(5);
    stream.emit('data', bytes);
    const [large] = arrived.packets as IncomingPublish[];
    expect(large!.payload.buffer.byteLength).toBeLessThan(30_000);
  });
});

function expected(packet: Packet, version: Version): unknown {
  if (packet.cmd === 'puback') {
    return { messageId: packet.messageId, reasonCode: version === 5 ? packet.reasonCode : 0 };
  }
  const { topic, payload, qos, dup, retain, messageId, properties } = packet as IPublishPacket;
  const {
    userProperties,
    contentType,
    messageExpiryInterval,
    responseTopic,
    correlationData,
    payloadFormatIndicator,
  } = (version === 5 && properties) || {};
  return {
    ...{ topic, payload, qos, dup, retain, messageId: qos === 0 ? 0 : messageId },
    properties: userProperties ?? {},
    ...(contentType !== undefined && { contentType }),
    ...(messageExpiryInterval !== undefined && { expirySeconds: messageExpiryInterval }),
    ...(responseTopic !== undefined && { responseTopic }),
    ...(correlationData !== undefined && { correlationData }),
    ...(payloadFormatIndicator !== undefined && { payloadIsText: payloadFormatIndicator }),
  };
}

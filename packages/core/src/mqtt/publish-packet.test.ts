import fc from 'fast-check';
import mqttPacket from 'mqtt-packet';
import { describe, expect, it } from 'vitest';
import type { Message } from '../message';
import { encodePublishHeader, publishSize } from './publish-packet';

const text = fc.string({ unit: 'grapheme', maxLength: 40 });
const message: fc.Arbitrary<Message> = fc
  .record(
    {
      contentType: text,
      expirySeconds: fc.integer({ min: 1, max: 0xffff_ffff }),
      responseTopic: text,
      correlationData: fc.uint8Array({ minLength: 1, maxLength: 20 }),
      payloadIsText: fc.boolean(),
      retain: fc.boolean(),
    },
    { requiredKeys: [] },
  )
  .chain((rest) =>
    fc.record({
      ...(Object.fromEntries(
        Object.entries(rest).map(([name, value]) => [name, fc.constant(value)]),
      ) as object),
      id: text,
      payload: fc.uint8Array({ maxLength: 20_000 }),
      properties: fc.dictionary(text, fc.oneof(text, fc.array(text, { minLength: 1, maxLength: 3 }))),
    }),
  );

describe.each([4, 5] as const)('PUBLISH packets (version %d)', (protocolVersion) => {
  it('are byte by byte those of mqtt-packet, and as large as it was said', () => {
    fc.assert(
      fc.property(message, text, fc.integer({ min: 1, max: 65_535 }), (sent, words, messageId) => {
        const topic = `topic${words}`;
        const {
          payload,
          properties,
          contentType,
          expirySeconds,
          responseTopic,
          correlationData,
          payloadIsText,
        } = sent;
        const theirs = mqttPacket.generate(
          {
            ...{ cmd: 'publish', qos: 1, dup: false, retain: sent.retain ?? false, topic, messageId },
            payload: Buffer.from(payload),
            properties: {
              ...(payloadIsText !== undefined && { payloadFormatIndicator: payloadIsText }),
              ...(expirySeconds !== undefined && { messageExpiryInterval: expirySeconds }),
              ...(contentType !== undefined && { contentType }),
              ...(responseTopic !== undefined && { responseTopic }),
              ...(correlationData !== undefined && { correlationData: Buffer.from(correlationData) }),
              ...(Object.keys(properties).length > 0 && {
                userProperties: properties as Record<string, string | string[]>,
              }),
            },
          },
          { protocolVersion },
        );
        const header = encodePublishHeader(sent, topic, messageId, protocolVersion);
        expect(Buffer.concat([header, payload])).toEqual(theirs);
        expect(publishSize(sent, topic, protocolVersion)).toBe(theirs.byteLength);
      }),
    );
  });
});

it('a text that is too long makes no packet', () => {
  const long = 'é'.repeat(32_768);
  const make = (sent: Partial<Message>, topic = 't') =>
    encodePublishHeader({ id: '', payload: Buffer.alloc(1), properties: {}, ...sent }, topic, 1, 5);
  expect(() => make({}, long)).toThrow('65,535');
  for (const sent of [
    { contentType: long },
    { properties: { name: long } },
    { properties: { [long]: '' } },
  ]) {
    expect(() => make(sent)).toThrow('65,535');
  }
});

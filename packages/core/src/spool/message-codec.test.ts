import { expect, it } from 'vitest';
import { decodeIndexed, decodeIndexedMessage, encodeIndexed } from './message-codec';

it('a record of the index comes back as it was, and with the payload so does the message', () => {
  const record = { bytes: 7, mark: 5, priority: -2, storedAt: 1_790_000_000_000 };
  const message = {
    id: 'ä',
    topic: 'faces',
    payload: Buffer.from('picture'),
    properties: { one: ['1', '2'] },
    correlationData: Buffer.from([0, 255]),
    retain: true,
    expirySeconds: 60,
  };
  const encoded = encodeIndexed(record, message);
  expect(decodeIndexed(encoded)).toEqual({ ...record, expirySeconds: 60 });
  expect(decodeIndexedMessage(encoded, message.payload)).toEqual(message);
  expect(decodeIndexedMessage(encoded, Buffer.from('pictur\0'))).toBeUndefined();
  const { expirySeconds: _, ...lasting } = message;
  expect(decodeIndexed(encodeIndexed(record, lasting)).expirySeconds).toBe(Number.POSITIVE_INFINITY);
});

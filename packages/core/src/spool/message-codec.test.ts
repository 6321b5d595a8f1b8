import { expect, it } from 'vitest';
import type { Message } from '../message';
import { decodeBundled, decodeRecord, encodeRecords, recordAt } from './message-codec';

const one: Message = {
  id: 'ä',
  topic: 'faces',
  payload: Buffer.from('picture'),
  properties: { one: ['1', '2'] },
  correlationData: Buffer.from([0, 255]),
  retain: true,
  expirySeconds: 60,
};
const other: Message = { id: '2', payload: Buffer.from('longer than eight'), properties: {} };
const kept = { position: 5, bytes: 7, mark: 5, priority: -2, storedAt: 1_790_000_000_000 };
const items = [
  { message: one, kept },
  { message: other, kept: { ...kept, position: 6, bytes: 8 } },
];
const bytes = Buffer.from('picture, longer than eight');
const records = encodeRecords({ items, bytes, starts: [0, 9] });

it('the records of a bundle come back as they were, and with its payloads so do the messages', () => {
  const { position: _, ...known } = kept;
  expect(decodeRecord(recordAt(records, 0)!)).toEqual({ ...known, expirySeconds: 60 });
  expect(decodeRecord(recordAt(records, 1)!)).toEqual({
    ...known,
    bytes: 8,
    expirySeconds: Number.POSITIVE_INFINITY,
  });
  expect(recordAt(records, 2)).toBeUndefined();
  const messages = [0, 1].map((index) => decodeBundled(recordAt(records, index)!, () => bytes, Buffer.from));
  expect(messages).toEqual([one, other]);
});

it('a payload that is missing, cut short or another one is told from the right one', () => {
  const decoded = (found: Buffer | undefined) =>
    decodeBundled(recordAt(records, 1)!, () => found, Buffer.from);
  expect(decoded(bytes)).toEqual(other);
  expect(decoded(undefined)).toBeUndefined();
  expect(decoded(bytes.subarray(0, -1))).toBeUndefined();
  expect(decoded(Buffer.from('picture, longer than nine!'))).toBeUndefined();
});

it('records that are none are refused, and not looked through for ever', () => {
  const broken = Buffer.from(records);
  broken.writeUInt32LE(0, 0);
  expect(() => recordAt(broken, 1)).toThrow(RangeError);
  expect(() => recordAt(records.subarray(0, -1), 1)).toThrow(RangeError);
});

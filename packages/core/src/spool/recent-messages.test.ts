import { expect, it } from 'vitest';
import { RecentMessages } from './recent-messages';

const MEBIBYTE = 1024 ** 2;
const message = { id: 'a', payload: Buffer.alloc(1), properties: {} };

it('keeps what is not written, and of what is as much as has room, until it is read', () => {
  const recent = new RecentMessages();
  for (let position = 1; position <= 20; position += 1) recent.add(position, message, MEBIBYTE);
  expect(recent.unwrittenBytes).toBe(20 * MEBIBYTE);
  const kept = () => Array.from({ length: 20 }, (_, index) => index + 1).filter((at) => recent.get(at));
  expect(kept()).toHaveLength(20);
  // Read before it is written: nobody wants it once it is.
  expect(recent.read(1)).toBe(message);
  expect([recent.isRead(1), recent.isUnwritten(1)]).toEqual([true, true]);
  recent.delete(2);
  expect(recent.unwrittenBytes).toBe(19 * MEBIBYTE);
  for (let position = 1; position <= 20; position += 1) recent.written(position);
  expect(recent.unwrittenBytes).toBe(0);
  expect(kept()).toEqual(Array.from({ length: 16 }, (_, index) => index + 3));
  expect(recent.isUnwritten(3)).toBe(false);
  expect(recent.read(3)).toBe(message);
  expect(recent.read(3)).toBeUndefined();
  recent.add(21, message, MEBIBYTE);
  recent.written(21);
  expect(recent.get(21)).toBe(message);
});

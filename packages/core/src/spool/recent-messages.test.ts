import { expect, it } from 'vitest';
import { RecentMessages } from './recent-messages';

const MEBIBYTE = 1024 ** 2;
const recentAt = (position: number) => ({
  entry: {
    position,
    message: { id: 'a', payload: Buffer.alloc(1), properties: {} },
    storedAt: 0,
    bytes: MEBIBYTE,
  },
  isWritten: false,
  isRead: false,
});

it('keeps what is not written, and of what is as much as has room, until it is read', () => {
  const recent = new RecentMessages();
  for (let position = 1; position <= 20; position += 1) recent.add(recentAt(position));
  expect(recent.unwrittenBytes).toBe(20 * MEBIBYTE);
  const kept = () => Array.from({ length: 20 }, (_, index) => index + 1).filter((at) => recent.get(at));
  expect(kept()).toHaveLength(20);
  // Read before it is written: nobody wants it once it is.
  expect(recent.read(1)?.position).toBe(1);
  expect([recent.get(1)?.isRead, recent.unwritten(1)?.entry.position]).toEqual([true, 1]);
  recent.delete(2);
  expect(recent.unwrittenBytes).toBe(19 * MEBIBYTE);
  for (let position = 1; position <= 20; position += 1) recent.written(position);
  expect(recent.unwrittenBytes).toBe(0);
  expect(kept()).toEqual(Array.from({ length: 8 }, (_, index) => index + 3));
  expect(recent.unwritten(3)).toBeUndefined();
  expect(recent.read(3)?.position).toBe(3);
  expect(recent.read(3)).toBeUndefined();
  const last = recentAt(21);
  recent.add(last);
  recent.written(21);
  expect(recent.get(21)).toBe(last);
});

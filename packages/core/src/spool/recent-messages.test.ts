import { expect, it } from 'vitest';
import { RecentMessages } from './recent-messages';

const MEBIBYTE = 1024 ** 2;
const recentAt = (position: number) => ({
  entry: {
    position,
    message: { id: 'a', payload: Buffer.alloc(1), properties: {} },
    storedAt: 0,
    // With its objects, one MiB.
    bytes: MEBIBYTE - 1_024,
  },
  isWritten: false,
  isRead: false,
});

it('keeps what is not written, and of what is as much as has room, until it is read', () => {
  const recent = new RecentMessages();
  for (let position = 1; position <= 20; position += 1) recent.add(recentAt(position));
  expect(recent.unwrittenBytes).toBe(20 * (MEBIBYTE - 1_024));
  const kept = () => Array.from({ length: 20 }, (_, index) => index + 1).filter((at) => recent.get(at));
  expect(kept()).toHaveLength(20);
  // Read before it is written: nobody wants it once it is.
  expect(recent.read(1)?.position).toBe(1);
  expect([recent.get(1)?.isRead, recent.unwritten(1)?.entry.position]).toEqual([true, 1]);
  recent.delete(2);
  expect(recent.unwrittenBytes).toBe(19 * (MEBIBYTE - 1_024));
  // Nobody reads on.
  recent.rewind();
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

it('keeps more where somebody reads who is not far behind', () => {
  const recent = new RecentMessages();
  let position = 0;
  const write = (count: number) => {
    for (const last = position + count; position < last; ) {
      position += 1;
      recent.add(recentAt(position));
      recent.written(position);
    }
  };
  const kept = () => Array.from({ length: position }, (_, index) => index + 1).filter((at) => recent.get(at));
  const between = (first: number, last: number) =>
    Array.from({ length: last + 1 - first }, (_, index) => index + first);
  write(10);
  expect(kept()).toEqual(between(1, 8));
  for (const at of between(1, 10)) recent.read(at);
  write(60);
  expect(kept()).toEqual(between(11, 58));
  // 51 behind: only where there is room for it in a backlog.
  for (const at of between(11, 20)) recent.read(at);
  write(1);
  expect(kept()).toEqual(between(21, 58));
  for (const at of between(21, 58)) recent.read(at);
  write(40);
  expect(kept()).toEqual(between(72, 106));
  for (const at of between(59, position)) recent.read(at);
  recent.rewind();
  write(10);
  expect(kept()).toEqual(between(112, 119));
});

it('counts the objects of small messages, too', () => {
  const recent = new RecentMessages();
  recent.read(1);
  for (let position = 2; position <= 60_000; position += 1) {
    const { entry, ...rest } = recentAt(position);
    recent.add({ ...rest, entry: { ...entry, bytes: 100 } });
    recent.written(position);
  }
  expect(recent.get(44_780)).toBeDefined();
  expect(recent.get(44_781)).toBeUndefined();
});

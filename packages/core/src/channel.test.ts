import { expect, test } from 'vitest';
import { quiet } from '../test/gate';
import { Channel, type OverflowPolicy } from './channel';

async function drain<T>(channel: Channel<T>): Promise<T[]> {
  const items: T[] = [];
  for await (const item of channel) items.push(item);
  return items;
}

test('gives items in the order in which they came and ends after the last', async () => {
  const channel = new Channel<number>({ highWaterMark: 3 });
  for (const item of [1, 2, 3]) await channel.push(item);
  expect(channel.size).toBe(3);
  channel.end();
  expect(await drain(channel)).toEqual([1, 2, 3]);
  expect(await channel.push(4)).toBe(false);
});

test('keeps the order over thousands of items and many waiting pushes', async () => {
  const channel = new Channel<number>({ highWaterMark: 2 });
  const numbers = Array.from({ length: 5000 }, (_, index) => index);
  const pushed = Promise.all(numbers.map((item) => channel.push(item))).then((places) => {
    channel.end();
    return places;
  });
  expect(await drain(channel)).toEqual(numbers);
  expect(new Set(await pushed)).toEqual(new Set([true]));
});

test('hands an item straight to a reader that waits', async () => {
  const channel = new Channel<string>();
  const next = channel.next();
  expect(await channel.push('a')).toBe(true);
  expect(channel.size).toBe(0);
  expect(await next).toEqual({ done: false, value: 'a' });
});

test('makes a push wait while it is full', async () => {
  const channel = new Channel<number>({ highWaterMark: 1 });
  await channel.push(1);
  let placed = false;
  const second = channel.push(2).then((accepted) => {
    placed = true;
    return accepted;
  });
  await quiet();
  expect(placed).toBe(false);
  expect(await channel.next()).toEqual({ done: false, value: 1 });
  expect(await second).toBe(true);
});

test('still finds a place for a push that waited when it ended', async () => {
  const channel = new Channel<number>();
  await channel.push(1);
  const second = channel.push(2);
  channel.end();
  expect(await drain(channel)).toEqual([1, 2]);
  expect(await second).toBe(true);
});

test.each([
  { policy: 'drop-oldest' as const, kept: [2, 3], dropped: [1], accepted: [true, true, true] },
  { policy: 'drop-newest' as const, kept: [1, 2], dropped: [3], accepted: [true, true, false] },
])('with $policy, tells of each drop', async ({ policy, kept, dropped, accepted }) => {
  const heard: number[] = [];
  const channel = new Channel<number>({ highWaterMark: 2, policy, onDrop: (item) => heard.push(item) });
  const places: boolean[] = [];
  for (const item of [1, 2, 3]) places.push(await channel.push(item));
  channel.end();
  expect(await drain(channel)).toEqual(kept);
  expect(heard).toEqual(dropped);
  expect(places).toEqual(accepted);
});

test('rejects both sides with the reason when it is aborted, now and later', async () => {
  const reason = new Error('enough');
  const full = new Channel<number>();
  await full.push(1);
  const waitingPush = full.push(2);
  const empty = new Channel<number>();
  const waitingNext = empty.next();
  full.abort(reason);
  empty.abort(reason);
  empty.abort(new Error('later'));
  await expect(waitingPush).rejects.toBe(reason);
  await expect(waitingNext).rejects.toBe(reason);
  await expect(full.next()).rejects.toBe(reason);
  await expect(empty.push(1)).rejects.toBe(reason);
  expect(full.size).toBe(0);
});

test('tells a waiting push that its item has no place when the reader leaves', async () => {
  const channel = new Channel<number>();
  await channel.push(1);
  void channel.push(2);
  const waiting = channel.push(3);
  for await (const item of channel) {
    expect(item).toBe(1);
    break;
  }
  expect(await waiting).toBe(false);
  expect(await channel.push(4)).toBe(false);
  expect(await channel.next()).toEqual({ done: true, value: undefined });
});

test('ends for every reader that waits', async () => {
  const channel = new Channel<number>();
  const readers = [channel.next(), channel.next()];
  channel.end();
  expect(await Promise.all(readers)).toEqual([
    { done: true, value: undefined },
    { done: true, value: undefined },
  ]);
});

test('discards what is stale and gives its place to who waits', async () => {
  const channel = new Channel<number>({ highWaterMark: 2 });
  await channel.push(1);
  await channel.push(2);
  const third = channel.push(3);
  expect(channel.discard((item) => item === 1)).toBe(1);
  expect(await third).toBe(true);
  channel.end();
  expect(await drain(channel)).toEqual([2, 3]);
});

test.each([0, -1, 1.5, Number.NaN])('takes no highWaterMark of %s', (highWaterMark) => {
  expect(() => new Channel({ highWaterMark })).toThrow(TypeError);
});

test('takes no policy that it does not know', () => {
  expect(() => new Channel({ policy: 'drop' as OverflowPolicy })).toThrow(/drop-oldest.*not "drop"/);
});

import { expect, test } from 'vitest';
import { Gate, quiet } from '../test/gate';
import { merge } from './merge';
import { pipeline } from './pipeline';

async function* from<T>(...items: T[]): AsyncGenerator<T> {
  yield* items;
}

async function collect<T>(source: AsyncIterable<T>): Promise<T[]> {
  const items: T[] = [];
  for await (const item of source) items.push(item);
  return items;
}

test('gives the items of all sources, each in its own order, and ends when all have ended', async () => {
  const items = await collect(merge(from(1, 2, 3), from(10, 20), from<number>()));
  expect(items.filter((item) => item < 10)).toEqual([1, 2, 3]);
  expect(items.filter((item) => item >= 10)).toEqual([10, 20]);
  expect(items).toHaveLength(5);
});

test('gives every source its turn, however eager another one is', async () => {
  const order: string[] = [];
  async function* endless(name: string) {
    for (;;) yield name;
  }
  for await (const name of merge(endless('a'), endless('b'))) {
    order.push(name);
    if (order.length === 100) break;
  }
  expect(order.filter((name) => name === 'a').length).toBeGreaterThanOrEqual(40);
  expect(order.filter((name) => name === 'b').length).toBeGreaterThanOrEqual(40);
});

test('does not wait for a source that has nothing', async () => {
  const idle = new Gate();
  async function* late() {
    await idle.passed;
    yield 'late';
  }
  const merged = merge(late(), from('early'))[Symbol.asyncIterator]();
  expect(await merged.next()).toEqual({ done: false, value: 'early' });
  idle.open();
  expect(await merged.next()).toEqual({ done: false, value: 'late' });
  expect(await merged.next()).toEqual({ done: true, value: undefined });
});

test('reads no further ahead than one item a source and one in between', async () => {
  let given = 0;
  async function* counting() {
    for (;;) {
      given += 1;
      yield given;
    }
  }
  const merged = merge(counting())[Symbol.asyncIterator]();
  await merged.next();
  await quiet();
  expect(given).toBeLessThanOrEqual(3);
  await merged.return?.();
});

test('starts nothing before the first item is asked for', async () => {
  let started = false;
  async function* source() {
    started = true;
    yield 1;
  }
  const merged = merge(source())[Symbol.asyncIterator]();
  await quiet();
  expect(started).toBe(false);
  expect(await merged.return?.()).toEqual({ done: true, value: undefined });
  expect(await merged.next()).toEqual({ done: true, value: undefined });
  expect(started).toBe(false);
});

test('hands out what a failing source gave before, then rejects once and ends', async () => {
  const failure = new Error('unplugged');
  async function* failing() {
    yield 1;
    yield 2;
    throw failure;
  }
  const merged = merge(failing())[Symbol.asyncIterator]();
  await quiet();
  expect(await merged.next()).toEqual({ done: false, value: 1 });
  await quiet();
  expect(await merged.next()).toEqual({ done: false, value: 2 });
  await expect(merged.next()).rejects.toBe(failure);
  expect(await merged.next()).toEqual({ done: true, value: undefined });
});

test('gives the other sources up when one fails', async () => {
  let released = false;
  async function* failing(): AsyncGenerator<string> {
    yield 'last';
    throw new Error('unplugged');
  }
  async function* steady() {
    try {
      for (;;) yield 'steady';
    } finally {
      released = true;
    }
  }
  await expect(collect(merge(failing(), steady()))).rejects.toThrow('unplugged');
  await quiet();
  expect(released).toBe(true);
});

test('gives all sources up when the iteration is given up', async () => {
  const released: string[] = [];
  async function* source(name: string) {
    try {
      for (;;) yield name;
    } finally {
      released.push(name);
    }
  }
  for await (const _ of merge(source('a'), source('b'))) break;
  await quiet();
  expect(released.sort()).toEqual(['a', 'b']);
});

test('leaves each item its own acknowledgement', async () => {
  const acknowledged: string[] = [];
  const delivery = (name: string) => ({ name, ack: () => acknowledged.push(name) });
  await pipeline(merge(from(delivery('a')), from(delivery('b'))), { write: () => {} });
  expect(acknowledged.sort()).toEqual(['a', 'b']);
});

test('takes only sources, and at least one', () => {
  expect(() => merge()).toThrow(TypeError);
  expect(() => merge(from(1), [2] as unknown as AsyncIterable<number>)).toThrow(/Argument 2 of merge/);
});

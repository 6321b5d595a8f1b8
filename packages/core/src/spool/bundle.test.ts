import { describe, expect, it } from 'vitest';
import type { Message } from '../message';
import { giveBack, Slab } from '../slab';
import { BUNDLE_MESSAGES, type Bundled, bundlesOf } from './bundle';

let position = 0;
const bundled = (payload: Buffer, more: Partial<Message> = {}): Bundled => {
  const { priority = 0 } = more;
  position += 1;
  const message = { id: String(position), payload, properties: {}, ...more };
  return { message, kept: { position, bytes: payload.byteLength, mark: 0, priority, storedAt: 0 } };
};
const lent = (slab: Slab, from: number, length: number) =>
  slab.lend(slab.bytes.fill(position + 1, from, from + length).subarray(from, from + length));
const sizes = (items: readonly Bundled[], blockRows = Number.POSITIVE_INFINITY) =>
  bundlesOf(items, blockRows).map((bundle) => bundle.items.length);

describe('bundlesOf', () => {
  it('writes what lies one after the other in a slab as it lies, without a copy', () => {
    const slab = new Slab(0);
    const items = [0, 1, 2].map((index) => bundled(lent(slab, 7 + index * 20_100, 20_000)));
    const [bundle, ...others] = bundlesOf(items, 1_024);
    expect(others).toEqual([]);
    expect(bundle!.starts).toEqual([0, 20_100, 40_200]);
    expect(bundle!.bytes.buffer).toBe(slab.bytes.buffer);
    for (const [index, { message }] of items.entries()) {
      const start = bundle!.starts[index]!;
      expect(bundle!.bytes.subarray(start, start + 20_000).equals(message.payload)).toBe(true);
    }
  });

  it('writes nothing that lies beside payloads of somebody else: only in one slab, and close together', () => {
    const [slab, other] = [new Slab(0), new Slab(0)];
    const memory = Buffer.alloc(50_000);
    expect(sizes([bundled(memory.subarray(0, 20_000)), bundled(memory.subarray(20_000, 40_000))])).toEqual([
      1, 1,
    ]);
    expect(sizes([bundled(lent(slab, 0, 5_000)), bundled(lent(other, 5_000, 5_000))])).toEqual([1, 1]);
    expect(sizes([bundled(lent(slab, 0, 5_000)), bundled(lent(slab, 5_513, 5_000))])).toEqual([1, 1]);
    expect(sizes([bundled(lent(slab, 20_000, 5_000)), bundled(lent(slab, 0, 5_000))])).toEqual([1, 1]);
    const returned = [bundled(lent(slab, 0, 5_000)), bundled(lent(slab, 5_000, 5_000))];
    giveBack(returned[1]!.message.payload);
    expect(sizes(returned)).toEqual([1, 1]);
  });

  it('copies small ones together', () => {
    const items = ['one', '', 'three'].map((text) => bundled(Buffer.from(text)));
    const [bundle, ...others] = bundlesOf(items, 1_024);
    expect(others).toEqual([]);
    expect(String(bundle!.bytes)).toBe('onethree');
    expect(bundle!.starts).toEqual([0, 3, 3]);
  });

  it('bundles only what will leave at about the same time', () => {
    const small = Buffer.from('x');
    expect(sizes([bundled(small), bundled(small, { priority: 1 }), bundled(small, { priority: 1 })])).toEqual(
      [1, 2],
    );
    expect(sizes([bundled(small), bundled(small, { expirySeconds: 5 })])).toEqual([1, 1]);
    const topics = ['one', 'one', 'other'].map((topic) => bundled(small, { topic }));
    expect(sizes(topics)).toEqual([2, 1]);
    const [one, , three] = [bundled(small), bundled(small), bundled(small)];
    expect(sizes([one, three])).toEqual([1, 1]);
    position = 1_021;
    expect(
      sizes(
        [1, 2, 3, 4].map(() => bundled(small)),
        1_024,
      ),
    ).toEqual([2, 2]);
  });

  it('keeps its bounds, and a message that is larger goes alone', () => {
    const many = Array.from({ length: BUNDLE_MESSAGES + 1 }, () => bundled(Buffer.from('x')));
    expect(sizes(many)).toEqual([BUNDLE_MESSAGES, 1]);
    const slab = new Slab(0);
    const twenty = Array.from({ length: 20 }, (_, index) => bundled(lent(slab, index * 20_000, 20_000)));
    expect(sizes(twenty)).toEqual([8, 8, 4]);
    const large = new Slab(500_000);
    expect(sizes([0, 1].map((index) => bundled(lent(large, index * 200_000, 200_000))))).toEqual([1, 1]);
  });
});

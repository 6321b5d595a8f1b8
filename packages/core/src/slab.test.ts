import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { expect, it } from 'vitest';
import { giveBack, LentCopies, PAGE_BYTES, Slab } from './slab';

it('copies payloads into memory that is used again when all of it was given back', () => {
  const copies = new LentCopies();
  const held: Buffer[] = [];
  const memory = new Set<ArrayBufferLike>();
  for (let number = 0; number < 2_000; number += 1) {
    const copy = copies.copy(Buffer.alloc(20_000, number % 251));
    memory.add(copy.buffer);
    held.push(copy);
    if (held.length < 100) continue;
    const [oldest] = held.splice(0, 1);
    expect(oldest!.every((byte) => byte === oldest![0])).toBe(true);
    expect(oldest!.byteLength).toBe(20_000);
    giveBack(oldest!);
  }
  // What was given back is empty, and its memory elsewhere.
  const inUse = [...memory].filter(({ byteLength }) => byteLength > 0);
  expect(memory.size).toBeGreaterThan(50);
  expect(inUse.length).toBeLessThan(8);
});

it('keeps what is not given back as it is, and copies what is small or very large, too', () => {
  const copies = new LentCopies();
  const kept = copies.copy(Buffer.alloc(20_000, 1));
  const small = copies.copy(Buffer.alloc(10, 2));
  const large = copies.copy(Buffer.alloc(3_000_000, 3));
  for (let number = 0; number < 200; number += 1) giveBack(copies.copy(Buffer.alloc(20_000, 9)));
  giveBack(small);
  giveBack(large);
  expect(kept.equals(Buffer.alloc(20_000, 1))).toBe(true);
  expect(small.equals(Buffer.alloc(10, 2))).toBe(true);
});

it('has an empty page before it, whatever lay there', () => {
  setFlagsFromString('--expose-gc');
  const collect = runInNewContext('gc') as () => void;
  // The C library keeps what is freed after a larger block was.
  const fill = (count: number, bytes: number) => {
    for (let number = 0; number < count; number += 1) Buffer.allocUnsafeSlow(bytes).fill(1);
    collect();
  };
  fill(1, 8 * 1024 ** 2);
  fill(40, 512 * 1024);
  const slabs = Array.from({ length: 40 }, () => new Slab(0));
  for (const { bytes } of slabs) {
    expect(bytes.byteOffset).toBe(PAGE_BYTES);
    expect(Buffer.from(bytes.buffer, 0, PAGE_BYTES).equals(Buffer.alloc(PAGE_BYTES))).toBe(true);
  }
});

import { describe, expect, it } from 'vitest';
import { free } from './memory';

describe('free()', () => {
  it('takes the memory of bytes, which are empty then', () => {
    const bytes = new Uint8Array(1_000_000).fill(1);
    const { buffer } = bytes;
    free(bytes);
    expect([bytes.length, buffer.byteLength]).toEqual([0, 0]);
    expect(() => free(bytes)).not.toThrow();
  });

  it('leaves bytes alone that are a part of something', () => {
    const whole = new Uint8Array(1_000).fill(1);
    free(whole.subarray(0, 999));
    free(Buffer.from('one of many in a pool'));
    expect(whole).toEqual(new Uint8Array(1_000).fill(1));
  });
});

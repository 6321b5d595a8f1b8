import { describe, expect, it } from 'vitest';
import { decodeIndexed, encodeIndexed } from './message-codec';

describe('what the index of a spool keeps', () => {
  const record = { bytes: 7, mark: 5, priority: -2, storedAt: 1_790_000_000_000, expirySeconds: 60 };

  it('comes back as it was', () => {
    expect(decodeIndexed(encodeIndexed(record))).toEqual(record);
    const { expirySeconds: _, ...lasting } = record;
    expect(decodeIndexed(encodeIndexed(lasting)).expirySeconds).toBe(Number.POSITIVE_INFINITY);
  });

  it('is read from a spool of before there were priorities', () => {
    expect(decodeIndexed(encodeIndexed(record).subarray(0, 32))).toEqual({ ...record, priority: 0 });
  });
});

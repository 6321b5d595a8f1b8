import type { Message } from '../message';
import { propertyOf } from '../message';

const PRIME = 0x01000193;

/**
 * A number of 52 bits for the `id` property of a message, by which a spool finds it again; 0 without one. Two
 * FNV-1a hashes side by side: ids that share one are so rare that the one found is simply compared.
 */
export function markOf(message: Pick<Message, 'properties'>): number {
  const id = propertyOf(message, 'id');
  if (id === undefined) return 0;
  let low = 0x811c9dc5;
  let high = 0x050c5d1f;
  for (let index = 0; index < id.length; index += 1) {
    const code = id.charCodeAt(index);
    low = Math.imul(low ^ code, PRIME);
    high = Math.imul(high ^ (code + index), PRIME);
  }
  return (high >>> 12) * 0x1_0000_0000 + (low >>> 0);
}

/** Whether two messages have the same topic, `id` property and payload. */
export function isSameMessage(one: Message, other: Message): boolean {
  return (
    one.topic === other.topic &&
    propertyOf(one, 'id') === propertyOf(other, 'id') &&
    Buffer.compare(one.payload, other.payload) === 0
  );
}

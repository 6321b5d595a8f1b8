const TYPE = 'dev.edge-relay.tombstone.v1';
const BEGINNING = Buffer.from(`{"type":"${TYPE}"`);

export const TOMBSTONE_CONTENT_TYPE = 'application/vnd.edge-relay.tombstone+json';

/**
 * What stands under the key of an object that was deleted for good, so that nothing is stored there again. It
 * says nothing of what was there. No message can become one: bytes that begin like it are rejected and changed before
 * they have a key, a gap record and a probe begin with types of their own, and notes of ours begin otherwise, so that
 * only who may write to the store can put one there.
 */
export function tombstone(forgottenAt: number): Buffer {
  return Buffer.from(`${JSON.stringify({ type: TYPE, forgotten: new Date(forgottenAt).toISOString() })}\n`);
}

/** How long each is. */
export const TOMBSTONE_BYTES = tombstone(0).byteLength;

export function isTombstone(data: Uint8Array): boolean {
  return BEGINNING.equals(data.subarray(0, BEGINNING.length));
}

/** Bytes that somebody sent, changed where they would pass for a tombstone: a line break is put before them. */
export function withoutTombstone(data: Uint8Array): Uint8Array {
  return isTombstone(data) ? Buffer.concat([Buffer.from('\n'), data]) : data;
}

const TYPE = 'dev.edge-relay.tombstone.v1';
const BEGINNING = Buffer.from(`{"type":"${TYPE}"`);

export const TOMBSTONE_CONTENT_TYPE = 'application/vnd.edge-relay.tombstone+json';

/**
 * What stands under the key of an object that was deleted for good, so that nothing is stored there again. It
 * says nothing of what was there.
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

import type { Message } from '../message';

/**
 * A message as bytes: four bytes that say how long the JSON is (little endian), the JSON with everything
 * but the payload (correlation data in base64), the payload as it is.
 */
export function encodeMessage(message: Message): Buffer {
  const { payload, correlationData, ...rest } = message;
  const header = {
    ...rest,
    ...(correlationData && { correlationData: asBuffer(correlationData).toString('base64') }),
  };
  const json = JSON.stringify(header);
  const jsonBytes = Buffer.byteLength(json);
  const record = Buffer.allocUnsafe(4 + jsonBytes + payload.byteLength);
  record.writeUInt32LE(jsonBytes);
  record.write(json, 4);
  record.set(payload, 4 + jsonBytes);
  return record;
}

/** As many bytes as the record of a message takes, or more: its texts as JSON, its correlation data in base64. */
export function recordBytes(message: Message, bytes: number): number {
  const { payload, contentType = '', responseTopic = '', correlationData } = message;
  const texts = bytes - payload.byteLength + contentType.length + responseTopic.length;
  return payload.byteLength + 512 + texts * 6 + (correlationData?.byteLength ?? 0) * 2;
}

/** @throws {Error} for bytes that `encodeMessage()` has not made. */
export function decodeMessage(bytes: Buffer): Message {
  const start = 4 + bytes.readUInt32LE(0);
  const { correlationData, ...rest } = JSON.parse(bytes.toString('utf8', 4, start));
  return {
    ...rest,
    payload: bytes.subarray(start),
    ...(correlationData !== undefined && { correlationData: Buffer.from(correlationData, 'base64') }),
  };
}

/** What the index of a spool keeps of a message. */
interface IndexRecord {
  readonly bytes: number;
  readonly mark: number;
  readonly priority: number;
  readonly storedAt: number;
  /** Infinity for never. */
  readonly expirySeconds?: number | undefined;
}

/** Five doubles, little endian. */
export function encodeIndexed(record: IndexRecord): Buffer {
  const { bytes, mark, priority, storedAt, expirySeconds = Number.POSITIVE_INFINITY } = record;
  const encoded = Buffer.alloc(40);
  for (const [index, value] of [bytes, storedAt, expirySeconds, mark, priority].entries()) {
    encoded.writeDoubleLE(value, index * 8);
  }
  return encoded;
}

/** The reverse of `encodeIndexed()`. */
export function decodeIndexed(record: Buffer): Required<IndexRecord> {
  return {
    bytes: record.readDoubleLE(0),
    storedAt: record.readDoubleLE(8),
    expirySeconds: record.readDoubleLE(16),
    mark: record.readDoubleLE(24),
    // Spools from before there were priorities have four.
    priority: record.byteLength < 40 ? 0 : record.readDoubleLE(32),
  };
}

function asBuffer(bytes: Uint8Array): Buffer {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

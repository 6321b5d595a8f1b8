import type { Message } from '../message';
import type { Bundle, Bundled } from './bundle';
import { asBuffer } from './lmdb-tables';

/**
 * A message as bytes: four bytes that say how long the JSON is (little endian), the JSON with everything
 * but the payload (correlation data in base64), the payload as it is.
 */
export function encodeMessage(message: Message): Buffer {
  const json = Buffer.from(headerOf(message));
  const length = Buffer.alloc(4);
  length.writeUInt32LE(json.byteLength);
  return Buffer.concat([length, json, message.payload]);
}

/** @throws {Error} for bytes that `encodeMessage()` has not made. */
export function decodeMessage(bytes: Buffer): Message {
  const start = 4 + bytes.readUInt32LE(0);
  return withPayload(bytes.toString('utf8', 4, start), bytes.subarray(start));
}

/** What the books of a spool have to know of a message, as it is on the disk. */
export interface StoredRecord {
  readonly bytes: number;
  readonly mark: number;
  readonly priority: number;
  readonly storedAt: number;
  /** Infinity for one that never expires. */
  readonly expirySeconds: number;
}

/** Where each field of a record begins; the last are eight bytes of the payload, by which one is known whose end is missing. */
const [LENGTH, START, PAYLOAD_BYTES, BYTES, STORED_AT, EXPIRY, MARK, PRIORITY, TAIL] = [
  0, 4, 8, 12, 20, 28, 36, 44, 52,
] as const;
const FIXED_BYTES = TAIL + 8;

/**
 * The records of a bundle, one after the other, each with its length, the place and the length of the payload (32 bits each),
 * five doubles, all little endian, the end of the payload, and the message without its payload as JSON.
 */
export function encodeRecords({ items, starts }: Bundle<Bundled>): Buffer {
  const headers = items.map(({ message }) => headerOf(message));
  // To ask for their lengths would take as long as to write them: no character of a string takes more than three bytes.
  const most = headers.reduce((sum, { length }) => sum + FIXED_BYTES + length * 3, 0);
  const encoded = Buffer.allocUnsafe(most);
  let at = 0;
  for (const [index, { message, kept }] of items.entries()) {
    const { payload, expirySeconds = Number.POSITIVE_INFINITY } = message;
    encoded.writeUInt32LE(starts[index]!, at + START);
    encoded.writeUInt32LE(payload.byteLength, at + PAYLOAD_BYTES);
    encoded.writeDoubleLE(kept.bytes, at + BYTES);
    encoded.writeDoubleLE(kept.storedAt, at + STORED_AT);
    encoded.writeDoubleLE(expirySeconds, at + EXPIRY);
    encoded.writeDoubleLE(kept.mark, at + MARK);
    encoded.writeDoubleLE(kept.priority, at + PRIORITY);
    encoded.writeUInt32LE(wordFromEnd(payload, 8), at + TAIL);
    encoded.writeUInt32LE(wordFromEnd(payload, 4), at + TAIL + 4);
    const length = FIXED_BYTES + encoded.write(headers[index]!, at + FIXED_BYTES);
    encoded.writeUInt32LE(length, at + LENGTH);
    at += length;
  }
  return encoded.subarray(0, at);
}

/** The record of one message in those of its bundle; undefined where there is none. @throws {RangeError} where they are none */
export function recordAt(records: Buffer, index: number): Buffer | undefined {
  let at = 0;
  for (let skipped = 0; at < records.byteLength; skipped += 1) {
    const length = records.readUInt32LE(at + LENGTH);
    const end = at + length;
    if (length < FIXED_BYTES || end > records.byteLength) throw new RangeError(`a record of ${length} bytes`);
    if (skipped === index) return records.subarray(at, end);
    at = end;
  }
  return undefined;
}

/** @throws {RangeError} for a record that is none */
export function decodeRecord(record: Buffer): StoredRecord {
  return {
    bytes: record.readDoubleLE(BYTES),
    storedAt: record.readDoubleLE(STORED_AT),
    expirySeconds: record.readDoubleLE(EXPIRY),
    mark: record.readDoubleLE(MARK),
    priority: record.readDoubleLE(PRIORITY),
  };
}

/**
 * The message of a record; undefined where the bundle has not got its payload, whole.
 * @param bytesOf reads the payloads of the bundle: only when the record is no longer needed, since one read of LMDB may
 * overwrite what the read before it has given
 * @param copy makes the payload of what was read
 * @throws {Error} for a record that is none
 */
export function decodeBundled(
  record: Buffer,
  bytesOf: () => Buffer | undefined,
  copy: (payload: Buffer) => Buffer,
): Message | undefined {
  const start = record.readUInt32LE(START);
  const end = start + record.readUInt32LE(PAYLOAD_BYTES);
  const [last8, last4] = [record.readUInt32LE(TAIL), record.readUInt32LE(TAIL + 4)];
  const header = record.toString('utf8', FIXED_BYTES);
  const bytes = bytesOf();
  if (bytes === undefined || bytes.byteLength < end) return undefined;
  const found = bytes.subarray(start, end);
  if (wordFromEnd(found, 8) !== last8 || wordFromEnd(found, 4) !== last4) return undefined;
  return withPayload(header, copy(found));
}

/** As many bytes as the records of a message take, or more: its texts as JSON, its correlation data in base64. */
export function recordBytes(message: Message, bytes: number): number {
  const { payload, contentType = '', responseTopic = '', correlationData } = message;
  const texts = bytes - payload.byteLength + contentType.length + responseTopic.length;
  return payload.byteLength + 512 + texts * 6 + (correlationData?.byteLength ?? 0) * 2;
}

/** The number of four bytes of a payload, from so many before its end; a byte that it has not got is 0. */
function wordFromEnd(payload: Uint8Array, distance: number): number {
  let word = 0;
  const at = payload.byteLength - distance;
  for (let byte = 3; byte >= 0; byte -= 1) word = word * 256 + (payload[at + byte] ?? 0);
  return word;
}

/** Name by name, and not what is left of the message without the payload: that costs as much as the JSON. */
function headerOf(message: Message): string {
  const { id, topic, properties, contentType, retain, expirySeconds, qos, priority } = message;
  const { responseTopic, payloadIsText, correlationData: bytes } = message;
  const correlationData = bytes && asBuffer(bytes).toString('base64');
  return JSON.stringify({
    id,
    topic,
    properties,
    contentType,
    responseTopic,
    correlationData,
    retain,
    expirySeconds,
    qos,
    priority,
    payloadIsText,
  });
}

/** Without a copy of what was parsed: of a backlog thousands of these live at a time. */
function withPayload(header: string, payload: Buffer): Message {
  const message = JSON.parse(header);
  message.payload = payload;
  if (message.correlationData !== undefined) {
    message.correlationData = Buffer.from(message.correlationData, 'base64');
  }
  return message;
}

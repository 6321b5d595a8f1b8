import type { Message } from '../message';

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

/** What the index of a spool keeps of a message, besides all of it but its payload. */
interface IndexRecord {
  readonly bytes: number;
  readonly mark: number;
  readonly priority: number;
  readonly storedAt: number;
}

/** The last bytes of the payload, by which one is known whose end is missing. */
const TAIL_BYTES = 8;
const INDEX_BYTES = 40 + TAIL_BYTES;

/** Five doubles, little endian, the end of the payload, and the message without its payload as JSON. */
export function encodeIndexed(record: IndexRecord, message: Message): Buffer {
  const { bytes, mark, priority, storedAt } = record;
  const { payload, expirySeconds = Number.POSITIVE_INFINITY } = message;
  const json = headerOf(message);
  // To ask for its length would take as long as to write it: no character of a string takes more than three bytes.
  const encoded = Buffer.allocUnsafe(INDEX_BYTES + json.length * 3);
  encoded.writeDoubleLE(bytes, 0);
  encoded.writeDoubleLE(storedAt, 8);
  encoded.writeDoubleLE(expirySeconds, 16);
  encoded.writeDoubleLE(mark, 24);
  encoded.writeDoubleLE(priority, 32);
  const tail = Math.max(0, payload.byteLength - TAIL_BYTES);
  for (let index = 0; index < TAIL_BYTES; index += 1) encoded[40 + index] = payload[tail + index] ?? 0;
  return encoded.subarray(0, INDEX_BYTES + encoded.write(json, INDEX_BYTES));
}

/** What `encodeIndexed()` has put before the message; Infinity seconds for one that never expires. */
export function decodeIndexed(record: Buffer): IndexRecord & { readonly expirySeconds: number } {
  return {
    bytes: record.readDoubleLE(0),
    storedAt: record.readDoubleLE(8),
    expirySeconds: record.readDoubleLE(16),
    mark: record.readDoubleLE(24),
    priority: record.readDoubleLE(32),
  };
}

/**
 * The message of an index record, with its payload; undefined where the payload has another end.
 * @throws {Error} for a record that is none
 */
export function decodeIndexedMessage(record: Buffer, payload: Buffer): Message | undefined {
  const tail = Math.max(0, payload.byteLength - TAIL_BYTES);
  for (let index = 0; index < TAIL_BYTES; index += 1) {
    if (record[40 + index] !== (payload[tail + index] ?? 0)) return undefined;
  }
  return withPayload(record.toString('utf8', INDEX_BYTES), payload);
}

/** As many bytes as the records of a message take, or more: its texts as JSON, its correlation data in base64. */
export function recordBytes(message: Message, bytes: number): number {
  const { payload, contentType = '', responseTopic = '', correlationData } = message;
  const texts = bytes - payload.byteLength + contentType.length + responseTopic.length;
  return payload.byteLength + 512 + texts * 6 + (correlationData?.byteLength ?? 0) * 2;
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

function asBuffer(bytes: Uint8Array): Buffer {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

import type { Message } from '../message';

/** What a PUBLISH packet carries beside topic and payload. */
export type PublishProperties = Pick<
  Message,
  'properties' | 'contentType' | 'expirySeconds' | 'responseTopic' | 'correlationData' | 'payloadIsText'
>;

/** Identifiers of properties (MQTT 5 section 2.2.2.2). */
const PAYLOAD_FORMAT = 0x01;
const MESSAGE_EXPIRY = 0x02;
const CONTENT_TYPE = 0x03;
const RESPONSE_TOPIC = 0x08;
const CORRELATION_DATA = 0x09;
const SUBSCRIPTION_IDENTIFIER = 0x0b;
const USER_PROPERTY = 0x26;

/** Seconds, four bytes; what lives longer lives for ever. */
const LONGEST_EXPIRY = 0xffff_ffff;

/** What came is not MQTT; the message says what came. */
export class MalformedPacket extends Error {}

/** Reads the properties of a PUBLISH packet from their first byte up to `end`. @throws {MalformedPacket} */
export function decodeProperties(data: Buffer, start: number, end: number): PublishProperties {
  const reader = new Reader(data, start, end);
  const others: { -readonly [Name in keyof PublishProperties]?: PublishProperties[Name] } = {};
  const properties = new Map<string, string | string[]>();
  while (reader.position < end) {
    const identifier = reader.byte();
    if (identifier === USER_PROPERTY) {
      const name = reader.text();
      const value = reader.text();
      const before = properties.get(name);
      if (before === undefined) properties.set(name, value);
      else if (typeof before === 'string') properties.set(name, [before, value]);
      else before.push(value);
    } else if (identifier === CONTENT_TYPE) others.contentType = reader.text();
    else if (identifier === MESSAGE_EXPIRY) others.expirySeconds = reader.number(4);
    else if (identifier === PAYLOAD_FORMAT) others.payloadIsText = reader.byte() === 1;
    else if (identifier === RESPONSE_TOPIC) others.responseTopic = reader.text();
    else if (identifier === CORRELATION_DATA) others.correlationData = Buffer.from(reader.bytes());
    else if (identifier === SUBSCRIPTION_IDENTIFIER) while (reader.byte() >= 0x80);
    else throw new MalformedPacket(`a PUBLISH with property 0x${identifier.toString(16)}`);
  }
  return { ...others, properties: Object.fromEntries(properties) };
}

/** The bytes that the properties take in a PUBLISH packet, without the length before them. */
export function propertiesSize(message: PublishProperties): number {
  const { contentType, expirySeconds, responseTopic, correlationData, payloadIsText } = message;
  let size = 0;
  if (payloadIsText !== undefined) size += 2;
  if (expirySeconds !== undefined) size += 5;
  if (contentType !== undefined) size += 1 + textSize(contentType);
  if (responseTopic !== undefined) size += 1 + textSize(responseTopic);
  if (correlationData !== undefined) size += 3 + correlationData.byteLength;
  for (const name of Object.keys(message.properties)) {
    const value = message.properties[name]!;
    if (typeof value === 'string') size += 1 + textSize(name) + textSize(value);
    else for (const one of value) size += 1 + textSize(name) + textSize(one);
  }
  return size;
}

/** Writes the properties; returns where they end. */
export function writeProperties(message: PublishProperties, target: Buffer, start: number): number {
  const { contentType, expirySeconds, responseTopic, correlationData, payloadIsText } = message;
  let position = start;
  if (payloadIsText !== undefined) {
    target[position] = PAYLOAD_FORMAT;
    target[position + 1] = payloadIsText ? 1 : 0;
    position += 2;
  }
  if (expirySeconds !== undefined) {
    target[position] = MESSAGE_EXPIRY;
    position = target.writeUInt32BE(Math.min(Math.ceil(expirySeconds), LONGEST_EXPIRY), position + 1);
  }
  if (contentType !== undefined) position = writeNamed(target, position, CONTENT_TYPE, contentType);
  if (responseTopic !== undefined) position = writeNamed(target, position, RESPONSE_TOPIC, responseTopic);
  if (correlationData !== undefined) {
    target[position] = CORRELATION_DATA;
    position = target.writeUInt16BE(correlationData.byteLength, position + 1);
    target.set(correlationData, position);
    position += correlationData.byteLength;
  }
  for (const name of Object.keys(message.properties)) {
    const value = message.properties[name]!;
    for (const one of typeof value === 'string' ? [value] : value) {
      position = writeText(target, writeNamed(target, position, USER_PROPERTY, name), one);
    }
  }
  return position;
}

/** The bytes of a text with the length before it (section 1.5.4). @throws {Error} for one that is too long. */
export function textSize(text: string): number {
  const bytes = Buffer.byteLength(text);
  if (bytes > 0xffff) throw new Error(`a text of ${bytes} bytes is too long: MQTT allows 65,535`);
  return 2 + bytes;
}

export function writeText(target: Buffer, position: number, text: string): number {
  const bytes = target.write(text, position + 2);
  target.writeUInt16BE(bytes, position);
  return position + 2 + bytes;
}

function writeNamed(target: Buffer, position: number, identifier: number, text: string): number {
  target[position] = identifier;
  return writeText(target, position + 1, text);
}

/** Reads what MQTT packets are made of (MQTT 5 section 1.5), and never past the end. */
class Reader {
  position: number;
  readonly #data: Buffer;
  readonly #end: number;

  constructor(data: Buffer, start: number, end: number) {
    this.#data = data;
    this.position = start;
    this.#end = end;
  }

  byte(): number {
    return this.#data[this.#pass(1)]!;
  }

  number(bytes: number): number {
    return this.#data.readUIntBE(this.#pass(bytes), bytes);
  }

  bytes(): Buffer {
    const length = this.number(2);
    const start = this.#pass(length);
    return this.#data.subarray(start, start + length);
  }

  text(): string {
    const length = this.number(2);
    const start = this.#pass(length);
    return this.#data.toString('utf8', start, start + length);
  }

  #pass(bytes: number): number {
    const start = this.position;
    this.position += bytes;
    if (this.position > this.#end) throw new MalformedPacket('a PUBLISH whose properties are cut short');
    return start;
  }
}

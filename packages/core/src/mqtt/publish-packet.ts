import type { Message } from '../message';
import {
  decodeProperties,
  MalformedPacket,
  type PublishProperties,
  propertiesSize,
  textSize,
  writeProperties,
  writeText,
} from './publish-properties';

/** A PUBLISH packet that has come (MQTT 5 section 3.3). */
export interface IncomingPublish extends PublishProperties {
  readonly topic: string;
  payload: Buffer;
  readonly qos: 0 | 1 | 2;
  /** 0 with QoS 0, which has none. */
  readonly messageId: number;
  readonly dup: boolean;
  readonly retain: boolean;
}

const NO_PROPERTIES: Message['properties'] = {};
/** The largest remaining length (section 2.1.4). */
const LARGEST_PACKET = 268_435_455;

/**
 * Reads a PUBLISH packet; `start` is its first byte, `body` the one behind its length. The payload is a part of
 * `data`, all else a copy.
 * @throws {MalformedPacket}
 */
export function decodePublish(
  data: Buffer,
  { start, body, end }: { readonly start: number; readonly body: number; readonly end: number },
  protocolVersion: 4 | 5,
): IncomingPublish {
  const flags = data[start]!;
  const qos = (flags >> 1) & 3;
  if (qos === 3) throw new MalformedPacket('a PUBLISH with QoS 3');
  const topicEnd = body + 2 + twoBytes(data, body, end);
  let position = qos === 0 ? topicEnd : topicEnd + 2;
  if (position > end) throw new MalformedPacket('a PUBLISH whose topic is cut short');
  const messageId = qos === 0 ? 0 : data.readUInt16BE(topicEnd);
  if (topicEnd === body + 2) throw new MalformedPacket('a PUBLISH without a topic');
  if (qos > 0 && messageId === 0) throw new MalformedPacket('a PUBLISH without a packet identifier');
  let propertiesStart = position;
  if (protocolVersion === 5) {
    const length = variableByteInteger(data, position, end);
    if (!length) throw new MalformedPacket('a PUBLISH whose properties are cut short');
    propertiesStart = length.end;
    position = propertiesStart + length.value;
    if (position > end) throw new MalformedPacket('a PUBLISH whose properties are cut short');
  }
  const packet = {
    topic: data.toString('utf8', body + 2, topicEnd),
    payload: data.subarray(position, end),
    qos: qos as 0 | 1 | 2,
    messageId,
    dup: (flags & 8) !== 0,
    retain: (flags & 1) !== 0,
    properties: NO_PROPERTIES,
  };
  return propertiesStart === position
    ? packet
    : { ...packet, ...decodeProperties(data, propertiesStart, position) };
}

/** In place of a packet identifier: QoS 0, which has none. */
export const NO_IDENTIFIER = 0;

/** The size of the packet that a message makes, in bytes. */
export function publishSize(message: Message, topic: string, protocolVersion: 4 | 5): number {
  const properties = protocolVersion === 5 ? propertiesSize(message) : undefined;
  const remaining = remainingLength(message, topic, 2, properties);
  return 1 + variableByteIntegerSize(remaining) + remaining;
}

/**
 * What comes before the payload in the PUBLISH packet of a message with QoS 1, or 0 with `NO_IDENTIFIER`; 3.1.1
 * has no properties.
 * @throws {Error} for a message that no packet can carry.
 */
export function encodePublishHeader(
  message: Message,
  topic: string,
  messageId: number,
  protocolVersion: 4 | 5,
): Buffer {
  const identifierSize = messageId === NO_IDENTIFIER ? 0 : 2;
  const properties = protocolVersion === 5 ? propertiesSize(message) : undefined;
  const remaining = remainingLength(message, topic, identifierSize, properties);
  const header = Buffer.allocUnsafe(
    1 + variableByteIntegerSize(remaining) + remaining - message.payload.byteLength,
  );
  header[0] = (messageId === NO_IDENTIFIER ? 0x30 : 0x32) | (message.retain ? 1 : 0);
  let position = writeVariableByteInteger(header, 1, remaining);
  position = writeText(header, position, topic);
  if (messageId !== NO_IDENTIFIER) position = header.writeUInt16BE(messageId, position);
  if (properties !== undefined) {
    position = writeVariableByteInteger(header, position, properties);
    writeProperties(message, header, position);
  }
  return header;
}

/** A number of one to four bytes and where it ends; undefined where it is cut short (MQTT 5 section 1.5.5). @throws {MalformedPacket} */
export function variableByteInteger(
  data: Buffer,
  start: number,
  end: number,
): { readonly value: number; readonly end: number } | undefined {
  let value = 0;
  for (let index = 0; index < 4; index += 1) {
    if (start + index >= end) return undefined;
    const byte = data[start + index]!;
    value += (byte & 0x7f) * 128 ** index;
    if (byte < 0x80) return { value, end: start + index + 1 };
  }
  throw new MalformedPacket('a length of more than four bytes');
}

/** @param properties what they take, in bytes; undefined for a packet that has none (3.1.1) */
function remainingLength(
  message: Message,
  topic: string,
  identifierSize: number,
  properties: number | undefined,
): number {
  let size = textSize(topic) + identifierSize + message.payload.byteLength;
  if (properties !== undefined) {
    size += variableByteIntegerSize(properties) + properties;
  }
  if (size > LARGEST_PACKET) throw new Error(`${size} bytes are more than MQTT allows, ${LARGEST_PACKET}`);
  return size;
}

function twoBytes(data: Buffer, start: number, end: number): number {
  if (start + 2 > end) throw new MalformedPacket('a PUBLISH whose topic is cut short');
  return data.readUInt16BE(start);
}

function variableByteIntegerSize(value: number): number {
  if (value < 128) return 1;
  if (value < 16_384) return 2;
  return value < 2_097_152 ? 3 : 4;
}

function writeVariableByteInteger(target: Buffer, start: number, value: number): number {
  let position = start;
  let rest = value;
  for (; rest >= 128; position += 1) {
    target[position] = (rest % 128) + 128;
    rest = Math.floor(rest / 128);
  }
  target[position] = rest;
  return position + 1;
}

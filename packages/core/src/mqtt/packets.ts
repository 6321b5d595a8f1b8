import type { IPublishPacket, UserProperties } from 'mqtt-packet';
import type { Message, Properties } from '../message';

/** The PUBLISH packet of a message (MQTT 5 section 3.3; the properties are left out for 3.1.1). */
export function toPublishPacket(
  message: Message,
  topic: string,
  messageId: number,
  protocolVersion: 4 | 5,
): IPublishPacket {
  const packet: IPublishPacket = {
    cmd: 'publish',
    qos: 1,
    dup: false,
    retain: message.retain ?? false,
    topic,
    messageId,
    payload: asBuffer(message.payload),
  };
  if (protocolVersion === 5) packet.properties = toPacketProperties(message);
  return packet;
}

function toPacketProperties(message: Message): NonNullable<IPublishPacket['properties']> {
  return {
    ...(Object.keys(message.properties).length > 0 && {
      userProperties: message.properties as UserProperties,
    }),
    ...(message.contentType !== undefined && { contentType: message.contentType }),
    ...(message.expirySeconds !== undefined && { messageExpiryInterval: message.expirySeconds }),
    ...(message.responseTopic !== undefined && { responseTopic: message.responseTopic }),
    ...(message.correlationData && { correlationData: asBuffer(message.correlationData) }),
    ...(message.payloadIsText !== undefined && { payloadFormatIndicator: message.payloadIsText }),
  };
}

/** What a PUBLISH packet says, as the parts of a message; `id` is left to the reader. */
export function fromPublishPacket(packet: IPublishPacket): Omit<Message, 'id'> & { readonly topic: string } {
  const { topic, payload, retain, properties = {} } = packet;
  return {
    topic,
    payload: typeof payload === 'string' ? Buffer.from(payload) : payload,
    retain,
    properties: { ...properties.userProperties } as Properties,
    ...(properties.contentType !== undefined && { contentType: properties.contentType }),
    ...(properties.messageExpiryInterval !== undefined && {
      expirySeconds: properties.messageExpiryInterval,
    }),
    ...(properties.responseTopic !== undefined && { responseTopic: properties.responseTopic }),
    ...(properties.correlationData && { correlationData: properties.correlationData }),
    ...(properties.payloadFormatIndicator !== undefined && {
      payloadIsText: Boolean(properties.payloadFormatIndicator),
    }),
  };
}

function asBuffer(bytes: Uint8Array): Buffer {
  return Buffer.isBuffer(bytes) ? bytes : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

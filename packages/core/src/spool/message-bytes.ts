import type { Message } from '../message';

/** What a message counts against a bound: payload, topic and properties, in bytes. */
export function messageBytes(message: Message): number {
  let bytes = message.payload.byteLength + message.id.length + (message.topic?.length ?? 0);
  bytes += message.correlationData?.byteLength ?? 0;
  for (const name of Object.keys(message.properties)) {
    const value = message.properties[name]!;
    if (typeof value === 'string') bytes += name.length + value.length;
    else for (const one of value) bytes += name.length + one.length;
  }
  return bytes;
}

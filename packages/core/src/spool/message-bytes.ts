import type { Message } from '../message';

/**
 * What a message counts against a bound: payload, topic and properties, in bytes.
 * @throws {TypeError} for a message without properties, which TypeScript would not let pass.
 */
export function messageBytes(message: Message): number {
  if (!message.properties) {
    throw new TypeError(
      `spool: message ${message.id} has no properties. Give it {} where there are none; a Publisher does so by itself.`,
    );
  }
  let bytes = message.payload.byteLength + message.id.length + (message.topic?.length ?? 0);
  bytes += message.correlationData?.byteLength ?? 0;
  for (const name of Object.keys(message.properties)) {
    const value = message.properties[name]!;
    if (typeof value === 'string') bytes += name.length + value.length;
    else for (const one of value) bytes += name.length + one.length;
  }
  return bytes;
}

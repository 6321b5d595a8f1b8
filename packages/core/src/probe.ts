import { randomUUID } from 'node:crypto';
import type { Message } from './message';

const TYPE = 'dev.edge-relay.probe.v1';
const BEGINNING = Buffer.from(`{"type":"${TYPE}"`);
const LONGEST_BYTES = 1_024;
/** A broker that can hand it to nobody throws it away then: nobody asks for it any more. */
const EXPIRY_SECONDS = 60;

/**
 * A message that asks whether the way is open: a sink stores it, reads it, removes it, and acknowledges it as it does a
 * picture. It is JSON that begins with its type, by which it is known on MQTT 3.1.1.
 */
export function makeProbe(topic: string): Message & { readonly topic: string } {
  const id = `probe-${randomUUID()}`;
  const payload = Buffer.from(JSON.stringify({ type: TYPE, id, time: new Date().toISOString() }));
  const properties = { id, type: TYPE };
  return { id, topic, payload, properties, contentType: 'application/json', expirySeconds: EXPIRY_SECONDS };
}

/** Whether a message is a probe and no picture. */
export function isProbe({ payload }: Pick<Message, 'payload'>): boolean {
  return payload.byteLength <= LONGEST_BYTES && BEGINNING.equals(payload.subarray(0, BEGINNING.length));
}

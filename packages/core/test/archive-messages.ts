import { createHash } from 'node:crypto';
import type { Delivery } from '../src/message';

/** A message that is the same each time it is delivered: two cameras take turns, an hour has 500 messages. */
export function archiveMessage(number: number): Delivery {
  const camera = number % 2 === 0 ? 'front-door' : 'yard';
  const time = new Date(Date.UTC(2026, 0, 2, 3) + number * 7_200).toISOString();
  const id = `${camera}-${number}`;
  const properties = {
    specversion: '1.0',
    id,
    time,
    camera,
    boot: '0badcafe',
    number: String(Math.floor(number / 2)),
    readat: time,
    subject: `visit-${Math.floor(number / 20)}`,
    box: '10,20,30,40',
    score: '0.875',
  };
  const digest = createHash('sha256').update(id).digest();
  const payload = Buffer.alloc(1_000 + (number % 7) * 5_000, digest);
  return {
    id,
    topic: 'hw3faces',
    payload,
    contentType: 'application/octet-stream',
    properties,
    receivedAt: Date.parse(time) + 250,
    redelivered: false,
    ack() {},
  };
}

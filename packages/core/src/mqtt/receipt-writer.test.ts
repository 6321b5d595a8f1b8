import { expect, it } from 'vitest';
import type { Delivery } from '../message';
import type { Link } from './link';
import { ReceiptWriter } from './receipt-writer';
import { decodeReceipts } from './receipts';

/** A link that only notes what is published on it. */
function noteLink(receiveMaximum: number, maximumPacketSize = Number.POSITIVE_INFINITY) {
  const sent: { readonly topic: string; readonly count: number; readonly messageId: number }[] = [];
  const link = {
    protocolVersion: 5,
    limits: { receiveMaximum, maximumPacketSize },
    publish: (message: { payload: Uint8Array }, topic: string, messageId: number) => {
      sent.push({ topic, count: decodeReceipts(message.payload)!.receipts.length, messageId });
      return true;
    },
  };
  return { link: link as unknown as Link, sent };
}
const delivery = (id: number, topic = 'faces') =>
  ({
    topic,
    payload: Buffer.from(String(id)),
    properties: { id: String(id), receiptsto: 'p' },
  }) as unknown as Delivery;
const gathered = () => new Promise((resolve) => setTimeout(resolve, 60));

it('gathers by topic, sends no more at once than the broker takes, and the rest as it answers', async () => {
  const writer = new ReceiptWriter({ receiptsDropped: 0 });
  const { link, sent } = noteLink(2);
  writer.up(link);
  for (let id = 0; id < 250; id += 1) writer.add(delivery(id));
  writer.add(delivery(1, 'cats'));
  await gathered();
  expect(sent.map(({ topic, count }) => `${topic} ${count}`)).toEqual([
    'faces/receipts/p 100',
    'faces/receipts/p 100',
  ]);
  const stopped = writer.stop(60_000);
  for (let index = 0; index < 4; index += 1) writer.acknowledged(sent[index]!.messageId);
  await stopped;
  expect(sent.slice(2).map(({ topic, count }) => `${topic} ${count}`)).toEqual([
    'faces/receipts/p 50',
    'cats/receipts/p 1',
  ]);
});

it('sends again on the next link what was not answered, and counts what finds no room meanwhile', async () => {
  const counts = { receiptsDropped: 0 };
  const writer = new ReceiptWriter(counts);
  const first = noteLink(20);
  writer.up(first.link);
  for (let id = 0; id < 100; id += 1) writer.add(delivery(id));
  await gathered();
  expect(first.sent).toHaveLength(1);
  writer.down();
  for (let id = 0; id < 10_000; id += 1) writer.add(delivery(id));
  await gathered();
  expect(counts.receiptsDropped).toBe(100);
  const second = noteLink(20);
  writer.up(second.link);
  expect(second.sent).toHaveLength(10);
  expect(second.sent.every(({ count }) => count === 100)).toBe(true);
});

it('makes no packet larger than the broker takes, and drops what fits into none', async () => {
  const counts = { receiptsDropped: 0 };
  const writer = new ReceiptWriter(counts);
  const { link, sent } = noteLink(20, 1_000);
  writer.up(link);
  for (let id = 0; id < 20; id += 1) writer.add(delivery(id));
  writer.add({ ...delivery(20), properties: { id: 'x'.repeat(1_000), receiptsto: 'p' } });
  await gathered();
  expect(sent.reduce((sum, { count }) => sum + count, 0)).toBe(20);
  expect(Math.max(...sent.map(({ count }) => count))).toBeGreaterThan(3);
  expect(counts.receiptsDropped).toBe(1);
  const stopped = writer.stop(60_000);
  for (const { messageId } of sent) writer.acknowledged(messageId);
  await stopped;
});

it('loses none when the link goes before they are answered', async () => {
  const writer = new ReceiptWriter({ receiptsDropped: 0 });
  const [first, second] = [noteLink(20), noteLink(20)];
  writer.up(first.link);
  for (let id = 0; id < 150; id += 1) writer.add(delivery(id));
  await gathered();
  writer.acknowledged(first.sent[0]!.messageId);
  writer.down();
  writer.up(second.link);
  expect(second.sent.map(({ count }) => count)).toEqual([50]);
  const stopped = writer.stop(60_000);
  // Nobody waits for a link that is gone.
  writer.down();
  await stopped;
});

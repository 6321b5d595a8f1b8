import { randomUUID } from 'node:crypto';
import { makeProbe } from '../probe';
import { assertBroker, type BrokerOptions } from './broker-options';
import { Publisher } from './publisher';
import { decodeReceipts, digestOf, RECEIPTS_TO } from './receipts';
import { Subscriber } from './subscriber';

/**
 * What became of a probe. `stored`: it was written at the end of the way, and the receipt is back. `unsubscribed`: the
 * broker says that nobody takes the topic. `silent`: no receipt came in time.
 */
export type RoundTrip =
  | { readonly outcome: 'unsubscribed' | 'silent' }
  | {
      readonly outcome: 'stored';
      /** From sending to the receipt, in milliseconds. */
      readonly totalMs: number;
      /**
       * By how much the clock of who wrote the receipt is ahead of ours, in milliseconds, give or take half of
       * `totalMs`; undefined where the receipt tells no time. An estimate: it takes both ways to last as long.
       */
      readonly clockAheadMs: number | undefined;
    };

/** How a probe goes. */
export interface RoundTripOptions extends BrokerOptions {
  /** The topic of the pictures. */
  readonly topic: string;
  /** Milliseconds to wait for the receipt, from when the probe is sent. @default 5,000 */
  readonly timeoutMs?: number | undefined;
}

const STAGE = 'probe';

/**
 * Sends a probe the way that pictures go, and waits for the receipt of the sink at its end, which has stored, read and
 * removed it. Nothing stays anywhere. Needs receipts at each party of the way (docs/receipts.md).
 * @throws {RelayError} `BROKER_UNREACHABLE`, `BROKER_REFUSED` or `SUBSCRIPTION_REFUSED`, with the cure.
 */
export async function roundTrip(options: RoundTripOptions): Promise<RoundTrip> {
  const { topic, timeoutMs = 5_000, stateTopic: _, clientId: __, ...broker } = options;
  assertBroker(broker, STAGE);
  const name = `probe-${randomUUID().slice(0, 8)}`;
  const message = makeProbe(topic);
  const probe = { ...message, properties: { ...message.properties, [RECEIPTS_TO]: name } };
  const sha256 = digestOf(probe.payload);
  await using publisher = new Publisher({ ...broker, topic, name: STAGE, closeTimeoutMs: 1 });
  await using receipts = new Subscriber({
    ...broker,
    name: STAGE,
    closeTimeoutMs: 1,
    // Where the broker takes properties off, receipts go to everybody.
    topic: [`${topic}/receipts/${name}`, `${topic}/receipts/all`],
  });
  let sentAt = 0;
  let timer: NodeJS.Timeout | undefined;
  const lacking = new Promise<RoundTrip>((resolve, reject) => {
    const lost = ({ error, retryInMs }: { readonly error: Error; readonly retryInMs: number }) => {
      // Without a pause, another address has answered meanwhile.
      if (retryInMs > 0) reject(error);
    };
    receipts.on('offline', lost);
    publisher.on('offline', lost);
    publisher.on('failed', ({ error }) => reject(error));
    publisher.on('waiting', () => resolve({ outcome: 'unsubscribed' }));
    receipts.on('online', () => {
      sentAt = Date.now();
      timer = setTimeout(() => resolve({ outcome: 'silent' }), timeoutMs);
      publisher.publish(probe).catch(reject);
    });
  });
  const storing = async (): Promise<RoundTrip> => {
    for await (const receipt of receipts) {
      receipt.ack();
      const batch = decodeReceipts(receipt.payload);
      if (!batch?.receipts.some((one) => one.sha256 === sha256)) continue;
      const totalMs = Date.now() - sentAt;
      const { writtenAt } = batch;
      const clockAheadMs = writtenAt === undefined ? undefined : Math.round(writtenAt - sentAt - totalMs / 2);
      return { outcome: 'stored', totalMs, clockAheadMs };
    }
    return { outcome: 'silent' };
  };
  const stored = storing();
  // It may fail when it is closed below, after the answer is known.
  stored.catch(() => {});
  try {
    return await Promise.race([lacking, stored]);
  } finally {
    clearTimeout(timer);
  }
}

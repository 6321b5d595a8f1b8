import { randomUUID } from 'node:crypto';
import { RelayError } from '../errors';
import { makeProbe } from '../probe';
import { assertBroker, type BrokerOptions } from './broker-options';
import { Publisher } from './publisher';
import { decodeReceipts, digestOf, RECEIPTS_TO, receiptFilters } from './receipts';
import { Subscriber } from './subscriber';

/**
 * How far a probe came. `stored`: it was written at the end of the way, and the receipt is back. `silent`: the broker has
 * it, and no receipt came in time. `taken`: no receipt was asked for, and the broker has it. `unsubscribed`: the broker
 * says that nobody takes the topic, which one of MQTT 3.1.1 does not.
 */
export type RoundTrip =
  | {
      readonly outcome: 'stored';
      /** From sending to the receipt, in milliseconds. */
      readonly totalMs: number;
      /**
       * By how much the clock of who wrote the receipt is ahead of ours, in milliseconds, give or take half of
       * `totalMs`; undefined where the receipt tells no time. An estimate: it takes both ways to last as long.
       */
      readonly clockAheadMs: number | undefined;
    }
  | {
      readonly outcome: 'silent';
      /** From sending on, in milliseconds. */
      readonly waitedMs: number;
    }
  | {
      readonly outcome: 'taken';
      /** MQTT 5, where somebody has subscribed to the topic then, or 4 for MQTT 3.1.1. */
      readonly protocolVersion: 4 | 5;
    }
  | {
      /** The broker has taken it, and says that nobody has subscribed to its topic. */
      readonly outcome: 'unsubscribed';
    };

/** How a probe goes. */
export interface RoundTripOptions extends BrokerOptions {
  /** The topic of the pictures. */
  readonly topic: string;
  /** Whether to wait for the receipt; otherwise the broker's acknowledgement is the end. @default true */
  readonly receipts?: boolean | undefined;
  /** Milliseconds to wait for the receipt, connecting included. @default 10,000 */
  readonly timeoutMs?: number | undefined;
}

const STAGE = 'probe';
/** No matching subscribers (MQTT 5 section 3.4.2.1). */
const NO_SUBSCRIBER = 0x10;

/**
 * Sends a probe the way that pictures go, and waits for the receipt of the sink at its end, which has stored, read and
 * removed it. Nothing stays anywhere. Each party of the way needs receipts for that (docs/receipts.md).
 * @throws {RelayError} `BROKER_UNREACHABLE`, `BROKER_REFUSED`, `SUBSCRIPTION_REFUSED` or `MESSAGE_REFUSED`, with the cure.
 */
export async function roundTrip(options: RoundTripOptions): Promise<RoundTrip> {
  const { topic, receipts: wanted = true, timeoutMs = 10_000, ...broker } = options;
  assertBroker(broker, STAGE);
  const { stateTopic: _, clientId: __, ...unnamed } = broker;
  const name = `probe-${randomUUID().slice(0, 8)}`;
  const message = makeProbe(topic);
  const probe = { ...message, properties: { ...message.properties, ...(wanted && { [RECEIPTS_TO]: name }) } };
  const sha256 = digestOf(probe.payload);
  await using publisher = new Publisher({ ...unnamed, topic, name: STAGE, closeTimeoutMs: 1 });
  await using receipts = new Subscriber({
    ...unnamed,
    name: STAGE,
    closeTimeoutMs: 1,
    topic: receiptFilters(topic, name),
  });
  let sentAt = 0;
  const deadline = performance.now() + timeoutMs;
  let timer: NodeJS.Timeout | undefined;
  let protocolVersion: 4 | 5 = 5;
  const ending = new Promise<RoundTrip>((resolve, reject) => {
    const lost = ({ error, retryInMs }: { readonly error: Error; readonly retryInMs: number }) => {
      // Without a pause, another address has answered meanwhile.
      if (retryInMs > 0) reject(error);
    };
    receipts.on('offline', lost);
    publisher.on('offline', lost);
    publisher.on('online', (link) => {
      protocolVersion = link.protocolVersion;
    });
    publisher.on('failed', ({ error }) => reject(error));
    publisher.on('waiting', ({ reasonCode }) => {
      if (reasonCode === NO_SUBSCRIBER) resolve({ outcome: 'unsubscribed' });
      else reject(refusal(topic, reasonCode));
    });
    const send = async () => {
      sentAt = Date.now();
      await publisher.publish(probe);
      if (!wanted) resolve({ outcome: 'taken', protocolVersion });
      const silent = () => resolve({ outcome: 'silent', waitedMs: Date.now() - sentAt });
      timer = setTimeout(silent, Math.max(0, deadline - performance.now()));
    };
    const sending = () => void send().catch(reject);
    if (wanted) receipts.on('online', sending);
    else sending();
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
    return ending;
  };
  const stored = wanted ? storing() : ending;
  // It may fail when it is closed below, after the answer is known.
  stored.catch(() => {});
  try {
    return await Promise.race([ending, stored]);
  } finally {
    clearTimeout(timer);
  }
}

function refusal(topic: string, reasonCode: number): RelayError {
  const code = `0x${reasonCode.toString(16)}`;
  const message = `${STAGE}: the broker takes nothing on topic ${topic} now (reason ${code}). Look at its log; it may be short of room.`;
  return new RelayError(message, { code: 'MESSAGE_REFUSED', stage: STAGE, retryable: true });
}

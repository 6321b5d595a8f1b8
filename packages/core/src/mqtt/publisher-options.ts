import { createHash, randomUUID } from 'node:crypto';
import { hostname } from 'node:os';
import { resolve } from 'node:path';
import type { RelayError } from '../errors';
import { safeName } from '../identity';
import type { Message } from '../message';
import type { Spool } from '../spool/spool';
import { assertBroker, type BrokerOptions } from './broker-options';
import { RateLimit, type RateLimitOptions } from './rate-limit';
import type { ReceiptRules } from './receipt-ledger';
import { assertReceiptName } from './receipts';
import { assertTopicName } from './topic';

/** To which broker a Publisher sends, where messages wait, and how many are out at once. */
export interface PublisherOptions extends BrokerOptions {
  /** Where messages go that name no topic themselves. @default none: each names its own */
  readonly topic?: string | undefined;
  /**
   * Where messages wait for the broker's acknowledgement: the path of a folder (a LmdbSpool there, which
   * keeps them through a killed process), or a spool of your own. @default new MemorySpool()
   */
  readonly spool?: string | Spool | undefined;
  /** Messages sent and not yet acknowledged, at the most; never more than the broker allows. @default 128 */
  readonly windowMessages?: number | undefined;
  /** Their payloads together, in bytes, at the most (a single larger one still goes). @default 16 MiB */
  readonly windowBytes?: number | undefined;
  /**
   * The largest packet that the broker takes, in bytes. A broker of MQTT 5 says it by itself; one of 3.1.1
   * does not, and hangs up on a larger one: named here, it is refused at once. @default what the broker says
   */
  readonly maximumPacketBytes?: number | undefined;
  /** Milliseconds without any acknowledgement after which the connection counts as stuck. @default 20,000 */
  readonly acknowledgeTimeoutMs?: number | undefined;
  /**
   * What to do when the broker says that nobody subscribes to the topic (MQTT 5 reason code 0x10), which
   * means that it has thrown the message away: `keep` it and send it again, or `accept` that. @default 'keep'
   */
  readonly whenNoSubscriber?: 'keep' | 'accept' | undefined;
  /** How fast messages may leave, so that what waited through an outage does not take the whole uplink. @default as they come */
  readonly limit?: RateLimitOptions | undefined;
  /**
   * Keeps each message until a receipt says that the end of the way has stored it, and sends it again where
   * none comes: then a killed broker loses nothing, either. The Subscriber at the end, and each Bridge between,
   * must have receipts on, too. See docs/receipts.md. @default false
   */
  readonly receipts?: boolean | ReceiptOptions | undefined;
  /**
   * Puts the time at which `publish()` is called on each message, as the user property of this name: the
   * manifest of a Sink reads them, and an audit the time of each hop. With receipts it also puts on how long the
   * fastest one took to come back (`receiptms`), by which an audit compares the clocks. @default none
   */
  readonly stamp?: 'publishedat' | 'bridgedat' | undefined;
  /** Milliseconds that `close()` waits for acknowledgements of what is already sent. @default 5,000 */
  readonly closeTimeoutMs?: number | undefined;
  /** The name in errors and events. @default 'publisher' */
  readonly name?: string | undefined;
}

/** How long a Publisher waits for receipts, and how many messages may be out without one. */
export interface ReceiptOptions {
  /**
   * Our name in the topic of receipts, `{topic}/receipts/{publisher}`; no two publishers have the same.
   * @default made from the name of this host and the spool's folder, or at random without a folder
   */
  readonly publisher?: string | undefined;
  /** Messages sent and not receipted, at the most. @default 500, half of what a stock Mosquitto queues */
  readonly maximumMessages?: number | undefined;
  /**
   * A message counts as lost when the receipt is here for one that was sent so many milliseconds later, and is
   * sent again. Each further time it takes twice as long. @default 10,000
   */
  readonly resendAfterMs?: number | undefined;
  /**
   * Milliseconds without any receipt after which the oldest message is sent again, to ask; doubles up to a
   * minute. Nothing else is sent again while nothing comes back. @default 15,000
   */
  readonly probeAfterMs?: number | undefined;
}

/** A message to publish: a payload, and what goes with it. */
export interface OutgoingMessage extends Omit<Partial<Message>, 'payload'> {
  /** The bytes; a text is sent as UTF-8. */
  readonly payload: Uint8Array | string;
}

/** Who waits for a message to be durable. */
export interface PublishWaiter {
  /** It is, as where `publish()` resolves. */
  published(): void;
  /** It is not, as where `publish()` rejects. */
  failed(error: unknown): void;
}

/** News of a Publisher; a failure of `publish()` is its rejection. */
export interface PublisherEvents {
  /** Connected; messages flow. */
  online: [{ readonly url: string; readonly protocolVersion: 4 | 5 }];
  /** Not connected, or not to the first of several addresses; the next attempt comes by itself. */
  offline: [{ readonly error: RelayError; readonly retryInMs: number }];
  /** The broker refuses us for good, or the spool cannot be read: every publish fails with this error. */
  failed: [{ readonly error: RelayError }];
  /** The broker has taken a message over. */
  acknowledged: [{ readonly id: string; readonly topic: string; readonly bytes: number }];
  /** With receipts: the message is stored at the end of the way, and has left the spool. */
  stored: [{ readonly id: string; readonly topic: string; readonly bytes: number }];
  /** With receipts: none came for so long that a message was sent again to ask. Are they on at the other end? */
  silent: [{ readonly outstanding: number; readonly attempts: number }];
  /** Nobody subscribes to this topic, or the broker is short of room: its messages wait. */
  waiting: [{ readonly topic: string; readonly reasonCode: number; readonly retryInMs: number }];
  /**
   * The broker hung up when this message was sent alone, without a word: it may be larger than it takes (see
   * `maximumPacketBytes`). The others go on; it stays in the spool and is tried again.
   */
  isolated: [{ readonly message: Message; readonly retryInMs: number }];
  /** The message can never be sent; a spool on disk has set it aside (`listSetAside()`). */
  refused: [{ readonly message: Message; readonly error: RelayError }];
  /** A message left without having been sent; see the spool's policy, and QoS 0. */
  drop: [{ readonly message: Message; readonly reason: DropReason }];
}

/** The spool is full, the message expired, or (with QoS 0) we are not connected. */
export type DropReason = 'full' | 'expired' | 'offline';

/** The options with their defaults, checked. */
export interface PublisherSettings {
  readonly name: string;
  readonly topic: string | undefined;
  readonly stamp: 'publishedat' | 'bridgedat' | undefined;
  readonly windowMessages: number;
  readonly windowBytes: number;
  readonly maximumPacketBytes: number;
  readonly acknowledgeTimeoutMs: number;
  readonly whenNoSubscriber: 'keep' | 'accept';
  readonly closeTimeoutMs: number;
  readonly limit: RateLimitOptions | undefined;
  readonly retryMaximumMs: number;
  readonly receipts: (ReceiptRules & { readonly publisher: string; readonly isNamed: boolean }) | undefined;
}

/** @throws {TypeError} for an option that cannot be meant. */
export function publisherSettings(options: PublisherOptions): PublisherSettings {
  const {
    name = 'publisher',
    topic,
    windowMessages = 128,
    windowBytes = 16 * 1024 * 1024,
    // The largest that the protocol knows (MQTT 5 section 2.1.4).
    maximumPacketBytes = 268_435_455,
    acknowledgeTimeoutMs = 20_000,
    whenNoSubscriber = 'keep',
    closeTimeoutMs = 5_000,
  } = options;
  assertBroker(options, name);
  if (topic !== undefined) assertTopicName(topic, name);
  const numbers = { windowMessages, windowBytes, maximumPacketBytes, acknowledgeTimeoutMs, closeTimeoutMs };
  for (const [option, value] of Object.entries(numbers)) {
    if (!(Number.isInteger(value) && value > 0)) {
      throw new TypeError(`${name}: ${option} must be a whole number above 0, not ${value}.`);
    }
  }
  if (options.limit) new RateLimit(options.limit, name);
  if (whenNoSubscriber !== 'keep' && whenNoSubscriber !== 'accept') {
    throw new TypeError(`${name}: whenNoSubscriber must be keep or accept, not ${whenNoSubscriber}.`);
  }
  if (options.stamp !== undefined && !['publishedat', 'bridgedat'].includes(options.stamp)) {
    throw new TypeError(`${name}: stamp must be publishedat or bridgedat, not ${options.stamp}.`);
  }
  return {
    name,
    topic,
    stamp: options.stamp,
    windowMessages,
    windowBytes,
    maximumPacketBytes,
    acknowledgeTimeoutMs,
    whenNoSubscriber,
    closeTimeoutMs,
    limit: options.limit,
    retryMaximumMs: options.retryMaximumMs ?? 30_000,
    receipts: receiptSettings(options, name),
  };
}

function receiptSettings(
  { receipts = false, spool }: PublisherOptions,
  name: string,
): PublisherSettings['receipts'] {
  if (receipts === false) return undefined;
  const {
    publisher = defaultReceiptName(spool),
    maximumMessages = 500,
    resendAfterMs = 10_000,
    probeAfterMs = 15_000,
  } = receipts === true ? {} : receipts;
  assertReceiptName(publisher, name);
  for (const [option, value] of Object.entries({ maximumMessages, resendAfterMs, probeAfterMs })) {
    if (!(Number.isInteger(value) && value > 0)) {
      throw new TypeError(`${name}: receipts.${option} must be a whole number above 0, not ${value}.`);
    }
  }
  // A session with a name that comes again keeps the receipts that come while we are away.
  const isNamed = typeof spool === 'string' || (receipts !== true && receipts.publisher !== undefined);
  return { publisher, maximumMessages, resendAfterMs, probeAfterMs, isNamed };
}

/** A spool's folder has one publisher at a time: the same after a restart, and nobody else's. */
function defaultReceiptName(spool: string | Spool | undefined): string {
  const host = safeName(hostname()).slice(0, 40);
  const place = typeof spool === 'string' ? resolve(spool) : randomUUID();
  return `${host}-${createHash('sha256').update(place).digest('hex').slice(0, 8)}`;
}

import { foreignId } from '../identity';
import type { Delivery, Properties } from '../message';
import { propertyOf } from '../message';
import type { Pending } from './acknowledger';
import type { IncomingPublish } from './publish-packet';
import type { ReceiptWriter } from './receipt-writer';

/** A message as the subscriber hands it out. */
export class ReceivedMessage implements Delivery {
  readonly topic: string;
  readonly payload: Uint8Array;
  readonly properties: Properties;
  readonly receivedAt = Date.now();
  readonly redelivered: boolean;
  readonly retain: boolean;
  declare readonly contentType?: string;
  declare readonly expirySeconds?: number;
  declare readonly responseTopic?: string;
  declare readonly correlationData?: Uint8Array;
  declare readonly payloadIsText?: boolean;
  readonly #pending: Pending | undefined;
  readonly #receipts: ReceiptWriter | undefined;
  #isAcknowledged = false;
  #id: string | undefined;

  /** @param pending undefined for one that the broker does not wait to hear of (QoS 0) */
  constructor(packet: IncomingPublish, pending: Pending | undefined, receipts: ReceiptWriter | undefined) {
    this.topic = packet.topic;
    this.payload = packet.payload;
    this.properties = packet.properties;
    this.redelivered = packet.dup;
    this.retain = packet.retain;
    if (packet.contentType !== undefined) this.contentType = packet.contentType;
    if (packet.expirySeconds !== undefined) this.expirySeconds = packet.expirySeconds;
    if (packet.responseTopic !== undefined) this.responseTopic = packet.responseTopic;
    if (packet.correlationData !== undefined) this.correlationData = packet.correlationData;
    if (packet.payloadIsText !== undefined) this.payloadIsText = packet.payloadIsText;
    this.#pending = pending;
    this.#receipts = receipts;
  }

  /** The `id` property; for a foreign message without one, the hash of topic and payload. */
  get id(): string {
    this.#id ??= propertyOf(this, 'id') ?? foreignId(this.topic, this.payload);
    return this.#id;
  }

  ack(): void {
    if (this.#isAcknowledged) return;
    this.#isAcknowledged = true;
    this.#receipts?.add(this);
    this.#pending?.acknowledge();
  }
}

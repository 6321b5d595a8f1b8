import type { IPublishPacket } from 'mqtt-packet';
import { foreignId } from '../identity';
import type { Delivery, Properties } from '../message';
import { propertyOf } from '../message';
import { fromPublishPacket } from './packets';

/** A message as the subscriber hands it out. */
export class ReceivedMessage implements Delivery {
  readonly topic: string;
  readonly payload: Uint8Array;
  readonly properties: Properties;
  readonly receivedAt: number;
  readonly redelivered: boolean;
  declare readonly retain?: boolean;
  declare readonly contentType?: string;
  declare readonly expirySeconds?: number;
  declare readonly responseTopic?: string;
  declare readonly correlationData?: Uint8Array;
  declare readonly payloadIsText?: boolean;
  readonly #acknowledge: () => void;
  #id: string | undefined;

  constructor(packet: IPublishPacket, acknowledge: () => void) {
    const parts = fromPublishPacket(packet);
    Object.assign(this, parts);
    this.topic = parts.topic;
    this.payload = parts.payload;
    this.properties = parts.properties;
    this.receivedAt = Date.now();
    this.redelivered = packet.dup;
    this.#acknowledge = acknowledge;
  }

  /** The `id` property; for a foreign message without one, the hash of topic and payload. */
  get id(): string {
    this.#id ??= propertyOf(this, 'id') ?? foreignId(this.topic, this.payload);
    return this.#id;
  }

  ack(): void {
    this.#acknowledge();
  }
}

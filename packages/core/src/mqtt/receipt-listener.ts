import type { MqttClient } from 'mqtt';
import { RelayError } from '../errors';
import type { Link } from './link';
import { decodeReceipts, type ReceiptBatch, receiptFilters } from './receipts';

export interface ReceiptListenerUser {
  receipts(batch: ReceiptBatch): void;
  failed(error: RelayError): void;
}

/** Hears the receipts that come back for what a publisher of this name sends. */
export class ReceiptListener {
  readonly #stage: string;
  readonly #publisher: string;
  readonly #user: ReceiptListenerUser;
  readonly #topics = new Set<string>();
  #link: Link | undefined;

  constructor(stage: string, publisher: string, user: ReceiptListenerUser) {
    this.#stage = stage;
    this.#publisher = publisher;
    this.#user = user;
  }

  attach(client: MqttClient): void {
    client.on('message', (_topic, payload) => {
      // Of anything else that comes here there is nobody to tell.
      const batch = decodeReceipts(payload);
      if (batch) this.#user.receipts(batch);
    });
  }

  up(link: Link): void {
    this.#link = link;
    this.#subscribe(link, [...this.#topics]);
  }

  down(): void {
    this.#link = undefined;
  }

  /** Call it before a message is sent on this topic: the broker heeds packets in their order. */
  expect(topic: string): void {
    if (this.#topics.has(topic)) return;
    this.#topics.add(topic);
    if (this.#link) this.#subscribe(this.#link, [topic]);
  }

  #subscribe(link: Link, topics: readonly string[]): void {
    const filters = topics.flatMap((topic) => receiptFilters(topic, this.#publisher));
    if (filters.length === 0) return;
    link.client.subscribe(filters, { qos: 1 }, (error) => {
      const granted = (error as { packet?: { granted?: readonly number[] } } | null)?.packet?.granted;
      if (granted?.some((code) => code >= 0x80)) {
        const stage = this.#stage;
        const message = `${stage}: the broker refused the subscription to ${filters.join(' and ')}, where receipts come. Allow it in its access rules, or switch receipts off.`;
        this.#user.failed(new RelayError(message, { code: 'SUBSCRIPTION_REFUSED', stage, cause: error }));
      } else if (error) {
        link.destroy(`it did not answer the subscription to receipts (${error.message})`);
      }
    });
  }
}

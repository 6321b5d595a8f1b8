import type { Delivery } from '../message';
import type { Link } from './link';
import { LAST_OWN_IDENTIFIER } from './packet-identifiers';
import { publishSize } from './publish-packet';
import { encodeReceipts, type Receipt, receiptFor, receiptTopicOf } from './receipts';

interface Batch {
  readonly topic: string;
  readonly receipts: readonly Receipt[];
}

/** How long receipts gather, at the most. */
const GATHER_MS = 20;
const BATCH_RECEIPTS = 100;
/** Unacknowledged by the broker, at the most; fewer where its receive maximum says so. */
const WINDOW_BATCHES = 10;
/** Beyond this many the oldest are dropped: a message whose receipt is missing comes again, and gets another. */
const MAXIMUM_RECEIPTS = 10_000;

/** Publishes receipts for what is acknowledged, in batches by topic, on the link that brings the messages. */
export class ReceiptWriter {
  readonly #waiting: Batch[] = [];
  readonly #gathering = new Map<string, Receipt[]>();
  readonly #inFlight = new Map<number, Batch>();
  readonly #counts: { receiptsDropped: number };
  #count = 0;
  #lastId = 0;
  #link: Link | undefined;
  #timer: NodeJS.Timeout | undefined;
  #emptied = () => {};

  constructor(counts: { receiptsDropped: number }) {
    this.#counts = counts;
  }

  /** The message is safe: its publisher is to hear of it. */
  add(delivery: Delivery): void {
    const topic = receiptTopicOf(delivery);
    const receipts = this.#gathering.get(topic) ?? [];
    this.#gathering.set(topic, receipts);
    receipts.push(receiptFor(delivery));
    this.#count += 1;
    if (receipts.length >= BATCH_RECEIPTS) this.#close(topic, receipts);
    this.#timer ??= setTimeout(() => this.#flush(), GATHER_MS);
  }

  up(link: Link): void {
    this.#link = link;
    this.#send();
  }

  /** What the broker has not acknowledged is sent again on the next link. */
  down(): void {
    this.#link = undefined;
    this.#waiting.unshift(...this.#inFlight.values());
    this.#inFlight.clear();
    this.#emptied();
  }

  /** A PUBACK has come. */
  acknowledged(messageId: number): void {
    const batch = this.#inFlight.get(messageId);
    if (!batch) return;
    this.#inFlight.delete(messageId);
    this.#count -= batch.receipts.length;
    this.#send();
    if (this.#count === 0) this.#emptied();
  }

  /** Sends what there is; resolves when the broker has it, the link is gone, or after so many milliseconds. */
  async stop(timeoutMs: number): Promise<void> {
    this.#flush();
    if (!this.#link || this.#count === 0) return;
    await new Promise<void>((resolve) => {
      const timer = setTimeout(resolve, timeoutMs);
      this.#emptied = () => {
        clearTimeout(timer);
        resolve();
      };
    });
  }

  #flush(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    for (const [topic, receipts] of this.#gathering) this.#close(topic, receipts);
    this.#send();
  }

  #close(topic: string, receipts: readonly Receipt[]): void {
    this.#gathering.delete(topic);
    this.#waiting.push({ topic, receipts });
    while (this.#count > MAXIMUM_RECEIPTS && this.#waiting.length > 0) {
      const { length } = this.#waiting.shift()!.receipts;
      this.#count -= length;
      this.#counts.receiptsDropped += length;
    }
  }

  #send(): void {
    const link = this.#link;
    if (!link) return;
    const window = Math.min(WINDOW_BATCHES, link.limits.receiveMaximum);
    while (this.#inFlight.size < window && this.#waiting.length > 0) {
      const batch = this.#waiting.shift()!;
      const payload = encodeReceipts({ receipts: batch.receipts, writtenAt: Date.now() });
      const message = { id: '', payload, contentType: 'application/json', properties: {} };
      if (publishSize(message, batch.topic, link.protocolVersion) > link.limits.maximumPacketSize) {
        this.#divide(batch);
        continue;
      }
      const messageId = this.#nextId();
      this.#inFlight.set(messageId, batch);
      link.publish(message, batch.topic, messageId);
    }
  }

  /** The broker would hang up on it, again and again: how long ids are others say. */
  #divide({ topic, receipts }: Batch): void {
    const half = Math.floor(receipts.length / 2);
    if (half > 0) {
      this.#waiting.unshift(
        { topic, receipts: receipts.slice(0, half) },
        { topic, receipts: receipts.slice(half) },
      );
    } else {
      this.#count -= 1;
      this.#counts.receiptsDropped += 1;
    }
  }

  #nextId(): number {
    this.#lastId = (this.#lastId % LAST_OWN_IDENTIFIER) + 1;
    return this.#lastId;
  }
}

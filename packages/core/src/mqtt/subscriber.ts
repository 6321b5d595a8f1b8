import { randomUUID } from 'node:crypto';
import { EventEmitter } from 'eventemitter3';
import { apart } from '../apart';
import { RelayError } from '../errors';
import type { Delivery } from '../message';
import { assertBroker, type BrokerOptions } from './broker-options';
import { Reception } from './reception';
import { assertTopicFilter } from './topic';

/** From which broker a Subscriber takes, which topics, and how much it holds at once. */
export interface SubscriberOptions extends BrokerOptions {
  /** A topic or filter (`+`, `#`, `$share/group/…`), or several. */
  readonly topic: string | readonly string[];
  /**
   * The name of our session at the broker. With it the broker keeps what comes while we are away; two
   * processes must not use the same. Without it only what comes while we are connected arrives.
   */
  readonly clientId?: string | undefined;
  /** Seconds that the broker keeps the session while we are away (MQTT 5). @default 604,800 (7 days) */
  readonly sessionExpirySeconds?: number | undefined;
  /**
   * Messages received and not yet acknowledged, at the most. More than what the stages behind it hold
   * at once, or they wait for each other. @default 100
   */
  readonly windowMessages?: number | undefined;
  /** Their payloads together, in bytes, after which we read no further. @default 16 MiB */
  readonly windowBytes?: number | undefined;
  /** 0: at most once, and nothing is acknowledged or kept for us while we are away. @default 1 */
  readonly qos?: 0 | 1 | undefined;
  /**
   * Whether `retain` of a message says what its publisher said (MQTT 5 section 3.8.3.1, Retain As Published),
   * and not whether the broker had kept it. @default false
   */
  readonly retainAsPublished?: boolean | undefined;
  /**
   * Publishes a receipt for each message when it is acknowledged here, at `{topic}/receipts/{publisher}`; its
   * publisher may wait for it (`receipts` there). See docs/receipts.md. @default false
   */
  readonly receipts?: boolean | undefined;
  /** Milliseconds that `close()` waits for the acknowledgement of what was handed out. @default 5,000 */
  readonly closeTimeoutMs?: number | undefined;
  /** The name in errors and events. @default 'subscriber' */
  readonly name?: string | undefined;
}

/** News of a Subscriber; messages come by iteration. */
export interface SubscriberEvents {
  /** Connected and subscribed. `sessionPresent`: the broker still knew our session. */
  online: [{ readonly url: string; readonly protocolVersion: 4 | 5; readonly sessionPresent: boolean }];
  /**
   * Connected again, and the broker no longer knows our session (it was killed without persistence, the
   * session expired, or it is another broker): what it kept for us is gone.
   */
  forgotten: [{ readonly url: string }];
  /** Not connected, or not to the first of several addresses; the next attempt comes by itself. */
  offline: [{ readonly error: RelayError; readonly retryInMs: number }];
}

/**
 * Receives messages with QoS 1 and acknowledges each only when its `ack()` is called: what is not
 * acknowledged when the process dies, the broker delivers again. In a `pipeline()` the last stage's
 * success calls `ack()`.
 *
 * @example
 * for await (const message of new Subscriber({ url: 'mqtt://localhost', topic: 'hw3faces', clientId: 'archive-1' })) {
 *   await store(message.payload);
 *   message.ack();
 * }
 */
export class Subscriber extends EventEmitter<SubscriberEvents> implements AsyncIterable<Delivery> {
  /** The name in errors and events. */
  readonly name: string;
  readonly #options: SubscriberOptions;
  readonly #filters: readonly string[];
  readonly #windowMessages: number;
  readonly #windowBytes: number;
  readonly #counts = {
    received: 0,
    redelivered: 0,
    acknowledged: 0,
    acknowledgedTooLate: 0,
    receiptsDropped: 0,
  };
  #reception: Reception | undefined;
  #closed = false;

  constructor(options: SubscriberOptions) {
    super();
    const { topic, clientId, windowMessages = 100, windowBytes = 16 * 1024 * 1024 } = options;
    this.name = options.name ?? 'subscriber';
    assertBroker(options, this.name);
    this.#filters = typeof topic === 'string' ? [topic] : [...(topic ?? [])];
    if (this.#filters.length === 0) throw new TypeError(`${this.name}: topic must name at least one topic.`);
    for (const filter of this.#filters) assertTopicFilter(filter, this.name);
    if (options.qos !== undefined && options.qos !== 0 && options.qos !== 1) {
      throw new TypeError(`${this.name}: qos must be 0 or 1, not ${options.qos}.`);
    }
    if (clientId === '') throw new TypeError(`${this.name}: clientId must not be empty.`);
    for (const [name, value] of Object.entries({ windowMessages, windowBytes })) {
      if (!(Number.isInteger(value) && value > 0)) {
        throw new TypeError(`${this.name}: ${name} must be a whole number above 0, not ${value}.`);
      }
    }
    this.#options = options;
    this.#windowMessages = Math.min(windowMessages, 65_535);
    this.#windowBytes = windowBytes;
  }

  /** What has happened so far; `outstanding` is what is handed out or waits here, unacknowledged. */
  get stats() {
    return {
      ...this.#counts,
      outstanding: this.#reception?.outstanding ?? 0,
      online: this.#reception?.online ?? false,
    };
  }

  /** Connects, and gives what comes. One iteration at a time; giving it up disconnects at once. */
  [Symbol.asyncIterator](): AsyncIterator<Delivery, undefined> {
    const reception = this.#begin(false);
    return {
      next: () => this.#untilItFails(reception, reception.next()),
      return: async () => {
        await this.#end(reception);
        return { done: true, value: undefined };
      },
    };
  }

  /**
   * The same, but all that has arrived at once; for who takes many and waits for none. Their payloads are on loan:
   * `giveBack()` or `keep()`, or they are nobody else's.
   */
  batches(): AsyncIterableIterator<readonly Delivery[], undefined> {
    const reception = this.#begin(true);
    return {
      next: async () => {
        const batch = await this.#untilItFails(reception, reception.batch());
        return batch.length === 0 ? { done: true, value: undefined } : { done: false, value: batch };
      },
      return: async () => {
        await this.#end(reception);
        return { done: true, value: undefined };
      },
      [Symbol.asyncIterator]() {
        return this;
      },
    };
  }

  /**
   * Takes no more messages, hands out what has arrived, lets the iteration end, waits (at most
   * `closeTimeoutMs`) until what was handed out is acknowledged, and says goodbye. What is not
   * acknowledged stays with the broker. Idempotent.
   */
  async close(): Promise<void> {
    this.#closed = true;
    await this.#reception?.drain(this.#options.closeTimeoutMs ?? 5_000);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  #begin(borrows: boolean): Reception {
    if (this.#closed)
      throw new RelayError(`${this.name}: it is closed.`, { code: 'CLOSED', stage: this.name });
    if (this.#reception)
      throw new TypeError(`${this.name}: it is being iterated already; make a second one.`);
    const { clientId, sessionExpirySeconds = 604_800 } = this.#options;
    this.#reception = new Reception(this.#options, {
      stage: this.name,
      clientId: clientId ?? `edge-relay-${this.name.slice(0, 24)}-${randomUUID().slice(0, 8)}`,
      clean: clientId === undefined,
      sessionExpirySeconds: clientId === undefined ? 0 : sessionExpirySeconds,
      filters: this.#filters,
      windowMessages: this.#windowMessages,
      windowBytes: this.#windowBytes,
      counts: this.#counts,
      qos: this.#options.qos ?? 1,
      receipts: this.#options.receipts ?? false,
      retainAsPublished: this.#options.retainAsPublished ?? false,
      borrows,
      online: ({ url, protocolVersion, sessionPresent }) =>
        apart(() => this.emit('online', { url, protocolVersion, sessionPresent })),
      forgotten: ({ url }) => apart(() => this.emit('forgotten', { url })),
      offline: (error, retryInMs) => apart(() => this.emit('offline', { error, retryInMs })),
    });
    return this.#reception;
  }

  #untilItFails<T>(reception: Reception, next: Promise<T>): Promise<T> {
    return next.catch((error) => {
      if (this.#reception === reception) this.#reception = undefined;
      throw error;
    });
  }

  async #end(reception: Reception): Promise<void> {
    await reception.stop();
    if (this.#reception === reception) this.#reception = undefined;
  }
}

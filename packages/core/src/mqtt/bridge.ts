import { EventEmitter } from 'eventemitter3';
import { apart } from '../apart';
import { RelayError, type RelayErrorCode } from '../errors';
import { foreignId } from '../identity';
import { type Delivery, type Message, propertyOf } from '../message';
import { pipeline } from '../pipeline';
import type { Spool } from '../spool/spool';
import type { StageContext, Transform, Writer } from '../stage';
import { brokerAddresses } from './broker-address';
import type { BrokerOptions } from './broker-options';
import { Publisher } from './publisher';
import type { OutgoingMessage, PublisherOptions } from './publisher-options';
import { Subscriber, type SubscriberOptions } from './subscriber';
import { TopicMap, type TopicRoute } from './topic-map';

export interface BridgeOptions {
  /**
   * The broker to take from. Its `clientId` names the session that keeps what comes while we are away.
   * @default made from the far broker's address and the topics, so that it stays the same
   */
  readonly from: BrokerOptions &
    Pick<SubscriberOptions, 'sessionExpirySeconds' | 'windowMessages' | 'windowBytes'>;
  /** The broker to give to. */
  readonly to: BrokerOptions &
    Pick<
      PublisherOptions,
      'windowMessages' | 'windowBytes' | 'maximumPacketBytes' | 'acknowledgeTimeoutMs' | 'whenNoSubscriber'
    >;
  /** What goes over, and under which name: `[{ from: 'hw3facestx2', to: 'hw3faces' }]`. */
  readonly topics: readonly TopicRoute[];
  /**
   * Where messages wait for the far broker: the path of a folder, or a spool of your own. With a durable one
   * the near broker is told at once that we have them. @default new MemorySpool(), and the near broker keeps them
   */
  readonly spool?: string | Spool | undefined;
  /** The name in errors and events. @default 'bridge' */
  readonly name?: string | undefined;
}

export interface BridgeEvents {
  /** One side is connected. */
  online: [{ readonly side: 'from' | 'to'; readonly url: string; readonly protocolVersion: 4 | 5 }];
  /** One side is not connected, or not to the first of its addresses; the next attempt comes by itself. */
  offline: [{ readonly side: 'from' | 'to'; readonly error: RelayError; readonly retryInMs: number }];
  /** The far broker has taken a message over. */
  forwarded: [{ readonly id: string; readonly topic: string; readonly bytes: number }];
  /**
   * A message can never go over: no route fits it, or the far broker refuses it for good. A spool on disk
   * has set it aside (`listSetAside()`); without one it is let go, so that it does not stop the others.
   */
  refused: [{ readonly message: Message; readonly error: RelayError }];
  /** A message left without having been sent; see the spool's policy. */
  drop: [{ readonly message: Message; readonly reason: 'full' | 'expired' }];
  /** The far broker has no subscriber for this topic, or is short of room: its messages wait. */
  waiting: [{ readonly topic: string; readonly reasonCode: number; readonly retryInMs: number }];
}

/** Both sides together stay well below the 10 seconds after which Docker kills. */
const CLOSE_TIMEOUT_MS = 3_000;
/** What no waiting cures. */
const NEVER: ReadonlySet<RelayErrorCode> = new Set(['MESSAGE_TOO_LARGE', 'MESSAGE_REFUSED']);

/**
 * Takes messages from one broker and gives them to another, under other topics. A message is
 * acknowledged to the near broker only when it is durable: in a durable spool, or else acknowledged by
 * the far broker. So a killed bridge loses nothing that a broker kept.
 *
 * @example
 * const bridge = new Bridge({
 *   from: { url: 'mqtt://localhost' },
 *   to: { url: 'mqtts://cloud.example' },
 *   topics: [{ from: 'hw3facestx2', to: 'hw3faces' }],
 * });
 * await bridge.run({ signal });
 */
export class Bridge extends EventEmitter<BridgeEvents> {
  readonly name: string;
  readonly #subscriber: Subscriber;
  readonly #publisher: Publisher;
  readonly #topics: TopicMap;
  #running: Promise<void> | undefined;
  #closing: Promise<void> | undefined;
  #refusals = 0;
  readonly #told = new WeakSet<RelayError>();
  readonly #rename: Transform<Delivery, OutgoingMessage> = {
    name: 'bridge',
    transform: (delivery) => {
      const topic = this.#topics.map(delivery.topic);
      if (topic !== undefined) return [this.#outgoing(delivery, topic)];
      // From a subscription of earlier routes, which the near broker remembers.
      this.#refused(delivery, this.#refusal(`no route fits topic ${JSON.stringify(delivery.topic)}`));
      return [];
    },
  };
  readonly #forward: Writer<OutgoingMessage>;

  constructor(options: BridgeOptions) {
    super();
    const { from, to, topics, spool } = options;
    this.name = options.name ?? 'bridge';
    this.#topics = new TopicMap(topics, this.name);
    this.#subscriber = new Subscriber({
      ...from,
      name: `${this.name} (from)`,
      closeTimeoutMs: CLOSE_TIMEOUT_MS,
      topic: this.#topics.filters,
      clientId: from.clientId ?? defaultClientId(options),
    });
    this.#publisher = new Publisher({
      ...to,
      name: `${this.name} (to)`,
      closeTimeoutMs: CLOSE_TIMEOUT_MS,
      spool,
    });
    this.#forward = {
      name: this.name,
      concurrency: this.#publisher.concurrency,
      open: () => this.#publisher.open(),
      write: (message, context) => this.#publish(message, context),
    };
    this.#subscriber.on('online', (news) => this.emit('online', { side: 'from', ...news }));
    this.#subscriber.on('offline', (news) => this.emit('offline', { side: 'from', ...news }));
    this.#publisher.on('online', (news) => this.emit('online', { side: 'to', ...news }));
    this.#publisher.on('offline', (news) => this.emit('offline', { side: 'to', ...news }));
    this.#publisher.on('waiting', (news) => this.emit('waiting', news));
    this.#publisher.on('acknowledged', (news) => this.emit('forwarded', news));
    this.#publisher.on('drop', (news) => this.emit('drop', news));
    this.#publisher.on('refused', (news) => this.#refused(news.message, news.error));
  }

  /** What has happened so far on either side. */
  get stats() {
    const { received, redelivered, outstanding } = this.#subscriber.stats;
    const { acknowledged: forwarded, resent, dropped, spooled, bytes } = this.#publisher.stats;
    const refused = this.#refusals;
    return { received, redelivered, outstanding, forwarded, refused, dropped, resent, spooled, bytes };
  }

  /**
   * Forwards until `close()` is called (then it resolves when what was taken is through) or `signal` is
   * aborted (then it rejects with the signal's reason, at once).
   * @throws {RelayError} when a broker refuses us for good.
   */
  run(options: { readonly signal?: AbortSignal | undefined } = {}): Promise<void> {
    if (this.#running) throw new TypeError(`${this.name}: it is running already.`);
    if (this.#closing)
      throw new RelayError(`${this.name}: it is closed.`, { code: 'CLOSED', stage: this.name });
    // A far broker that refuses us is known at once, not only with the first message.
    const failed = new AbortController();
    this.#publisher.once('failed', ({ error }) => failed.abort(error));
    const signal = options.signal ? AbortSignal.any([options.signal, failed.signal]) : failed.signal;
    this.#running = pipeline(this.#subscriber, this.#rename, this.#forward, { signal }).catch((error) => {
      // Closed before the far broker took everything: the near broker still has the rest.
      if (!(this.#closing && error instanceof RelayError && error.code === 'CLOSED')) throw error;
    });
    return this.#running;
  }

  /** Takes no more, waits until what was taken is through, and says goodbye to both brokers. Idempotent. */
  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #close(): Promise<void> {
    await this.#subscriber.close();
    await this.#publisher.close();
    // The caller of run() hears of a failure; closing goes on all the same.
    await this.#running?.catch(() => {});
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  async #publish(message: OutgoingMessage, context: StageContext): Promise<void> {
    try {
      await this.#publisher.write(message, context);
    } catch (error) {
      if (!(error instanceof TypeError) && !(error instanceof RelayError && NEVER.has(error.code)))
        throw error;
      const refusal = error instanceof RelayError ? error : this.#refusal(error.message);
      // The publisher has told of what the broker refused; what could not even be tried is told here.
      if (!this.#told.has(refusal)) this.#refused(message as Message, refusal);
    }
  }

  #refusal(why: string): RelayError {
    return new RelayError(`${this.name}: ${why}.`, { code: 'MESSAGE_REFUSED', stage: this.name });
  }

  #refused(message: Message, error: RelayError): void {
    this.#told.add(error);
    this.#refusals += 1;
    apart(() => this.emit('refused', { message, error }));
  }

  #outgoing(delivery: Delivery, topic: string): OutgoingMessage {
    const { payload, properties, contentType, expirySeconds, responseTopic, correlationData, payloadIsText } =
      delivery;
    const id = propertyOf(delivery, 'id');
    return {
      // Without one it gets any: nobody looks at it, and the hash of each payload would cost more than all else.
      ...(id !== undefined && { id }),
      topic,
      payload,
      properties,
      ...(delivery.retain !== undefined && { retain: delivery.retain }),
      ...(contentType !== undefined && { contentType }),
      ...(expirySeconds !== undefined && { expirySeconds }),
      ...(responseTopic !== undefined && { responseTopic }),
      ...(correlationData && { correlationData }),
      ...(payloadIsText !== undefined && { payloadIsText }),
    };
  }
}

/** The same after a restart, also in a new container or with a new password, so that the broker knows us again. */
function defaultClientId({ to, topics, name = 'bridge' }: BridgeOptions): string {
  const [far] = brokerAddresses(to, `${name} (to)`);
  const place = `${far?.host}:${far?.port ?? ''}`;
  return `edge-relay-bridge-${foreignId(place, Buffer.from(JSON.stringify(topics))).slice(0, 12)}`;
}

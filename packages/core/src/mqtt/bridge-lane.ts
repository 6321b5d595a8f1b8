import { apart } from '../apart';
import { messageOf, RelayError, type RelayErrorCode } from '../errors';
import { type Delivery, type Message, propertyOf } from '../message';
import type { Spool } from '../spool/spool';
import type { LaneRoute } from './bridge-routes';
import { GapReporter } from './gap-reporter';
import { Passage, type PassageUser } from './passage';
import { Publisher } from './publisher';
import type { OutgoingMessage, PublisherEvents, PublisherOptions } from './publisher-options';
import { Subscriber, type SubscriberEvents, type SubscriberOptions } from './subscriber';
import { TopicMap } from './topic-map';

export interface BridgeLaneOptions {
  /** The name in errors. */
  readonly name: string;
  readonly from: Omit<SubscriberOptions, 'topic' | 'name'>;
  readonly to: Omit<PublisherOptions, 'topic' | 'name' | 'spool'>;
  readonly topics: readonly LaneRoute[];
  readonly spool: Spool;
  /** Whether a message that is in the spool already, and durable there, is not taken a second time. */
  readonly dropsHeld: boolean;
  /** The bridge's own id in the property `via`, where messages could go round in circles. */
  readonly via: string | undefined;
  /** Where the bridge says to the broker it takes from that it is there: not to be forwarded. */
  readonly stateTopic: string | undefined;
}

/** What a lane tells its bridge. */
export interface BridgeLaneUser {
  /** One end is connected; called for each new connection. */
  online(end: 'from' | 'to', news: SubscriberEvents['online'][0] | PublisherEvents['online'][0]): void;
  offline(end: 'from' | 'to', news: PublisherEvents['offline'][0]): void;
  forgotten(news: SubscriberEvents['forgotten'][0]): void;
  forwarded(news: PublisherEvents['acknowledged'][0]): void;
  refused(news: { readonly message: Message; readonly error: RelayError }): void;
  drop(news: PublisherEvents['drop'][0]): void;
  waiting(news: PublisherEvents['waiting'][0]): void;
  isolated(news: PublisherEvents['isolated'][0]): void;
}

/**
 * Messages in flight at each end, where nothing else is said: so many share one flush of the disk, and more would
 * not fit into a processor's cache.
 */
const WINDOW_MESSAGES = 384;
/** Both ends together stay well below the 10 seconds after which Docker kills. */
const CLOSE_TIMEOUT_MS = 3_000;
/** How many messages are under way at once, at the most; the window of the near side is mostly less. */
const MOST_UNDER_WAY = 4_096;
/** The user property that lists the bridges which a message has passed. */
const VIA = 'via';
/** What no waiting cures. */
const NEVER: ReadonlySet<RelayErrorCode> = new Set(['MESSAGE_TOO_LARGE', 'MESSAGE_REFUSED']);

/** One direction of a Bridge: takes from one broker, renames, and gives to the other. */
export class BridgeLane {
  readonly #name: string;
  readonly #subscriber: Subscriber;
  readonly #publisher: Publisher;
  readonly #gaps: GapReporter;
  readonly #spool: Spool;
  readonly #topics: TopicMap<LaneRoute>;
  readonly #dropsHeld: boolean;
  readonly #via: string | undefined;
  readonly #stateTopic: string | undefined;
  readonly #user: BridgeLaneUser;
  readonly #failed = new AbortController();
  readonly #counts = { refused: 0, duplicates: 0, looped: 0 };
  readonly #told = new WeakSet<RelayError>();
  readonly #passages: PassageUser = {
    isThrough: (delivery) => this.#isThrough(delivery),
    isNotThrough: (outgoing, delivery, error) => this.#isNotThrough(outgoing, delivery, error),
  };
  /** How many messages the publisher has and we have not heard of. */
  #underWay = 0;
  #wake: (() => void) | undefined;
  #running: Promise<void> | undefined;
  #isClosing = false;

  constructor(options: BridgeLaneOptions, user: BridgeLaneUser) {
    const { name, from, to, topics, spool, dropsHeld, via, stateTopic } = options;
    this.#name = name;
    this.#user = user;
    this.#spool = spool;
    // A duplicate of what is in memory only must not be acknowledged before it.
    this.#dropsHeld = dropsHeld && spool.durable;
    this.#via = via;
    this.#stateTopic = stateTopic;
    this.#topics = new TopicMap(topics, name);
    this.#subscriber = new Subscriber({
      ...from,
      windowMessages: from.windowMessages ?? WINDOW_MESSAGES,
      name: `${name} (from)`,
      closeTimeoutMs: CLOSE_TIMEOUT_MS,
      topic: this.#topics.filters,
      qos: topics.every(({ qos }) => qos === 0) ? 0 : 1,
      retainAsPublished: true,
    });
    this.#publisher = new Publisher({
      ...to,
      windowMessages: to.windowMessages ?? WINDOW_MESSAGES,
      name: `${name} (to)`,
      closeTimeoutMs: CLOSE_TIMEOUT_MS,
      spool,
    });
    this.#gaps = new GapReporter(this.#publisher);
    this.#subscriber.on('online', (news) => this.#online('from', news));
    this.#subscriber.on('offline', (news) => user.offline('from', news));
    this.#subscriber.on('forgotten', (news) => user.forgotten(news));
    this.#publisher.on('online', (news) => this.#online('to', news));
    this.#publisher.on('offline', (news) => user.offline('to', news));
    this.#publisher.on('waiting', (news) => user.waiting(news));
    this.#publisher.on('isolated', (news) => user.isolated(news));
    this.#publisher.on('acknowledged', (news) => user.forwarded(news));
    this.#publisher.on('drop', (news) => user.drop(news));
    this.#publisher.on('refused', (news) => this.#refused(news.message, news.error));
    // A broker that refuses us is known at once, not only with the first message.
    this.#publisher.on('failed', ({ error }) => this.#failed.abort(error));
  }

  get stats() {
    const { received, redelivered, outstanding } = this.#subscriber.stats;
    const { acknowledged: forwarded, resent, dropped, spooled, spooledBytes, bytes } = this.#publisher.stats;
    const sent = { forwarded, resent, dropped, spooled, spooledBytes, bytes };
    return { received, redelivered, outstanding, ...sent, ...this.#counts };
  }

  get oldestAgeSeconds(): number {
    return this.#spool.oldestAgeSeconds;
  }

  /** Forwards until `close()` is called or the signal is aborted. */
  run(signal: AbortSignal): Promise<void> {
    this.#running = this.#run(AbortSignal.any([signal, this.#failed.signal])).catch((error) => {
      // Closed before the far broker took everything: the near broker still has the rest.
      if (!(this.#isClosing && error instanceof RelayError && error.code === 'CLOSED')) throw error;
    });
    return this.#running;
  }

  /** Takes no more, waits until what was taken is through, and says goodbye to both brokers. */
  async close(): Promise<void> {
    this.#isClosing = true;
    await this.#subscriber.close();
    await this.#gaps.close();
    await this.#publisher.close();
    // The caller of run() hears of a failure; closing goes on all the same.
    await this.#running?.catch(() => {});
  }

  #online(end: 'from' | 'to', news: SubscriberEvents['online'][0] | PublisherEvents['online'][0]): void {
    if (this.#via !== undefined && news.protocolVersion !== 5) {
      const message = `${this.#name}: the broker at ${news.url} speaks MQTT 3.1.1 only, which has no properties: what goes both ways would go round in circles. Take a broker of MQTT 5, or routes of one direction.`;
      this.#failed.abort(new RelayError(message, { code: 'BROKER_REFUSED', stage: this.#name }));
      return;
    }
    this.#user.online(end, news);
  }

  async #run(signal: AbortSignal): Promise<void> {
    signal.throwIfAborted();
    await this.#publisher.open();
    signal.throwIfAborted();
    const batches = this.#subscriber.batches();
    const stopped = new Promise<never>((_, reject) => {
      signal.addEventListener('abort', () => reject(signal.reason), { once: true });
    });
    try {
      await Promise.race([stopped, this.#forwardAll(batches, signal)]);
    } finally {
      // Where it has ended by itself there is nothing to give up.
      if (signal.aborted) batches.return?.().catch(() => {});
      stopped.catch(() => {});
    }
  }

  /** Not as a `pipeline()`: thousands a second go through here, and each wait for one alone would cost more than it. */
  async #forwardAll(batches: AsyncIterable<readonly Delivery[]>, signal: AbortSignal): Promise<void> {
    try {
      for await (const batch of batches) {
        for (const delivery of batch) {
          if (this.#underWay >= MOST_UNDER_WAY) await this.#until(() => this.#underWay < MOST_UNDER_WAY);
          const outgoing = this.#rename(delivery);
          if (!outgoing) delivery.ack();
          else if (this.#dropsHeld && (await this.#isHeld(outgoing))) delivery.ack();
          else this.#forward(outgoing, delivery, signal);
          if (signal.aborted) return;
        }
      }
    } finally {
      // Also where the near side has failed: what came before goes through.
      await this.#until(() => this.#underWay === 0);
    }
  }

  #forward(outgoing: OutgoingMessage, delivery: Delivery, signal: AbortSignal): void {
    this.#underWay += 1;
    this.#publisher.publishFor(outgoing, new Passage(outgoing, delivery, this.#passages), signal);
  }

  #isThrough(delivery: Delivery): void {
    delivery.ack();
    this.#underWay -= 1;
    this.#wake?.();
  }

  /** What can never go over stands in nobody's way; anything else ends the run. */
  #isNotThrough(outgoing: OutgoingMessage, delivery: Delivery, error: unknown): void {
    if (error instanceof RelayError && error.code === 'MESSAGE_DROPPED') {
      // The publisher has counted it, and told of it.
      this.#isThrough(delivery);
      return;
    }
    if (!(error instanceof TypeError) && !(error instanceof RelayError && NEVER.has(error.code))) {
      const details = { code: 'STAGE_FAILED', stage: this.#name, cause: error } as const;
      const failure = `${this.#name} failed: ${messageOf(error)}`;
      this.#failed.abort(error instanceof RelayError ? error : new RelayError(failure, details));
      return;
    }
    const refusal = error instanceof RelayError ? error : this.#refusal(error.message);
    // The publisher has told of what the broker refused; what could not even be tried is told here.
    if (!this.#told.has(refusal)) this.#refused(outgoing as Message, refusal);
    this.#isThrough(delivery);
  }

  async #until(condition: () => boolean): Promise<void> {
    while (!condition()) {
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
  }

  /** The message as it goes on; undefined where it does not. */
  #rename(delivery: Delivery): OutgoingMessage | undefined {
    if (delivery.topic === this.#stateTopic) return undefined;
    if (this.#via !== undefined && passedBridges(delivery).includes(this.#via)) {
      this.#counts.looped += 1;
      return undefined;
    }
    const mapped = this.#topics.map(delivery.topic);
    if (mapped) return this.#outgoing(delivery, mapped.topic, mapped.route);
    // From a subscription of earlier routes, which the near broker remembers.
    this.#refused(delivery, this.#refusal(`no route fits topic ${JSON.stringify(delivery.topic)}`));
    return undefined;
  }

  async #isHeld(outgoing: OutgoingMessage): Promise<boolean> {
    if ((await this.#spool.find(outgoing as Message)) === undefined) return false;
    this.#counts.duplicates += 1;
    return true;
  }

  #refusal(why: string): RelayError {
    return new RelayError(`${this.#name}: ${why}.`, { code: 'MESSAGE_REFUSED', stage: this.#name });
  }

  #refused(message: Message, error: RelayError): void {
    this.#told.add(error);
    this.#counts.refused += 1;
    apart(() => this.#user.refused({ message, error }));
  }

  #outgoing(delivery: Delivery, topic: string, route: LaneRoute): OutgoingMessage {
    const { payload, properties, contentType, responseTopic, correlationData, payloadIsText } = delivery;
    const outgoing: { -readonly [Name in keyof OutgoingMessage]: OutgoingMessage[Name] } = {
      topic,
      payload,
      properties:
        this.#via === undefined
          ? properties
          : { ...properties, [VIA]: [...passedBridges(delivery), this.#via] },
    };
    // One by one: spreading objects of many shapes costs as much as encoding the packet.
    const id = propertyOf(delivery, 'id');
    const expirySeconds = shorter(delivery.expirySeconds, route.expirySeconds);
    // Without an id it gets any: nobody looks at it, and the hash of each payload would cost more than all else.
    if (id !== undefined) outgoing.id = id;
    if (delivery.retain && route.retain !== 'clear') outgoing.retain = true;
    if (contentType !== undefined) outgoing.contentType = contentType;
    if (expirySeconds !== undefined) outgoing.expirySeconds = expirySeconds;
    if (responseTopic !== undefined) outgoing.responseTopic = responseTopic;
    if (correlationData !== undefined) outgoing.correlationData = correlationData;
    if (payloadIsText !== undefined) outgoing.payloadIsText = payloadIsText;
    if (route.qos === 0) outgoing.qos = 0;
    if (route.priority) outgoing.priority = route.priority;
    return outgoing;
  }
}

function shorter(one: number | undefined, other: number | undefined): number | undefined {
  return one === undefined || other === undefined ? (one ?? other) : Math.min(one, other);
}

/** The bridges that a message has passed so far. */
function passedBridges({ properties }: Delivery): readonly string[] {
  const passed = Object.hasOwn(properties, VIA) ? properties[VIA]! : [];
  return typeof passed === 'string' ? [passed] : passed;
}

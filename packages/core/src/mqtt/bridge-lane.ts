import { apart } from '../apart';
import { RelayError, type RelayErrorCode } from '../errors';
import { type Delivery, type Message, propertyOf } from '../message';
import { pipeline } from '../pipeline';
import type { Spool } from '../spool/spool';
import type { StageContext, Transform, Writer } from '../stage';
import type { LaneRoute } from './bridge-routes';
import { GapReporter } from './gap-reporter';
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

/** Both ends together stay well below the 10 seconds after which Docker kills. */
const CLOSE_TIMEOUT_MS = 3_000;
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
      name: `${name} (from)`,
      closeTimeoutMs: CLOSE_TIMEOUT_MS,
      topic: this.#topics.filters,
      qos: topics.every(({ qos }) => qos === 0) ? 0 : 1,
      retainAsPublished: true,
    });
    this.#publisher = new Publisher({ ...to, name: `${name} (to)`, closeTimeoutMs: CLOSE_TIMEOUT_MS, spool });
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
    const { acknowledged: forwarded, resent, dropped, spooled, bytes } = this.#publisher.stats;
    const counts = this.#counts;
    return { received, redelivered, outstanding, forwarded, resent, dropped, spooled, bytes, ...counts };
  }

  /** Forwards until `close()` is called or the signal is aborted. */
  run(signal: AbortSignal): Promise<void> {
    const rename: Transform<Delivery, OutgoingMessage> = {
      name: this.#name,
      transform: (delivery) => this.#rename(delivery),
    };
    const forward: Writer<OutgoingMessage> = {
      name: this.#name,
      concurrency: this.#publisher.concurrency,
      open: () => this.#publisher.open(),
      write: (message, context) => this.#publish(message, context),
    };
    const signals = { signal: AbortSignal.any([signal, this.#failed.signal]) };
    this.#running = pipeline(this.#subscriber, rename, forward, signals).catch((error) => {
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

  #rename(delivery: Delivery): OutgoingMessage[] | Promise<OutgoingMessage[]> {
    if (delivery.topic === this.#stateTopic) return [];
    if (this.#via !== undefined && passedBridges(delivery).includes(this.#via)) {
      this.#counts.looped += 1;
      return [];
    }
    const mapped = this.#topics.map(delivery.topic);
    if (!mapped) {
      // From a subscription of earlier routes, which the near broker remembers.
      this.#refused(delivery, this.#refusal(`no route fits topic ${JSON.stringify(delivery.topic)}`));
      return [];
    }
    const outgoing = this.#outgoing(delivery, mapped.topic, mapped.route);
    return this.#dropsHeld ? this.#unlessHeld(outgoing) : [outgoing];
  }

  async #unlessHeld(outgoing: OutgoingMessage): Promise<OutgoingMessage[]> {
    if ((await this.#spool.find(outgoing as Message)) === undefined) return [outgoing];
    this.#counts.duplicates += 1;
    return [];
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

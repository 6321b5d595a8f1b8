import { randomUUID } from 'node:crypto';
import { EventEmitter } from 'eventemitter3';
import { RelayError } from '../errors';
import { type Message, type Properties, propertyOf } from '../message';
import { LmdbSpool } from '../spool/lmdb-spool';
import { MemorySpool } from '../spool/memory-spool';
import type { Spool, SpoolDrop, SpoolEntry } from '../spool/spool';
import type { StageContext, Writer } from '../stage';
import { assertBroker, type BrokerOptions, withoutPassword } from './broker-options';
import { Connection } from './connection';
import { InFlightWindow } from './in-flight-window';
import type { Link } from './link';
import { assertTopicName } from './topic';
import { WaitingTopics } from './waiting-topics';

export interface PublisherOptions extends BrokerOptions {
  /** Where messages go that name no topic themselves. */
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
  /** Milliseconds without any acknowledgement after which the connection counts as stuck. @default 20,000 */
  readonly acknowledgeTimeoutMs?: number | undefined;
  /**
   * What to do when the broker says that nobody subscribes to the topic (MQTT 5 reason code 0x10), which
   * means that it has thrown the message away: `keep` it and send it again, or `accept` that. @default 'keep'
   */
  readonly whenNoSubscriber?: 'keep' | 'accept' | undefined;
  /** Milliseconds that `close()` waits for acknowledgements of what is already sent. @default 5,000 */
  readonly closeTimeoutMs?: number | undefined;
  /** The name in errors and events. @default 'publisher' */
  readonly name?: string | undefined;
}

/** A message to publish: a payload, and what goes with it. */
export interface OutgoingMessage extends Omit<Partial<Message>, 'payload'> {
  readonly payload: Uint8Array | string;
}

export interface PublisherEvents {
  /** Connected; messages flow. */
  online: [{ readonly url: string; readonly protocolVersion: 4 | 5 }];
  /** Not connected; the next attempt comes by itself. */
  offline: [{ readonly error: RelayError; readonly retryInMs: number }];
  /** The broker refuses us for good, or the spool cannot be read: every publish fails with this error. */
  failed: [{ readonly error: RelayError }];
  /** The broker has taken a message over. */
  acknowledged: [{ readonly id: string; readonly topic: string; readonly bytes: number }];
  /** Nobody subscribes to this topic, or the broker is short of room: its messages wait. */
  waiting: [{ readonly topic: string; readonly reasonCode: number; readonly retryInMs: number }];
  /** A message left without having been sent; see the spool's policy. */
  drop: [{ readonly message: Message; readonly reason: 'full' | 'expired' }];
}

interface Waiter {
  resolve(): void;
  reject(error: unknown): void;
}

/** No matching subscribers (MQTT 5 section 3.4.2.1). */
const NO_SUBSCRIBER = 0x10;
/** PUBACK codes that no waiting cures: not authorised, topic name invalid, payload format invalid, too large. */
const PERMANENT_REFUSALS = new Map([
  [0x87, 'not authorised'],
  [0x90, 'topic name invalid'],
  [0x95, 'packet too large'],
  [0x99, 'payload format invalid'],
]);

/**
 * Sends messages to a broker with QoS 1 until the broker has acknowledged each of them, through lost
 * connections and restarts of the broker; with many in flight, and in order. (Only where somebody
 * subscribes while messages are in flight can one that the broker had no subscriber for come after some
 * that it had.)
 *
 * `publish()` resolves when the message is durable: in a durable spool, or else acknowledged by the broker.
 *
 * @example
 * const publisher = new Publisher({ url: 'mqtt://localhost', topic: 'hw3facestx2' });
 * await publisher.publish({ payload: picture, contentType: 'image/png' });
 * await publisher.close();
 */
export class Publisher extends EventEmitter<PublisherEvents> implements Writer<OutgoingMessage> {
  readonly name: string;
  readonly concurrency: number;
  readonly #topic: string | undefined;
  readonly #url: string;
  readonly #spool: Spool;
  readonly #connection: Connection;
  readonly #window: InFlightWindow;
  readonly #topics: WaitingTopics;
  readonly #whenNoSubscriber: 'keep' | 'accept';
  readonly #closeTimeoutMs: number;
  /** Who waits for the acknowledgement of a message; empty with a durable spool. */
  readonly #waiters = new Map<Message, Waiter>();
  readonly #idle = new Set<() => void>();
  readonly #counts = { published: 0, acknowledged: 0, resent: 0, dropped: 0, refused: 0, bytes: 0 };
  #opening: Promise<void> | undefined;
  #closing: Promise<void> | undefined;
  #failure: RelayError | undefined;
  #link: Link | undefined;
  /** The position up to which messages have been handed to the current link. */
  #sentTo = 0;
  /** The highest position ever sent on any link. */
  #everSentTo = 0;
  #pumping = false;
  #pumpAgain = false;

  constructor(options: PublisherOptions) {
    super();
    const {
      topic,
      windowMessages = 128,
      windowBytes = 16 * 1024 * 1024,
      whenNoSubscriber = 'keep',
    } = options;
    const { acknowledgeTimeoutMs = 20_000, closeTimeoutMs = 5_000 } = options;
    this.name = options.name ?? 'publisher';
    assertBroker(options, this.name);
    if (topic !== undefined) assertTopicName(topic, this.name);
    for (const [name, value] of Object.entries({ windowMessages, windowBytes, acknowledgeTimeoutMs })) {
      if (!(Number.isInteger(value) && value > 0)) {
        throw new TypeError(`${this.name}: ${name} must be a whole number above 0, not ${value}.`);
      }
    }
    if (whenNoSubscriber !== 'keep' && whenNoSubscriber !== 'accept') {
      throw new TypeError(`${this.name}: whenNoSubscriber must be keep or accept, not ${whenNoSubscriber}.`);
    }
    this.concurrency = windowMessages;
    this.#topic = topic;
    this.#url = withoutPassword(options.url);
    this.#spool = spoolFor(options.spool);
    this.#spool.onDrop((drop) => this.#dropped(drop));
    this.#whenNoSubscriber = whenNoSubscriber;
    this.#closeTimeoutMs = closeTimeoutMs;
    this.#window = new InFlightWindow({ messages: windowMessages, bytes: windowBytes, acknowledgeTimeoutMs });
    this.#topics = new WaitingTopics(() => this.#pump());
    const clientId = options.clientId ?? `edge-relay-${this.name.slice(0, 24)}-${randomUUID().slice(0, 8)}`;
    this.#connection = new Connection(options, {
      stage: this.name,
      session: { clean: true, clientId },
      attach: (client) =>
        client.on('packetreceive', (packet) => {
          if (packet.cmd === 'puback') this.#acknowledged(packet.messageId ?? 0, packet.reasonCode ?? 0);
        }),
      up: (link) => this.#up(link),
      down: () => this.#down(),
      retrying: ({ error, inMs }) => this.emit('offline', { error, retryInMs: inMs }),
      failed: (error) => this.#fail(error),
    });
  }

  /** What has happened so far; `spooled` is what waits now. */
  get stats() {
    return {
      ...this.#counts,
      spooled: this.#spool.messages,
      spooledBytes: this.#spool.bytes,
      inFlight: this.#window.messages,
      online: this.#link !== undefined,
    };
  }

  /** Opens the spool and begins to connect; does not wait for the broker, so that start order is free. */
  open(): Promise<void> {
    this.#opening ??= this.#spool.open().then(() => this.#connection.open());
    return this.#opening;
  }

  /**
   * Resolves when the message is durable: in a durable spool, or acknowledged by the broker.
   * @throws {TypeError} without a topic. @throws {RelayError} `MESSAGE_TOO_LARGE`, `MESSAGE_REFUSED`,
   * `MESSAGE_DROPPED`, `BROKER_REFUSED`, or `CLOSED` when it was closed before.
   */
  async publish(message: OutgoingMessage, options: { readonly signal?: AbortSignal } = {}): Promise<void> {
    const complete = this.#complete(message);
    await this.open();
    this.#assertUsable();
    this.#assertFits(complete, this.#link);
    const acknowledged = this.#spool.durable ? undefined : this.#acknowledgement(complete);
    try {
      const entry = await this.#spool.append(complete, options.signal);
      if (!entry) throw this.#dropError(complete, 'full');
    } catch (error) {
      this.#waiters.delete(complete);
      throw error;
    }
    this.#counts.published += 1;
    this.#pump();
    await acknowledged;
  }

  /** The stage's way in: `publish()`. */
  write(message: OutgoingMessage, { signal }: StageContext): Promise<void> {
    return this.publish(message, { signal });
  }

  /** Resolves when everything published so far has been acknowledged by the broker. */
  async flush(): Promise<void> {
    while (this.#spool.messages > 0) {
      this.#assertUsable();
      await new Promise<void>((resolve) => this.#idle.add(resolve));
    }
  }

  /**
   * Waits (at most `closeTimeoutMs`) for the acknowledgements of what is already sent, says goodbye to
   * the broker and closes the spool. Messages in a durable spool stay for the next start. Idempotent.
   */
  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  async #close(): Promise<void> {
    if (!this.#opening) return;
    await this.#opening.catch(() => {});
    this.#topics.clear();
    await this.#window.emptied(this.#closeTimeoutMs);
    await this.#connection.close();
    await this.#spool.close();
    this.#settleAll(new RelayError(`${this.name}: closed before the broker took the message.`, this.#closed));
  }

  get #closed() {
    return { code: 'CLOSED', stage: this.name } as const;
  }

  #complete(message: OutgoingMessage): Message {
    const { payload } = message;
    const topic = message.topic ?? this.#topic;
    if (topic === undefined) {
      throw new TypeError(`${this.name}: the message names no topic and the publisher has none. Set topic.`);
    }
    if (topic !== this.#topic) assertTopicName(topic, this.name);
    if (typeof payload !== 'string' && !(payload instanceof Uint8Array)) {
      throw new TypeError(
        `${this.name}: payload must be bytes (Uint8Array) or a text, not ${typeof payload}.`,
      );
    }
    const properties: Properties = message.properties ?? {};
    return {
      ...message,
      id: message.id ?? propertyOf({ properties }, 'id') ?? randomUUID(),
      topic,
      properties,
      payload: typeof payload === 'string' ? Buffer.from(payload) : payload,
    };
  }

  /** Made before the message enters the spool, which may drop it again before we get to wait. */
  #acknowledgement(message: Message): Promise<void> {
    const acknowledged = new Promise<void>((resolve, reject) =>
      this.#waiters.set(message, { resolve, reject }),
    );
    acknowledged.catch(() => {});
    return acknowledged;
  }

  #settle(message: Message, error?: RelayError): void {
    const waiter = this.#waiters.get(message);
    this.#waiters.delete(message);
    if (error) waiter?.reject(error);
    else waiter?.resolve();
  }

  #up(link: Link): void {
    this.#link = link;
    this.#sentTo = 0;
    this.#window.open(link);
    this.emit('online', { url: this.#url, protocolVersion: link.protocolVersion });
    this.#pump();
  }

  #down(): void {
    this.#link = undefined;
    this.#window.clear();
    this.#topics.clear();
  }

  #fail(error: RelayError): void {
    this.#failure = error;
    this.#settleAll(error);
    this.emit('failed', { error });
  }

  /** Sends what fits into the window, in order; called whenever that may have changed. */
  async #pump(): Promise<void> {
    this.#pumpAgain = true;
    if (this.#pumping) return;
    this.#pumping = true;
    try {
      while (this.#pumpAgain) {
        this.#pumpAgain = false;
        await this.#sendSome();
      }
    } catch (error) {
      const cause = error instanceof RelayError ? error : undefined;
      this.#fail(
        cause ??
          new RelayError(`${this.name}: ${error}`, { code: 'SPOOL_FAILED', stage: this.name, cause: error }),
      );
    } finally {
      this.#pumping = false;
    }
  }

  async #sendSome(): Promise<void> {
    const link = this.#link;
    if (!link || this.#closing) return;
    for (let entry = this.#topics.due; entry; entry = this.#topics.due) {
      if (!this.#window.hasRoomFor(entry.bytes)) return;
      this.#topics.takeDue();
      if (!this.#send(link, entry)) await link.drained();
      if (link !== this.#link) return;
    }
    while (this.#window.hasRoomFor(0) && !this.#topics.isFull) {
      const entries = await this.#spool.read(this.#sentTo, this.#window.room);
      if (link !== this.#link || entries.length === 0) return;
      for (const entry of entries) {
        if (!this.#window.hasRoomFor(entry.bytes)) return;
        this.#sentTo = entry.position;
        if (this.#topics.holds(entry)) continue;
        if (!this.#send(link, entry)) await link.drained();
        if (link !== this.#link) return;
      }
    }
  }

  #send(link: Link, entry: SpoolEntry): boolean {
    try {
      this.#assertFits(entry.message, link);
    } catch (error) {
      this.#refuse(entry, error as RelayError);
      return true;
    }
    if (entry.position <= this.#everSentTo) this.#counts.resent += 1;
    else this.#everSentTo = entry.position;
    return this.#window.send(entry);
  }

  #acknowledged(messageId: number, reasonCode: number): void {
    const entry = this.#window.acknowledge(messageId);
    if (!entry) return;
    const refusal = PERMANENT_REFUSALS.get(reasonCode);
    const isKept = reasonCode === NO_SUBSCRIBER && this.#whenNoSubscriber === 'keep';
    if (refusal !== undefined) {
      const what = `${this.name}: the broker refused message ${entry.message.id} on topic ${entry.message.topic} (${refusal})`;
      const details = { code: 'MESSAGE_REFUSED', stage: this.name } as const;
      this.#refuse(entry, new RelayError(`${what}. Check the broker's access rules and the topic.`, details));
    } else if (isKept || reasonCode >= 0x80) {
      const retryInMs = this.#topics.postpone(entry);
      if (retryInMs !== undefined) {
        this.emit('waiting', { topic: entry.message.topic ?? '', reasonCode, retryInMs });
      }
    } else {
      this.#topics.delivered(entry);
      this.#counts.acknowledged += 1;
      this.#counts.bytes += entry.message.payload.byteLength;
      this.#remove(entry);
      this.#settle(entry.message);
      const { id, topic = '', payload } = entry.message;
      this.emit('acknowledged', { id, topic, bytes: payload.byteLength });
    }
    this.#pump();
  }

  #refuse(entry: SpoolEntry, error: RelayError): void {
    this.#counts.refused += 1;
    this.#remove(entry);
    this.#settle(entry.message, error);
  }

  #remove(entry: SpoolEntry): void {
    this.#spool.remove(entry.position).then(
      () => {
        if (this.#spool.messages === 0) this.#wakeIdle();
      },
      (error) => this.#fail(error),
    );
  }

  #dropped({ message, position, reason }: SpoolDrop): void {
    this.#counts.dropped += 1;
    if (position !== undefined) this.#topics.forget(position);
    this.emit('drop', { message, reason });
    this.#settle(message, this.#dropError(message, reason));
  }

  #dropError(message: Message, reason: 'full' | 'expired'): RelayError {
    const why =
      reason === 'full' ? 'the spool is full and its policy drops' : 'it expired before it could be sent';
    return new RelayError(`${this.name}: message ${message.id} was dropped: ${why}.`, {
      code: 'MESSAGE_DROPPED',
      stage: this.name,
    });
  }

  #assertFits(message: Message, link: Link | undefined): void {
    const limit = link?.limits.maximumPacketSize ?? Number.POSITIVE_INFINITY;
    if (message.payload.byteLength <= limit / 2) return;
    const size = this.#window.packetSize(message);
    if (size <= limit) return;
    throw new RelayError(
      `${this.name}: message ${message.id} makes a packet of ${size} bytes; the broker at ${this.#url} takes ${limit} at the most. Send smaller pictures (format jpeg, a smaller margin) or raise its max_packet_size.`,
      { code: 'MESSAGE_TOO_LARGE', stage: this.name },
    );
  }

  #assertUsable(): void {
    if (this.#failure) throw this.#failure;
    if (this.#closing) throw new RelayError(`${this.name}: it is closed.`, this.#closed);
  }

  #settleAll(error: RelayError): void {
    for (const waiter of this.#waiters.values()) waiter.reject(error);
    this.#waiters.clear();
    this.#wakeIdle();
  }

  #wakeIdle(): void {
    for (const wake of this.#idle) wake();
    this.#idle.clear();
  }
}

function spoolFor(spool: string | Spool | undefined): Spool {
  if (spool === undefined) return new MemorySpool();
  return typeof spool === 'string' ? new LmdbSpool(spool) : spool;
}

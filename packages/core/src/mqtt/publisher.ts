import { randomUUID } from 'node:crypto';
import { EventEmitter } from 'eventemitter3';
import { onAbort } from '../abort-listeners';
import { apart } from '../apart';
import { RelayError } from '../errors';
import { type Message, type Properties, propertyOf } from '../message';
import { PassingMap } from '../passing-map';
import { giveBack, keep } from '../slab';
import { LmdbSpool } from '../spool/lmdb-spool';
import { MemorySpool } from '../spool/memory-spool';
import type { Spool, SpoolDrop, SpoolEntry } from '../spool/spool';
import type { StageContext, Writer } from '../stage';
import { Connection } from './connection';
import { Entering } from './entering';
import {
  type DropReason,
  type OutgoingMessage,
  type PublisherEvents,
  type PublisherOptions,
  type PublisherSettings,
  type PublishWaiter,
  publisherSettings,
} from './publisher-options';
import { ReceiptBook, type Receipted } from './receipt-book';
import { Sender } from './sender';
import { assertTopicName, problemWithText } from './topic';

/** How long the broker keeps receipts for us while we are away. What comes later is sent once more. */
const RECEIPTS_KEPT_SECONDS = 3_600;

const WHY_DROPPED: Readonly<Record<DropReason, string>> = {
  full: 'the spool is full and its policy drops',
  expired: 'it expired before it could be sent',
  offline: 'its QoS is 0, and the broker takes nothing now',
};

/** Messages that are being removed from the spool, and their payloads, which are given back after that. */
interface Leaving {
  readonly removal: Promise<void>;
  readonly payloads: Uint8Array[];
}

interface Waiter {
  resolve(): void;
  reject(error: unknown): void;
  /** Listens no more to the caller's signal. */
  leave?(): void;
}

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
  readonly #settings: PublisherSettings;
  readonly #spool: Spool;
  readonly #connection: Connection;
  readonly #sender: Sender;
  readonly #receipts: ReceiptBook | undefined;
  /** Who waits for the acknowledgement of a message; empty with a durable spool. */
  readonly #waiters = new PassingMap<Message, Waiter>();
  readonly #idle = new Set<() => void>();
  /** Of the ids of messages that have none. */
  readonly #series = randomUUID();
  #unnamed = 0;
  readonly #counts = { published: 0, acknowledged: 0, stored: 0, dropped: 0, refused: 0, bytes: 0 };
  readonly #leaving: Leaving[] = [];
  /** What has become of messages in this turn, whose waiters hear of it behind it. */
  #entered: Entering[] = [];
  readonly #hasEntered = (entering: Entering) => {
    if (this.#entered.length === 0) queueMicrotask(() => this.#tellEntered());
    this.#entered.push(entering);
  };
  readonly #cannotLeave = (error: RelayError) => this.#fail(error);
  #opening: Promise<void> | undefined;
  #isOpen = false;
  #closing: Promise<void> | undefined;
  #failure: RelayError | undefined;

  constructor(options: PublisherOptions) {
    super();
    this.#settings = publisherSettings(options);
    const { name, windowMessages } = this.#settings;
    this.name = name;
    this.concurrency = windowMessages;
    this.#spool = spoolFor(options.spool);
    this.#spool.onDrop((drop) => this.#dropped(drop));
    const { receipts } = this.#settings;
    this.#receipts =
      receipts &&
      new ReceiptBook(name, receipts, {
        stored: (receipted) => this.#stored(receipted),
        wake: () => this.#sender.pump(),
        silent: (news) => apart(() => this.emit('silent', news)),
        failed: (error) => this.#fail(error),
      });
    const user = {
      acknowledged: (entry: SpoolEntry) => this.#acknowledged(entry),
      refused: (entry: SpoolEntry, error: RelayError) => this.#refused(entry, error),
      isolated: ({ message }: SpoolEntry, retryInMs: number) => {
        // Who hears of it may look at it for as long as he likes.
        keep(message.payload);
        apart(() => this.emit('isolated', { message, retryInMs }));
      },
      waiting: (news: PublisherEvents['waiting'][0]) => apart(() => this.emit('waiting', news)),
      failed: (error: RelayError) => this.#fail(error),
    };
    this.#sender = new Sender(this.#spool, this.#settings, user, this.#receipts);
    const session = receipts?.isNamed ? receipts.publisher : randomUUID().slice(0, 8);
    const clientId = options.clientId ?? `edge-relay-${name.slice(0, 24)}-${session}`;
    this.#connection = new Connection(options, {
      stage: name,
      session: receipts?.isNamed
        ? { clean: false, clientId, properties: { sessionExpiryInterval: RECEIPTS_KEPT_SECONDS } }
        : { clean: true, clientId },
      attach: (_incoming, client) => this.#receipts?.attach(client),
      puback: (messageId, reasonCode) => this.#sender.acknowledge(messageId, reasonCode),
      up: (link) => {
        this.#receipts?.up(link);
        this.#sender.up(link);
        apart(() => this.emit('online', { url: link.url, protocolVersion: link.protocolVersion }));
      },
      down: () => {
        this.#receipts?.down();
        this.#sender.down();
      },
      retrying: ({ error, inMs }) => apart(() => this.emit('offline', { error, retryInMs: inMs })),
      failed: (error) => this.#fail(error),
    });
  }

  /** What has happened so far; `spooled` is what waits now, `oldestAgeSeconds` since when (0: nothing waits). */
  get stats() {
    return {
      ...this.#counts,
      spooled: this.#spool.messages,
      spooledBytes: this.#spool.bytes,
      oldestAgeSeconds: this.#spool.oldestAgeSeconds,
      resent: this.#sender.resent,
      inFlight: this.#sender.inFlight,
      unreceipted: this.#receipts?.outstanding ?? 0,
      online: this.#sender.isOnline,
    };
  }

  /** Opens the spool and begins to connect; does not wait for the broker, so that start order is free. */
  open(): Promise<void> {
    if (this.#closing) return Promise.reject(this.#closedError());
    this.#opening ??= this.#spool.open().then(
      () => {
        this.#isOpen = true;
        this.#connection.open();
      },
      (error) => {
        this.#opening = undefined;
        throw error;
      },
    );
    return this.#opening;
  }

  /**
   * Resolves when the message is durable: in a durable spool, or acknowledged by the broker.
   * @throws {TypeError} without a topic. @throws {RelayError} `MESSAGE_TOO_LARGE`, `MESSAGE_REFUSED`,
   * `MESSAGE_DROPPED`, `BROKER_REFUSED`, or `CLOSED` when it was closed before.
   */
  publish(message: OutgoingMessage, options: { readonly signal?: AbortSignal } = {}): Promise<void> {
    try {
      const complete = this.#complete(message);
      if (!this.#isOpen) return this.open().then(() => this.#give(complete, message.qos, options.signal));
      return this.#give(complete, message.qos, options.signal);
    } catch (error) {
      return Promise.reject(error);
    }
  }

  /**
   * `publish()` for who takes many and waits for none: with an open and durable spool without a promise for each. The
   * waiter is called later in any case.
   */
  publishFor(message: OutgoingMessage, waiter: PublishWaiter, signal?: AbortSignal): void {
    if (!this.#isOpen || !this.#spool.durable || !this.#spool.appendFor || message.qos === 0) {
      this.publish(message, signal && { signal }).then(
        () => waiter.published(),
        (error) => waiter.failed(error),
      );
      return;
    }
    try {
      const complete = this.#complete(message);
      this.#assertUsable();
      this.#sender.assertFits(complete);
      this.#spool.appendFor(complete, new Entering(complete, waiter, this.#hasEntered), signal);
    } catch (error) {
      queueMicrotask(() => waiter.failed(error));
      return;
    }
    // It may be sent while it is on its way to the disk.
    this.#sender.pump();
  }

  /** The stage's way in: `publish()`; but what the spool drops is counted and told, and ends no pipeline. */
  write(message: OutgoingMessage, { signal }: StageContext): Promise<void> {
    return this.publish(message, { signal }).catch(exceptDropped);
  }

  /**
   * Keeps a topic saying what holds now, such as the state of a camera, retained: it is said at once where we are
   * connected, and again with each new connection. Only the last text of a topic counts, and it passes by the spool
   * and the figures. Nobody takes it back for us: whoever reads it looks at `stateTopic`, too, which the broker sets.
   * @throws {TypeError} for a topic that cannot be.
   */
  announce(topic: string, text: string): void {
    assertTopicName(topic, this.name);
    this.#connection.announce(topic, text);
  }

  /** Resolves when the spool is empty: everything is acknowledged by the broker, or with receipts stored. */
  async flush(): Promise<void> {
    await this.open();
    while (!this.#isIdle) {
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
    this.#receipts?.stop();
    await this.#sender.stop(this.#settings.closeTimeoutMs);
    await this.#connection.close();
    await this.#spool.close();
    this.#settleAll(this.#closedError());
  }

  #closedError(): RelayError {
    return new RelayError(`${this.name}: closed before the broker took the message.`, {
      code: 'CLOSED',
      stage: this.name,
    });
  }

  #complete(message: OutgoingMessage): Message {
    const { payload } = message;
    const topic = message.topic ?? this.#settings.topic;
    if (topic === undefined) {
      throw new TypeError(`${this.name}: the message names no topic and the publisher has none. Set topic.`);
    }
    if (topic !== this.#settings.topic) assertTopicName(topic, this.name);
    if (typeof payload !== 'string' && !(payload instanceof Uint8Array)) {
      throw new TypeError(
        `${this.name}: payload must be bytes (Uint8Array) or a text, not ${typeof payload}.`,
      );
    }
    const { stamp } = this.#settings;
    const given: Properties = message.properties ?? {};
    const properties = stamp === undefined ? given : this.#stamped(given, stamp);
    assertTexts(message, properties, this.name);
    const { qos = 1, retain, contentType, expirySeconds, priority } = message;
    const { responseTopic, correlationData, payloadIsText } = message;
    if (qos !== 0 && qos !== 1) throw new TypeError(`${this.name}: qos must be 0 or 1, not ${qos}.`);
    if (priority !== undefined && !Number.isInteger(priority)) {
      throw new TypeError(`${this.name}: priority must be a whole number, not ${priority}.`);
    }
    const complete: { -readonly [Name in keyof Message]: Message[Name] } = {
      id: message.id ?? propertyOf({ properties }, 'id') ?? this.#nextId(),
      topic,
      payload: typeof payload === 'string' ? Buffer.from(payload) : payload,
      properties,
    };
    // One by one: spreading objects of many shapes costs as much as encoding the packet.
    if (retain !== undefined) complete.retain = retain;
    if (contentType !== undefined) complete.contentType = contentType;
    if (expirySeconds !== undefined) complete.expirySeconds = expirySeconds;
    if (priority !== undefined) complete.priority = priority;
    if (responseTopic !== undefined) complete.responseTopic = responseTopic;
    if (correlationData !== undefined) complete.correlationData = correlationData;
    if (payloadIsText !== undefined) complete.payloadIsText = payloadIsText;
    return complete;
  }

  /** As good as a UUID of its own, and made faster. */
  #nextId(): string {
    this.#unnamed += 1;
    return `${this.#series}-${this.#unnamed}`;
  }

  #stamped(given: Properties, stamp: 'publishedat' | 'bridgedat'): Properties {
    const returnMs = this.#receipts?.takeReturnMs();
    return {
      ...given,
      [stamp]: new Date().toISOString(),
      ...(returnMs !== undefined && { receiptms: String(returnMs) }),
    };
  }

  #give(message: Message, qos: 0 | 1 | undefined, signal: AbortSignal | undefined): Promise<void> {
    this.#assertUsable();
    this.#sender.assertFits(message);
    if (qos === 0) {
      this.#publishOnce(message);
      return Promise.resolve();
    }
    const acknowledged = this.#spool.durable ? undefined : this.#acknowledgement(message, signal);
    const appended = this.#spool.append(message, signal).then(
      (entry) => {
        if (!entry) throw this.#dropError(message, 'full');
        this.#counts.published += 1;
        this.#sender.pump();
        return acknowledged;
      },
      (error) => {
        this.#settle(message, error);
        throw error;
      },
    );
    // It may be sent while it is on its way to the disk.
    this.#sender.pump();
    return appended;
  }

  #tellEntered(): void {
    const entered = this.#entered;
    this.#entered = [];
    this.#sender.pump();
    // One whose waiter throws keeps nobody else from hearing.
    for (const each of entered) apart(() => this.#tell(each));
  }

  #tell({ message, waiter, isIn, error }: Entering): void {
    if (isIn) {
      this.#counts.published += 1;
      waiter.published();
    } else waiter.failed(error ?? this.#dropError(message, 'full'));
  }

  /** QoS 0: now or never. */
  #publishOnce(message: Message): void {
    this.#counts.published += 1;
    if (this.#sender.sendOnce(message)) {
      this.#counts.acknowledged += 1;
      this.#counts.bytes += message.payload.byteLength;
      const { id, topic = '', payload } = message;
      apart(() => this.emit('acknowledged', { id, topic, bytes: payload.byteLength }));
      return;
    }
    this.#dropped({ message, reason: 'offline' });
    throw this.#dropError(message, 'offline');
  }

  /** Made before the message enters the spool, which may drop it again before we get to wait. */
  #acknowledgement(message: Message, signal?: AbortSignal): Promise<void> {
    const acknowledged = new Promise<void>((resolve, reject) => {
      const leave = signal && onAbort(signal, () => this.#settle(message, signal.reason));
      this.#waiters.set(message, { resolve, reject, ...(leave && { leave }) });
    });
    acknowledged.catch(() => {});
    return acknowledged;
  }

  #settle(message: Message, error?: unknown): void {
    const waiter = this.#waiters.get(message);
    this.#waiters.delete(message);
    waiter?.leave?.();
    if (error) waiter?.reject(error);
    else waiter?.resolve();
  }

  #fail(error: RelayError): void {
    this.#failure = error;
    this.#settleAll(error);
    apart(() => this.emit('failed', { error }));
  }

  #acknowledged(entry: SpoolEntry): void {
    const { id, topic = '', payload } = entry.message;
    this.#counts.acknowledged += 1;
    this.#counts.bytes += payload.byteLength;
    if (!this.#receipts) {
      const removal = this.#spool.remove(entry.position);
      // Sent and taken over: only the spool may still look at it, until it is gone from there.
      if (entry.isReadBack) giveBack(payload);
      this.#left(removal, entry.isReadBack ? undefined : payload);
      this.#settle(entry.message);
    }
    apart(() => this.emit('acknowledged', { id, topic, bytes: payload.byteLength }));
  }

  #stored({ position, ...news }: Receipted): void {
    this.#counts.stored += 1;
    this.#sender.forget(position);
    const leaves = async () => {
      const entry = this.#spool.durable ? undefined : await this.#spool.get(position);
      await this.#spool.remove(position);
      if (entry) this.#settle(entry.message);
    };
    this.#left(leaves());
    apart(() => this.emit('stored', news));
  }

  #refused(entry: SpoolEntry, error: RelayError): void {
    this.#counts.refused += 1;
    this.#left(this.#spool.setAside(entry.position, error.message));
    this.#settle(entry.message, error);
    apart(() => this.emit('refused', { message: entry.message, error }));
  }

  /** A spool removes many at a time, which all have the same promise: they need not wait for it one by one. */
  #left(removal: Promise<void>, payload?: Uint8Array): void {
    if (this.#leaving.at(-1)?.removal !== removal) {
      const leaving = { removal, payloads: [] };
      this.#leaving.push(leaving);
      removal.then(() => this.#haveLeft(leaving), this.#cannotLeave);
    }
    if (payload) this.#leaving.at(-1)!.payloads.push(payload);
  }

  #haveLeft(leaving: Leaving): void {
    this.#leaving.splice(this.#leaving.indexOf(leaving), 1);
    for (const payload of leaving.payloads) giveBack(payload);
    if (this.#isIdle) this.#wakeIdle();
  }

  #dropped({ message, position, reason }: Omit<SpoolDrop, 'reason'> & { reason: DropReason }): void {
    this.#counts.dropped += 1;
    if (position !== undefined) this.#sender.forget(position);
    this.#settle(message, this.#dropError(message, reason));
    if (this.#isIdle) this.#wakeIdle();
    apart(() => this.emit('drop', { message, reason }));
  }

  #dropError(message: Message, reason: DropReason): RelayError {
    return new RelayError(`${this.name}: message ${message.id} was dropped: ${WHY_DROPPED[reason]}.`, {
      code: 'MESSAGE_DROPPED',
      stage: this.name,
    });
  }

  get #isIdle(): boolean {
    return this.#spool.messages === 0 && this.#leaving.length === 0;
  }

  #assertUsable(): void {
    if (this.#failure) throw this.#failure;
    if (this.#closing) throw this.#closedError();
  }

  #settleAll(error: RelayError): void {
    for (const message of [...this.#waiters.keys()]) this.#settle(message, error);
    this.#wakeIdle();
  }

  #wakeIdle(): void {
    for (const wake of this.#idle) wake();
    this.#idle.clear();
  }
}

function exceptDropped(error: unknown): void {
  if (!(error instanceof RelayError && error.code === 'MESSAGE_DROPPED')) throw error;
}

/** @throws {TypeError} for a text that brokers hang up on: the message would stand in the way of all others. */
function assertTexts(
  { contentType, responseTopic }: OutgoingMessage,
  properties: Properties,
  stage: string,
): void {
  const assertText = (text: unknown) => {
    const problem = typeof text === 'string' ? problemWithText(text) : `must be a text, not ${typeof text}`;
    if (problem) throw new TypeError(`${stage}: a property, content type or response topic ${problem}.`);
  };
  if (contentType !== undefined) assertText(contentType);
  if (responseTopic !== undefined) assertText(responseTopic);
  for (const name of Object.keys(properties)) {
    const value = properties[name];
    assertText(name);
    if (Array.isArray(value)) for (const one of value) assertText(one);
    else assertText(value);
  }
}

function spoolFor(spool: string | Spool | undefined): Spool {
  if (spool === undefined) return new MemorySpool();
  return typeof spool === 'string' ? new LmdbSpool(spool) : spool;
}

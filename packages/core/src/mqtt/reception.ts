import type { MqttClient } from 'mqtt';
import { Channel } from '../channel';
import { RelayError } from '../errors';
import { Acknowledger } from './acknowledger';
import type { BrokerOptions } from './broker-options';
import { Connection } from './connection';
import type { Incoming } from './incoming';
import type { Link } from './link';
import type { IncomingPublish } from './publish-packet';
import { ReceiptWriter } from './receipt-writer';
import { ReceivedMessage } from './received-message';

/** Counters that outlive one iteration. */
export interface ReceptionCounts {
  received: number;
  redelivered: number;
  acknowledged: number;
  acknowledgedTooLate: number;
  /** Receipts that found no room while the broker was away, or fit into no packet that it takes. */
  receiptsDropped: number;
}

export interface ReceptionOptions {
  readonly stage: string;
  readonly clientId: string;
  readonly clean: boolean;
  readonly sessionExpirySeconds: number;
  readonly filters: readonly string[];
  readonly windowMessages: number;
  readonly windowBytes: number;
  readonly counts: ReceptionCounts;
  /** Whether what is acknowledged is receipted. */
  readonly qos: 0 | 1;
  readonly receipts: boolean;
  readonly retainAsPublished: boolean;
  /** Whether who takes the messages gives their payloads back; see `IncomingUser`. */
  readonly borrows: boolean;
  online(link: Link): void;
  /** The broker knew our session once, and does no longer. */
  forgotten(link: Link): void;
  offline(error: RelayError, retryInMs: number): void;
}

interface Arrival {
  readonly message: ReceivedMessage;
  readonly acknowledger: Acknowledger;
  /** Whether it needs no acknowledgement (QoS 0) and counts only until it is handed out. */
  readonly needsNone: boolean;
}

/** One iteration of a Subscriber: its connection, what has arrived, and what is still unacknowledged. */
export class Reception {
  readonly #options: ReceptionOptions;
  readonly #connection: Connection;
  readonly #keepaliveMs: number;
  /** Bounded by the window, beyond which nothing is read. */
  readonly #arrivals = new Channel<Arrival>({ highWaterMark: 65_536 });
  readonly #settled = new Set<() => void>();
  readonly #receipts: ReceiptWriter | undefined;
  #acknowledger: Acknowledger | undefined;
  #client: MqttClient | undefined;
  #incoming: Incoming | undefined;
  #subscribed = false;
  #online = false;
  #isStopping = false;
  #outstanding = 0;
  #outstandingBytes = 0;
  /** The packet that found no room: nothing more is read until it has. */
  #held: IncomingPublish | undefined;
  #pinger: NodeJS.Timeout | undefined;

  constructor(broker: BrokerOptions, options: ReceptionOptions) {
    this.#options = options;
    this.#receipts = options.receipts ? new ReceiptWriter(options.counts) : undefined;
    this.#keepaliveMs = (broker.keepaliveSeconds ?? 30) * 1000;
    const { stage, clientId, clean, sessionExpirySeconds, windowMessages } = options;
    this.#connection = new Connection(broker, {
      stage,
      session: {
        clean,
        clientId,
        properties: { receiveMaximum: windowMessages, sessionExpiryInterval: sessionExpirySeconds },
      },
      borrows: options.borrows,
      attach: (incoming, client) => {
        this.#incoming = incoming;
        this.#client = client;
      },
      publish: (packet) => this.#receive(packet),
      puback: (messageId) => this.#receipts?.acknowledged(messageId),
      up: (link) => this.#up(link),
      down: () => this.#down(),
      retrying: ({ error, inMs }) => options.offline(error, inMs),
      failed: (error) => this.#fail(error),
    });
  }

  get outstanding(): number {
    return this.#outstanding;
  }

  get online(): boolean {
    return this.#online;
  }

  async next(): Promise<IteratorResult<ReceivedMessage, undefined>> {
    if (!this.#isStopping) this.#connection.open();
    const result = await this.#arrivals.next();
    if (result.done) return result;
    return { done: false, value: this.#handOut(result.value) };
  }

  /** All that has arrived, at least one; nothing after the end. */
  async batch(): Promise<readonly ReceivedMessage[]> {
    const first = await this.next();
    if (first.done) return [];
    const batch = [first.value];
    for (let next = this.#arrivals.poll(); next; next = this.#arrivals.poll())
      batch.push(this.#handOut(next));
    return batch;
  }

  /** Disconnects now; what is not acknowledged stays with the broker. */
  async stop(): Promise<void> {
    this.#refuseNew();
    await this.#arrivals.return();
    for (const settled of this.#settled) settled();
    await this.#connection.close();
  }

  /** Ends the iteration behind what has arrived, and disconnects when that is acknowledged. */
  async drain(timeoutMs: number): Promise<void> {
    this.#refuseNew();
    this.#arrivals.end();
    if (this.#outstanding > 0) await this.#settlement(timeoutMs);
    await this.#receipts?.stop(timeoutMs);
    await this.#connection.close();
  }

  #handOut({ message, needsNone }: Arrival): ReceivedMessage {
    if (needsNone) this.#released(message.payload.byteLength);
    return message;
  }

  #up(link: Link): void {
    this.#acknowledger = new Acknowledger(link, {
      acknowledged: (inTime) => {
        this.#options.counts[inTime ? 'acknowledged' : 'acknowledgedTooLate'] += 1;
      },
      released: (bytes) => this.#released(bytes),
    });
    this.#receipts?.up(link);
    this.#subscribe(link);
    this.#resume();
  }

  #down(): void {
    const acknowledger = this.#acknowledger;
    this.#receipts?.down();
    this.#acknowledger = undefined;
    this.#online = false;
    this.#held = undefined;
    clearInterval(this.#pinger);
    // The broker delivers them again on the next link; handed out now, they would only come twice.
    this.#arrivals.discard((arrival) => arrival.acknowledger === acknowledger && !arrival.needsNone);
    acknowledger?.abandon();
  }

  #subscribe(link: Link): void {
    const { filters, stage, online, forgotten, clean, qos, retainAsPublished } = this.#options;
    const isUp = () => {
      this.#online = true;
      online(link);
    };
    if (link.sessionPresent && this.#subscribed) {
      isUp();
      return;
    }
    if (this.#subscribed && !clean) forgotten(link);
    // Until it has answered: a link that breaks before leaves a session without a subscription.
    this.#subscribed = false;
    // Retain handling 1: retained messages only for a new subscription (MQTT 5 section 3.8.3.1).
    const wish = { qos, ...(link.protocolVersion === 5 && { rh: 1, rap: retainAsPublished }) } as const;
    link.client.subscribe(Object.fromEntries(filters.map((filter) => [filter, wish])), (error) => {
      const granted = (error as { packet?: { granted?: readonly number[] } } | null)?.packet?.granted ?? [];
      const refused = granted.findIndex((code) => code >= 0x80);
      if (refused !== -1) {
        const what = `${JSON.stringify(filters[refused])} (code 0x${granted[refused]?.toString(16)})`;
        const message = `${stage}: the broker refused the subscription to ${what}. Check its access rules and the topic.`;
        this.#fail(new RelayError(message, { code: 'SUBSCRIPTION_REFUSED', stage, cause: error }));
      } else if (error) {
        // Without a subscription a link is of no use; the next one tries again.
        link.destroy(`it did not answer the subscription (${error.message})`);
      } else {
        this.#subscribed = true;
        isUp();
      }
    });
  }

  /** The iteration rejects, and the connection is given up. */
  #fail(error: RelayError): void {
    this.#refuseNew();
    this.#arrivals.abort(error);
    void this.#connection.close();
  }

  /** False where there is no room for more. */
  #receive(packet: IncomingPublish): boolean {
    if (this.#isStopping) return true;
    if (this.#acknowledger && this.#hasRoom()) {
      this.#accept(this.#acknowledger, packet);
      return true;
    }
    this.#held = packet;
    this.#keepAlive();
    return false;
  }

  #accept(acknowledger: Acknowledger, packet: IncomingPublish): void {
    const { counts } = this.#options;
    this.#outstanding += 1;
    this.#outstandingBytes += packet.payload.length;
    counts.received += 1;
    if (packet.dup) counts.redelivered += 1;
    const pending = packet.qos === 0 ? undefined : acknowledger.add(packet);
    const message = new ReceivedMessage(packet, pending, this.#receipts);
    // It is never full, and where it has ended nothing comes here.
    void this.#arrivals.push({ message, acknowledger, needsNone: !pending });
  }

  #released(bytes: number): void {
    this.#outstanding -= 1;
    this.#outstandingBytes -= bytes;
    if (this.#outstanding === 0) for (const settled of this.#settled) settled();
    this.#resume();
  }

  #hasRoom(): boolean {
    const { windowMessages, windowBytes } = this.#options;
    return this.#outstanding < windowMessages && this.#outstandingBytes < windowBytes;
  }

  #resume(): void {
    if (!this.#held || !this.#acknowledger || !this.#hasRoom()) return;
    const packet = this.#held;
    this.#held = undefined;
    clearInterval(this.#pinger);
    this.#accept(this.#acknowledger, packet);
    this.#incoming?.resume();
  }

  /** While nothing is read, MQTT.js cannot see the broker's answers to its pings: ping without waiting for them. */
  #keepAlive(): void {
    clearInterval(this.#pinger);
    this.#pinger = setInterval(() => {
      if (!this.#client?.connected) return;
      this.#client.sendPing();
      this.#client.reschedulePing(true);
    }, this.#keepaliveMs / 2);
  }

  #refuseNew(): void {
    this.#isStopping = true;
    clearInterval(this.#pinger);
    this.#held = undefined;
    this.#incoming?.resume();
  }

  async #settlement(timeoutMs: number): Promise<void> {
    await new Promise<void>((resolve) => {
      const timer = setTimeout(resolve, timeoutMs);
      this.#settled.add(() => {
        clearTimeout(timer);
        resolve();
      });
    });
  }
}

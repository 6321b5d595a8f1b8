import { messageOf, RelayError } from '../errors';
import type { Message } from '../message';
import { PassingMap } from '../passing-map';
import { messageBytes } from '../spool/message-bytes';
import type { Spool, SpoolEntry } from '../spool/spool';
import { spoolClock } from '../spool/spool-clock';
import { InFlightWindow } from './in-flight-window';
import { Isolation } from './isolation';
import type { Link } from './link';
import { NO_IDENTIFIER } from './publish-packet';
import type { PublisherSettings } from './publisher-options';
import { RateLimit } from './rate-limit';
import type { ReceiptBook } from './receipt-book';
import { WaitingTopics } from './waiting-topics';

/** Who sends, and what it hears. */
export interface SenderUser {
  /** The broker has taken the message over. */
  acknowledged(entry: SpoolEntry): void;
  /** The message can never be sent. */
  refused(entry: SpoolEntry, error: RelayError): void;
  /** The messages of a topic wait. */
  waiting(news: { readonly topic: string; readonly reasonCode: number; readonly retryInMs: number }): void;
  /** The broker has hung up on this one when it was sent alone. */
  isolated(entry: SpoolEntry, retryInMs: number): void;
  /** The spool cannot be read. */
  failed(error: RelayError): void;
}

/** Beyond this what waits to be written to the connection counts as full for QoS 0, in bytes. */
const UNSENT_BYTES = 1024 * 1024;
/** A longer one would go off at once. */
const LONGEST_TIMER_MS = 2 ** 31 - 1;
/** No matching subscribers (MQTT 5 section 3.4.2.1). */
const NO_SUBSCRIBER = 0x10;
/** PUBACK codes that no waiting cures (section 3.4.2.1). */
const PERMANENT_REFUSALS = new Map([
  [0x87, 'not authorised'],
  [0x90, 'topic name invalid'],
  [0x95, 'packet too large'],
  [0x99, 'payload format invalid'],
]);

/**
 * Moves messages from a spool to a broker: in the spool's order, as many in flight as the window allows, everything
 * unacknowledged again on each new link, and what nobody subscribes to when somebody does.
 */
export class Sender {
  readonly #spool: Spool;
  readonly #settings: PublisherSettings;
  readonly #user: SenderUser;
  readonly #window: InFlightWindow;
  readonly #topics: WaitingTopics;
  readonly #receipts: ReceiptBook | undefined;
  readonly #rate: RateLimit | undefined;
  readonly #isolation: Isolation;
  #nextTurn: NodeJS.Timeout | undefined;
  #link: Link | undefined;
  /** Read from the spool for the current link, and not sent yet. */
  #ahead: SpoolEntry[] = [];
  /** The positions of what is due again: for want of a receipt, or to be tried alone. */
  #again: number[] = [];
  #isNewLink = false;
  /** The positions of what was sent, on any link, and is still in the spool. */
  readonly #sent = new PassingMap<number, true>();
  #resent = 0;
  #isSending = false;
  #isAskedAgain = false;
  #isStopped = false;

  constructor(spool: Spool, settings: PublisherSettings, user: SenderUser, receipts?: ReceiptBook) {
    this.#spool = spool;
    this.#receipts = receipts;
    this.#isolation = new Isolation(settings.retryMaximumMs * 2);
    this.#rate = settings.limit && new RateLimit(settings.limit, settings.name);
    this.#settings = settings;
    this.#user = user;
    this.#window = new InFlightWindow({ ...settings, stamp: receipts?.stamp });
    this.#topics = new WaitingTopics(spool.order, () => this.pump());
  }

  get isOnline(): boolean {
    return this.#link !== undefined;
  }

  get inFlight(): number {
    return this.#window.messages;
  }

  /** How many messages were sent more than once. */
  get resent(): number {
    return this.#resent;
  }

  up(link: Link): void {
    this.#link = link;
    this.#isNewLink = true;
    this.#window.open(link);
    this.pump();
  }

  down(): void {
    this.#link = undefined;
    const inFlight = this.#window.entries;
    const pauseMs = this.#isolation.down(inFlight, performance.now());
    if (pauseMs !== undefined) this.#user.isolated(inFlight[0]!, pauseMs);
    this.#window.clear();
    this.#topics.clear();
    this.#ahead = [];
    this.#again = [];
    // Nothing is on its way any more.
    this.#spool.rewind();
  }

  /** Sends nothing more; resolves when nothing is in flight, or after so many milliseconds. */
  async stop(timeoutMs: number): Promise<void> {
    this.#isStopped = true;
    clearTimeout(this.#nextTurn);
    this.#topics.clear();
    await this.#window.emptied(timeoutMs);
  }

  /** A message has left the spool: without being sent, or stored at the end of the way. */
  forget(position: number): void {
    this.#receipts?.forget(position);
    this.#isolation.forget(position);
    const sent = this.#sent.delete(position) && this.#window.forget(position);
    if (sent) this.#topics.settled(sent);
    this.#topics.forget(position);
    const ahead = this.#ahead.findIndex((entry) => entry.position === position);
    if (ahead !== -1) this.#ahead.splice(ahead, 1);
  }

  /** Sends a message with QoS 0; false when nobody takes it now. */
  sendOnce(message: Message): boolean {
    const link = this.#link;
    if (!link?.alive || link.unsentBytes > UNSENT_BYTES) return false;
    link.publish(message, message.topic ?? '', NO_IDENTIFIER);
    return true;
  }

  /** Sends what fits into the window, once all that happens now has happened; called whenever that may be more. */
  pump(): void {
    this.#isAskedAgain = true;
    if (this.#isSending) return;
    this.#isSending = true;
    queueMicrotask(() => this.#sendAll());
  }

  async #sendAll(): Promise<void> {
    try {
      while (this.#isAskedAgain) {
        this.#isAskedAgain = false;
        await this.#sendSome();
      }
    } catch (error) {
      const { name: stage } = this.#settings;
      const details = { code: 'SPOOL_FAILED', stage, cause: error } as const;
      this.#user.failed(error instanceof RelayError ? error : new RelayError(`${stage}: ${error}`, details));
    } finally {
      this.#isSending = false;
    }
  }

  /** A PUBACK has come. */
  acknowledge(messageId: number, reasonCode: number): void {
    const entry = this.#window.acknowledge(messageId);
    if (entry) this.#isolation.answered(entry.position);
    try {
      if (entry) this.#heed(entry, reasonCode);
    } finally {
      this.pump();
    }
  }

  #heed(entry: SpoolEntry, reasonCode: number): void {
    const refusal = PERMANENT_REFUSALS.get(reasonCode);
    // What is retained the broker keeps for those who come later, whether somebody subscribes now or not.
    const isWanted = this.#settings.whenNoSubscriber === 'keep' && !entry.message.retain;
    const isKept = reasonCode === NO_SUBSCRIBER && isWanted;
    if (refusal !== undefined) {
      this.#refuse(entry, this.#refusalOf(entry.message, refusal));
    } else if (isKept || reasonCode >= 0x80) {
      this.#receipts?.forget(entry.position);
      const retryInMs = this.#topics.postpone(entry);
      const { topic = '' } = entry.message;
      if (retryInMs !== undefined) this.#user.waiting({ topic, reasonCode, retryInMs });
    } else {
      this.#topics.settled(entry);
      if (!this.#receipts) this.#sent.delete(entry.position);
      if (this.#receipts?.taken(entry.position) ?? true) this.#user.acknowledged(entry);
    }
  }

  #refuse(entry: SpoolEntry, error: RelayError): void {
    this.#receipts?.forget(entry.position);
    this.#sent.delete(entry.position);
    this.#topics.settled(entry);
    this.#user.refused(entry, error);
  }

  /**
   * @param bytes what the message counts, where that is known
   * @throws {RelayError} `MESSAGE_TOO_LARGE` for what the broker would throw us out for
   */
  assertFits(message: Message, bytes = messageBytes(message)): void {
    const { maximumPacketBytes, name: stage } = this.#settings;
    const limit = Math.min(maximumPacketBytes, this.#link?.limits.maximumPacketSize ?? maximumPacketBytes);
    if (bytes <= limit / 2) return;
    const size = this.#window.packetSize(message);
    if (size <= limit) return;
    const broker = this.#link ? `the broker at ${this.#link.url}` : 'the broker';
    throw new RelayError(
      `${stage}: message ${message.id} makes a packet of ${size} bytes; ${broker} takes ${limit} at the most. Send smaller pictures (format jpeg, a smaller margin) or raise its max_packet_size.`,
      { code: 'MESSAGE_TOO_LARGE', stage },
    );
  }

  async #sendSome(): Promise<void> {
    const link = this.#link;
    if (!link || this.#isStopped) return;
    for (let entry = this.#topics.due; entry; entry = this.#topics.due) {
      if (!this.#mayGo(entry.bytes)) return;
      this.#topics.takeDue();
      if (!this.#send(entry)) await link.drained();
      if (link !== this.#link) return;
    }
    if (!(await this.#sendAgain(link))) return;
    if (this.#isNewLink) this.#spool.rewind();
    this.#isNewLink = false;
    for (;;) {
      const entry = this.#ahead[0] ?? (await this.#read());
      if (link !== this.#link || !entry) return;
      const isOut = this.#receipts?.has(entry.position) || this.#isolation.has(entry.position);
      if (!isOut && !((this.#receipts?.hasRoom ?? true) && this.#mayGo(entry.bytes))) return;
      this.#ahead.shift();
      if (isOut || this.#topics.holds(entry)) continue;
      if (!this.#send(entry)) await link.drained();
      if (link !== this.#link) return;
    }
  }

  /** Whether a message of so many bytes may go now; if only the rate limit forbids it, it comes back in time. */
  #mayGo(bytes: number): boolean {
    if (!this.#window.hasRoomFor(bytes) || (this.#isolation.isOn && this.#window.messages > 0)) return false;
    const waitMs = this.#rate?.delayMs(bytes, performance.now()) ?? 0;
    if (waitMs > 0) this.#comeBack(waitMs);
    return waitMs === 0;
  }

  #comeBack(inMs: number): void {
    // A turn that was begun before `stop()` must not keep the process alive behind it.
    if (this.#isStopped) return;
    clearTimeout(this.#nextTurn);
    this.#nextTurn = setTimeout(() => this.pump(), Math.min(inMs, LONGEST_TIMER_MS));
  }

  /** What is to be sent again now, and may go before all that is new. */
  #due(): number[] {
    const now = performance.now();
    const due = [...(this.#receipts?.due() ?? [])];
    const suspect = this.#isolation.due(now);
    if (suspect !== undefined) due.push(suspect);
    const inMs = this.#isolation.dueInMs(now);
    if (inMs !== undefined && Number.isFinite(inMs)) this.#comeBack(inMs);
    return due;
  }

  /** Sends what is due again; false when that is not over for now. */
  async #sendAgain(link: Link): Promise<boolean> {
    if (this.#again.length === 0) this.#again = this.#due();
    for (let position = this.#again[0]; position !== undefined; position = this.#again[0]) {
      const isWanted = this.#receipts?.has(position) || this.#isolation.has(position);
      const entry = isWanted ? await this.#spool.get(position) : undefined;
      if (link !== this.#link || (entry && !this.#mayGo(entry.bytes))) return false;
      this.#again.shift();
      if (entry && !this.#send(entry)) await link.drained();
      if (link !== this.#link) return false;
    }
    return true;
  }

  /** Reads on; resolves with the first of what was read. */
  async #read(): Promise<SpoolEntry | undefined> {
    if (!this.#window.hasRoomFor(0) || this.#topics.isFull) return undefined;
    const link = this.#link;
    // What may not go yet stays in the spool, where something of a higher priority can pass it.
    const most = this.#rate ? 1 : this.#window.room;
    const entries = await this.#spool.read(most, this.#window.roomBytes);
    if (link === this.#link) this.#ahead = [...entries];
    return this.#ahead[0];
  }

  /** False when the link takes no more for now. */
  #send(entry: SpoolEntry): boolean {
    if (entry.expiresAt !== undefined && entry.expiresAt <= spoolClock()) {
      // The spool drops it.
      this.#topics.settled(entry);
      return true;
    }
    try {
      this.assertFits(entry.message, entry.bytes);
      this.#receipts?.sending(entry);
      this.#rate?.take(entry.bytes, performance.now());
      const isTaken = this.#window.send(entry);
      if (this.#sent.get(entry.position)) this.#resent += 1;
      this.#sent.set(entry.position, true);
      return isTaken;
    } catch (error) {
      // Only this message cannot be sent; those behind it can.
      const { name: stage } = this.#settings;
      const refusal = `${stage}: message ${entry.message.id} cannot be made into a packet (${messageOf(error)}).`;
      const details = { code: 'MESSAGE_REFUSED', stage, cause: error } as const;
      this.#refuse(entry, error instanceof RelayError ? error : new RelayError(refusal, details));
      return true;
    }
  }

  #refusalOf({ id, topic }: Message, why: string): RelayError {
    const { name: stage } = this.#settings;
    return new RelayError(
      `${stage}: the broker refused message ${id} on topic ${topic} (${why}). Check the broker's access rules and the topic.`,
      { code: 'MESSAGE_REFUSED', stage },
    );
  }
}

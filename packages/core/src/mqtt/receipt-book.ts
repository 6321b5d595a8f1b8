import type { MqttClient } from 'mqtt';
import type { RelayError } from '../errors';
import type { Properties } from '../message';
import { propertyOf } from '../message';
import { PassingMap } from '../passing-map';
import type { SpoolEntry } from '../spool/spool';
import type { Link } from './link';
import { ReceiptLedger, type ReceiptRules } from './receipt-ledger';
import { ReceiptListener } from './receipt-listener';
import { digestOf, RECEIPTS_TO, type ReceiptBatch } from './receipts';

/** What a publisher knows of a message whose receipt is here. */
export interface Receipted {
  readonly position: number;
  readonly id: string;
  readonly topic: string;
  readonly bytes: number;
}

export interface ReceiptBookUser {
  /** The message is safe at the end of the way. */
  stored(receipted: Receipted): void;
  /** Something may be due, or there may be room again. */
  wake(): void;
  silent(news: { readonly outstanding: number; readonly attempts: number }): void;
  failed(error: RelayError): void;
}

/** A publisher's side of receipts: what waits for one, what came, and what is to be sent again. */
export class ReceiptBook {
  /** The properties by which the other end knows where receipts go. */
  readonly stamp: Properties;
  readonly #ledger: ReceiptLedger;
  readonly #listener: ReceiptListener;
  readonly #user: ReceiptBookUser;
  readonly #intervalMs: number;
  readonly #details = new PassingMap<number, Receipted>();
  #clock: NodeJS.Timeout | undefined;
  #returnMs: number | undefined;

  constructor(stage: string, settings: ReceiptRules & { readonly publisher: string }, user: ReceiptBookUser) {
    this.stamp = { [RECEIPTS_TO]: settings.publisher };
    this.#user = user;
    this.#intervalMs = Math.max(50, Math.min(settings.resendAfterMs, settings.probeAfterMs) / 4);
    this.#ledger = new ReceiptLedger(settings);
    this.#listener = new ReceiptListener(stage, settings.publisher, {
      receipts: (batch) => this.#heard(batch),
      failed: (error) => user.failed(error),
    });
  }

  /** How many are sent and not receipted. */
  get outstanding(): number {
    return this.#ledger.size;
  }

  /** Whether one more may be sent that was not sent before. */
  get hasRoom(): boolean {
    return this.#ledger.hasRoom;
  }

  attach(client: MqttClient): void {
    this.#listener.attach(client);
  }

  up(link: Link): void {
    this.#listener.up(link);
    this.#clock = setInterval(() => this.#user.wake(), this.#intervalMs);
  }

  down(): void {
    this.stop();
    this.#listener.down();
    this.#ledger.lost();
    for (const position of this.#details.keys()) {
      if (!this.#ledger.has(position)) this.#details.delete(position);
    }
  }

  stop(): void {
    clearInterval(this.#clock);
  }

  /** Whether it is out, and no new message. */
  has(position: number): boolean {
    return this.#ledger.has(position);
  }

  /** Call it before the message goes out. */
  sending({ position, message }: SpoolEntry): void {
    const { topic = '', payload } = message;
    this.#listener.expect(topic);
    // The id that the other end will see is the property, which is what travels.
    const id = propertyOf(message, 'id');
    const receipt = { ...(id !== undefined && { id }), sha256: digestOf(payload) };
    this.#ledger.sent(position, receipt, performance.now());
    this.#details.set(position, { position, id: message.id, topic, bytes: payload.byteLength });
  }

  /** The broker has acknowledged it; false when it has before. */
  taken(position: number): boolean {
    return this.#ledger.taken(position);
  }

  /** It is wanted no more, or counts as not sent. */
  forget(position: number): void {
    this.#ledger.forget(position);
    this.#details.delete(position);
  }

  /** The positions of what is to be sent again now. */
  due(): readonly number[] {
    const probes = this.#ledger.unansweredProbes;
    const due = this.#ledger.due(performance.now());
    const attempts = this.#ledger.unansweredProbes;
    if (attempts > probes) this.#user.silent({ outstanding: this.outstanding, attempts });
    return due;
  }

  /**
   * How long the fastest receipt took to come back since this was asked last, in milliseconds from the clock of who
   * wrote it to ours; undefined where none came.
   */
  takeReturnMs(): number | undefined {
    const fastest = this.#returnMs;
    this.#returnMs = undefined;
    return fastest;
  }

  #heard({ receipts, writtenAt }: ReceiptBatch): void {
    const now = performance.now();
    if (writtenAt !== undefined) {
      this.#returnMs = Math.min(this.#returnMs ?? Number.POSITIVE_INFINITY, Date.now() - writtenAt);
    }
    for (const receipt of receipts) {
      for (const position of this.#ledger.receipt(receipt, now)) {
        const receipted = this.#details.get(position);
        this.#details.delete(position);
        if (receipted) this.#user.stored(receipted);
      }
    }
    this.#user.wake();
  }
}

import type { Link } from './link';
import type { IncomingPublish } from './publish-packet';

/** Who receives messages, and hears what becomes of them. */
export interface AcknowledgerUser {
  /** Somebody is done with a message; `inTime` where the link that brought it is still there. */
  acknowledged(inTime: boolean): void;
  /** A message of so many bytes no longer counts as outstanding. */
  released(bytes: number): void;
}

/** A message that the broker waits to hear of. */
export class Pending {
  readonly messageId: number;
  readonly qos: 1 | 2;
  readonly bytes: number;
  isAcknowledged = false;
  readonly #acknowledger: Acknowledger;

  constructor(acknowledger: Acknowledger, { messageId, qos, payload }: IncomingPublish) {
    this.#acknowledger = acknowledger;
    this.messageId = messageId;
    this.qos = qos === 2 ? 2 : 1;
    this.bytes = payload.length;
  }

  /** Idempotent. */
  acknowledge(): void {
    if (this.isAcknowledged) return;
    this.isAcknowledged = true;
    this.#acknowledger.advance();
  }
}

/**
 * Writes PUBACKs on the link that brought the messages, in the order in which they came (MQTT 5 section
 * 4.6), however mixed the order in which they are acknowledged here.
 */
export class Acknowledger {
  readonly #link: Link;
  readonly #user: AcknowledgerUser;
  #pending: Pending[] = [];
  #head = 0;
  #isAbandoned = false;

  constructor(link: Link, user: AcknowledgerUser) {
    this.#link = link;
    this.#user = user;
  }

  add(packet: IncomingPublish): Pending {
    const pending = new Pending(this, packet);
    this.#pending.push(pending);
    return pending;
  }

  /** One more is acknowledged: writes what has come to the head of the line. */
  advance(): void {
    // An acknowledgement still reaches the broker.
    this.#user.acknowledged(!this.#isAbandoned && this.#link.alive);
    for (let head = this.#pending[this.#head]; head?.isAcknowledged; head = this.#pending[this.#head]) {
      this.#head += 1;
      this.#link.acknowledge(head.messageId, head.qos);
      this.#user.released(head.bytes);
    }
    if (this.#head > 64 && this.#head * 2 > this.#pending.length) {
      this.#pending = this.#pending.slice(this.#head);
      this.#head = 0;
    }
  }

  /** The link is gone: nothing counts any more, because the broker delivers all of it again. */
  abandon(): void {
    this.#isAbandoned = true;
    const pending = this.#pending.slice(this.#head);
    this.#pending = [];
    this.#head = 0;
    for (const { bytes } of pending) this.#user.released(bytes);
  }
}

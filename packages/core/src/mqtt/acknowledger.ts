import type { Link } from './link';

/** A message that the broker waits to hear of. */
export interface Pending {
  readonly messageId: number;
  acknowledged: boolean;
  /** Called when it no longer counts as outstanding. */
  release(): void;
}

/**
 * Writes PUBACKs on the link that brought the messages, in the order in which they came (MQTT 5 section
 * 4.6), however mixed the order in which they are acknowledged here.
 */
export class Acknowledger {
  readonly #link: Link;
  #pending: Pending[] = [];
  #head = 0;
  #isAbandoned = false;

  constructor(link: Link) {
    this.#link = link;
  }

  /** Whether an acknowledgement still reaches the broker. */
  get isAlive(): boolean {
    return !this.#isAbandoned && this.#link.alive;
  }

  add(messageId: number, release: () => void): Pending {
    const pending = { messageId, acknowledged: false, release };
    this.#pending.push(pending);
    return pending;
  }

  /** Marks a message as done and writes what has come to the head of the line. */
  acknowledge(pending: Pending): void {
    pending.acknowledged = true;
    for (let head = this.#pending[this.#head]; head?.acknowledged; head = this.#pending[this.#head]) {
      this.#head += 1;
      this.#link.send({ cmd: 'puback', messageId: head.messageId, reasonCode: 0 });
      head.release();
    }
    if (this.#head > 64 && this.#head * 2 > this.#pending.length) {
      this.#pending = this.#pending.slice(this.#head);
      this.#head = 0;
    }
  }

  /** The link is gone: nothing counts any more, because the broker delivers all of it again. */
  abandon(): void {
    this.#isAbandoned = true;
    for (const pending of this.#pending.slice(this.#head)) pending.release();
    this.#pending = [];
    this.#head = 0;
  }
}

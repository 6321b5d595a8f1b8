import type { Delivery } from '../message';
import type { OutgoingMessage, PublishWaiter } from './publisher-options';

/** Who hears what became of it. */
export interface PassageUser {
  isThrough(delivery: Delivery): void;
  isNotThrough(outgoing: OutgoingMessage, delivery: Delivery, error: unknown): void;
}

/** A message on its way through a lane: an object, since thousands are under way, each of which would be two functions. */
export class Passage implements PublishWaiter {
  readonly #outgoing: OutgoingMessage;
  readonly #delivery: Delivery;
  readonly #user: PassageUser;

  constructor(outgoing: OutgoingMessage, delivery: Delivery, user: PassageUser) {
    this.#outgoing = outgoing;
    this.#delivery = delivery;
    this.#user = user;
  }

  published(): void {
    this.#user.isThrough(this.#delivery);
  }

  failed(error: unknown): void {
    this.#user.isNotThrough(this.#outgoing, this.#delivery, error);
  }
}

import type { Message } from '../message';
import type { AppendWaiter, SpoolEntry } from '../spool/spool';
import type { PublishWaiter } from './publisher-options';

/** A message on its way into a durable spool, for who waits without a promise. */
export class Entering implements AppendWaiter {
  readonly message: Message;
  readonly waiter: PublishWaiter;
  isIn = false;
  /** Why it is not, where it was not the spool that dropped it. */
  error: unknown;
  readonly #user: (entering: Entering) => void;

  constructor(message: Message, waiter: PublishWaiter, user: (entering: Entering) => void) {
    this.message = message;
    this.waiter = waiter;
    this.#user = user;
  }

  appended(entry: SpoolEntry | undefined): void {
    this.isIn = entry !== undefined;
    this.#user(this);
  }

  failed(error: unknown): void {
    this.error = error;
    this.#user(this);
  }
}

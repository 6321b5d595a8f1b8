import type { Acknowledgeable } from './stage';

/**
 * Counts what is still to happen to one source item. When nothing is, the item is acknowledged. Each
 * output holds the ticket of the input it was made from, so acknowledgement follows the last stage.
 */
export class Ticket {
  #pending = 1;
  readonly #settle: (() => void) | undefined;

  constructor(settle?: () => void) {
    this.#settle = settle;
  }

  /** One more thing has to happen first. */
  hold(): void {
    this.#pending += 1;
  }

  /** One thing has happened. */
  release(): void {
    this.#pending -= 1;
    if (this.#pending === 0) this.#settle?.();
  }

  static for(item: unknown): Ticket {
    return isAcknowledgeable(item) ? new Ticket(() => item.ack()) : new Ticket();
  }
}

function isAcknowledgeable(item: unknown): item is Acknowledgeable {
  return typeof item === 'object' && item !== null && typeof (item as Acknowledgeable).ack === 'function';
}

import { setTimeout as sleep } from 'node:timers/promises';

/** Lets the frames of a recording through no earlier than their positions, counted from the first. */
export class Pace {
  readonly #signal: AbortSignal;
  #startedAt: number | undefined;

  constructor(signal: AbortSignal) {
    this.#signal = signal;
  }

  /** Resolves when it is `positionMs` milliseconds after the start, or at once when the signal is aborted. */
  async until(positionMs: number): Promise<void> {
    const now = performance.now();
    this.#startedAt ??= now - positionMs;
    const wait = this.#startedAt + positionMs - now;
    if (wait > 0) await sleep(wait, undefined, { signal: this.#signal }).catch(() => {});
  }
}

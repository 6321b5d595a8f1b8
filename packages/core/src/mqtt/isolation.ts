import type { SpoolEntry } from '../spool/spool';

interface Suspect {
  pauseMs: number;
  dueAt: number;
}

/** So many connections lost in a row without one answer make us send one message at a time. */
const FRUITLESS_LINKS = 2;
const LONGEST_PAUSES = 60;

/**
 * Finds the message on which a broker hangs up: a broker of MQTT 3.1.1 says of a packet that is too large
 * for it nothing else. After two connections that were lost without an answer messages go one by one; one
 * that is alone when the connection is lost is put off, so that the others can go, and tried again alone.
 */
export class Isolation {
  readonly #firstPauseMs: number;
  readonly #suspects = new Map<number, Suspect>();
  #fruitless = 0;

  constructor(firstPauseMs: number) {
    this.#firstPauseMs = firstPauseMs;
  }

  /** Whether messages go one at a time. */
  get isOn(): boolean {
    return this.#fruitless >= FRUITLESS_LINKS;
  }

  /** Whether a message is put off. */
  has(position: number): boolean {
    return this.#suspects.has(position);
  }

  /** Milliseconds until the next one is due; undefined where none is put off. */
  dueInMs(now: number): number | undefined {
    if (this.#suspects.size === 0) return undefined;
    return Math.max(0, Math.min(...[...this.#suspects.values()].map(({ dueAt }) => dueAt)) - now);
  }

  /** The position of one that is to be tried again now, alone. */
  due(now: number): number | undefined {
    for (const [position, suspect] of this.#suspects) {
      if (suspect.dueAt > now) continue;
      suspect.dueAt = Number.POSITIVE_INFINITY;
      this.#fruitless = FRUITLESS_LINKS;
      return position;
    }
    return undefined;
  }

  /** The broker has answered a message. */
  answered(position: number): void {
    this.#fruitless = 0;
    this.#suspects.delete(position);
  }

  /** A message has left the spool. */
  forget(position: number): void {
    this.#suspects.delete(position);
  }

  /** The link is gone with these in flight; gives the pause in milliseconds of one that is put off. */
  down(inFlight: readonly SpoolEntry[], now: number): number | undefined {
    for (const suspect of this.#suspects.values()) {
      // Its turn had come, and may not have been used: the next link does.
      if (suspect.dueAt === Number.POSITIVE_INFINITY) suspect.dueAt = now;
    }
    if (inFlight.length === 0) return undefined;
    const [only] = inFlight;
    if (!this.isOn || inFlight.length > 1 || !only) {
      this.#fruitless += 1;
      return undefined;
    }
    this.#fruitless = 0;
    const last = this.#suspects.get(only.position)?.pauseMs;
    const pauseMs =
      last === undefined ? this.#firstPauseMs : Math.min(last * 2, this.#firstPauseMs * LONGEST_PAUSES);
    this.#suspects.set(only.position, { pauseMs, dueAt: now + pauseMs });
    return pauseMs;
  }
}

/** What may be sent of a camera. A quiet minute may be made up for in the next one, more not. */
export interface BudgetOptions {
  /** Pictures a minute of capture time; less than 1 is allowed. @default no limit */
  readonly picturesPerMinute?: number | undefined;
  /** Bytes of encoded pictures a minute of capture time. @default no limit */
  readonly bytesPerMinute?: number | undefined;
}

/** Shares of a picture add up to a little less than one. */
const ROUNDING = 1e-9;

/**
 * An account that fills as time passes, up to what a minute brings (a token bucket). A picture is paid for
 * when its size is known, and may be more than what is left: then the next ones wait until it is paid back.
 */
export class Budget {
  readonly #rates: Readonly<Record<'pictures' | 'bytes', number>>;
  readonly #most: Readonly<Record<'pictures' | 'bytes', number>>;
  readonly #left: Record<'pictures' | 'bytes', number>;
  #at: number | undefined;

  /** @throws {TypeError} for an amount that cannot be meant. */
  constructor({
    picturesPerMinute = Number.POSITIVE_INFINITY,
    bytesPerMinute = Number.POSITIVE_INFINITY,
  }: BudgetOptions) {
    for (const [option, value] of Object.entries({ picturesPerMinute, bytesPerMinute })) {
      if (!(value > 0)) throw new TypeError(`budget.${option} must be a number above 0, not ${value}.`);
    }
    this.#rates = { pictures: picturesPerMinute, bytes: bytesPerMinute };
    // Less than a picture a minute adds up to one, too.
    this.#most = { pictures: Math.max(1, picturesPerMinute), bytes: bytesPerMinute };
    this.#left = { ...this.#most };
  }

  /** What forbids another picture at a time (in milliseconds, of capture), if anything does. */
  refusal(at: number): 'pictures' | 'bytes' | undefined {
    const minutes = (at - (this.#at ?? at)) / 60_000;
    this.#at = at;
    for (const kind of ['pictures', 'bytes'] as const) {
      if (minutes > 0) {
        this.#left[kind] = Math.min(this.#most[kind], this.#left[kind] + minutes * this.#rates[kind]);
      }
    }
    if (this.#left.pictures < 1 - ROUNDING) return 'pictures';
    return this.#left.bytes <= 0 ? 'bytes' : undefined;
  }

  /** One picture goes. */
  takePicture(): void {
    this.#left.pictures -= 1;
  }

  /** So large it was. */
  takeBytes(bytes: number): void {
    this.#left.bytes -= bytes;
  }
}

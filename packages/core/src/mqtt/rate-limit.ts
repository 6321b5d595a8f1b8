export interface RateLimitOptions {
  /** Messages a second, on average. @default any number */
  readonly messagesPerSecond?: number | undefined;
  /** Payloads, topics and properties together, in bytes a second, on average. @default any number */
  readonly bytesPerSecond?: number | undefined;
}

/** A bucket that fills at a steady rate and holds one second's worth. */
interface Bucket {
  readonly perSecond: number;
  /** Below zero when more was taken than there was. */
  level: number;
}

/**
 * Says when the next message may go: token buckets for messages and bytes, of one second each. What is larger
 * than a bucket goes when it is full, and those behind it wait the longer.
 */
export class RateLimit {
  readonly #messages: Bucket;
  readonly #bytes: Bucket;
  #filledAt: number | undefined;

  /** @throws {TypeError} for a rate that is no number above 0. */
  constructor(options: RateLimitOptions, where: string) {
    for (const [name, value] of Object.entries(options)) {
      if (value !== undefined && !(value > 0)) {
        throw new TypeError(`${where}: limit.${name} must be a number above 0, not ${value}.`);
      }
    }
    const { messagesPerSecond = Number.POSITIVE_INFINITY, bytesPerSecond = Number.POSITIVE_INFINITY } =
      options;
    this.#messages = { perSecond: messagesPerSecond, level: Math.max(1, messagesPerSecond) };
    this.#bytes = { perSecond: bytesPerSecond, level: bytesPerSecond };
  }

  /** Milliseconds until a message of so many bytes may go; `now` in milliseconds of a steady clock. */
  delayMs(bytes: number, now: number): number {
    this.#fill(now);
    return Math.max(missingMs(this.#messages, 1), missingMs(this.#bytes, bytes));
  }

  /** A message of so many bytes goes. */
  take(bytes: number, now: number): void {
    this.#fill(now);
    this.#messages.level -= 1;
    this.#bytes.level -= bytes;
  }

  #fill(now: number): void {
    const seconds = (now - (this.#filledAt ?? now)) / 1_000;
    this.#filledAt = now;
    for (const bucket of [this.#messages, this.#bytes]) {
      if (bucket.perSecond === Number.POSITIVE_INFINITY) continue;
      bucket.level = Math.min(capacity(bucket), bucket.level + seconds * bucket.perSecond);
    }
  }
}

/** A second's worth, but at least one message. */
function capacity({ perSecond }: Bucket): number {
  return Math.max(1, perSecond);
}

function missingMs(bucket: Bucket, wanted: number): number {
  if (bucket.perSecond === Number.POSITIVE_INFINITY) return 0;
  const missing = Math.min(wanted, capacity(bucket)) - bucket.level;
  return missing <= 0 ? 0 : Math.ceil((missing / bucket.perSecond) * 1_000);
}

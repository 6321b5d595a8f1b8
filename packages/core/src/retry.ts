/** How long to wait between attempts: twice as long each time, with jitter, up to a limit. */
export interface RetryOptions {
  /** Milliseconds before the second attempt; every further wait is twice as long. @default 200, for cameras 500 */
  readonly firstDelayMs?: number;
  /** Milliseconds between attempts at the most. @default 10,000, for cameras 30,000 */
  readonly longestDelayMs?: number;
}

/** Throws a `TypeError` that names the option. Fills in the defaults. */
export function retryOptions({
  firstDelayMs = 200,
  longestDelayMs = 10_000,
}: RetryOptions): Required<RetryOptions> {
  for (const [name, value] of Object.entries({ firstDelayMs, longestDelayMs })) {
    if (!(Number.isFinite(value) && value > 0)) {
      throw new TypeError(`retry.${name} must be a number of milliseconds above 0, not ${value}.`);
    }
  }
  return { firstDelayMs, longestDelayMs };
}

/**
 * Milliseconds to wait after the given number of failures: twice as long each time, and between half and
 * the whole of that by chance, so that many that failed together do not come back together.
 */
export function retryDelayMs(
  failures: number,
  { firstDelayMs, longestDelayMs }: Required<RetryOptions>,
): number {
  const whole = Math.min(longestDelayMs, firstDelayMs * 2 ** (failures - 1));
  return Math.round(whole * (0.5 + Math.random() / 2));
}

/** Resolves after that time, or as soon as one of the signals is aborted; never rejects. */
export function pause(milliseconds: number, signals: readonly (AbortSignal | undefined)[]): Promise<void> {
  return new Promise((resolve) => {
    const done = () => {
      clearTimeout(timer);
      for (const signal of signals) signal?.removeEventListener('abort', done);
      resolve();
    };
    const timer = setTimeout(done, milliseconds);
    for (const signal of signals) signal?.addEventListener('abort', done);
    if (signals.some((signal) => signal?.aborted)) done();
  });
}

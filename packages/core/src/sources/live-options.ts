import { type RetryOptions, retryOptions } from '../retry';
import type { WatchdogLimits } from './watchdog';

/** How a live camera is watched, and started again. */
export interface LiveOptions {
  /** Live: milliseconds without a frame after which it is started again. @default 10,000 */
  readonly stallMs?: number | undefined;
  /** Live: milliseconds to the first frame after which it is started again. @default 30,000 */
  readonly openMs?: number | undefined;
  /** Live: the pauses before it is started again, growing and jittered. @default from 500 ms to 30 seconds */
  readonly retry?: RetryOptions | undefined;
}

/** Throws a `TypeError` for values that cannot be, and for a recording. Fills in the defaults. */
export function liveOptions(
  { stallMs, openMs, retry }: LiveOptions,
  isLive: boolean,
): WatchdogLimits & { readonly retry: Required<RetryOptions> } {
  for (const [name, value] of Object.entries({ stallMs, openMs })) {
    if (value === undefined || (typeof value === 'number' && value > 0)) continue;
    throw new TypeError(`${name} must be a number of milliseconds above 0, or Infinity, not ${value}.`);
  }
  for (const [name, value] of Object.entries({ stallMs, openMs, retry })) {
    if (value === undefined || isLive) continue;
    throw new TypeError(`${name} does not go with a recording, which is not started again.`);
  }
  return {
    stallMs: stallMs ?? 10_000,
    openMs: openMs ?? 30_000,
    retry: retryOptions({ firstDelayMs: 500, longestDelayMs: 30_000, ...retry }),
  };
}

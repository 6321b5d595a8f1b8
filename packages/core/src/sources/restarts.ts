import type { RelayError } from '../errors';
import { type RetryOptions, retryDelayMs } from '../retry';

/** A camera that has delivered for so long counts as sound: the next failure is the first one again. */
const SOUND_MS = 10_000;
/** So many failures in a row, of a program or camera that did start, are a crash loop. */
const CRASH_LOOP = 5;
/** One that is missing, busy or unreachable is waited for; these two have gone wrong. */
const CRASHES: readonly RelayError['code'][] = ['SOURCE_FAILED', 'SOURCE_STALLED'];

/** What comes of one failure. */
export interface Restart {
  /** How many failures there were in a row, this one included. */
  readonly attempt: number;
  /** Milliseconds until it is started again. */
  readonly inMs: number;
  /** Another state than at the last failure, in which people have an interest once. */
  readonly isNews: boolean;
  /** This failure makes a crash loop of it. */
  readonly isCrashLoop: boolean;
}

/** Remembers the failures of a live camera: how long to wait, and what is new. */
export class Restarts {
  readonly #retry: Required<RetryOptions>;
  #failures = 0;
  #crashes = 0;
  #startedAt: number | undefined;
  #told = '';

  constructor(retry: Required<RetryOptions>) {
    this.#retry = retry;
  }

  /** A frame is here. */
  delivered(): void {
    this.#startedAt ??= performance.now();
    this.#told = '';
  }

  failed({ code, message }: RelayError): Restart {
    const isSound = this.#startedAt !== undefined && performance.now() - this.#startedAt >= SOUND_MS;
    this.#startedAt = undefined;
    this.#failures = isSound ? 1 : this.#failures + 1;
    if (!CRASHES.includes(code)) this.#crashes = 0;
    else this.#crashes = isSound ? 1 : this.#crashes + 1;
    // Ports, process numbers and the like are no news.
    const state = `${code} ${message.replaceAll(/\d+/g, '')}`;
    const isNews = state !== this.#told;
    this.#told = state;
    return {
      attempt: this.#failures,
      inMs: retryDelayMs(this.#failures, this.#retry),
      isNews,
      isCrashLoop: this.#crashes === CRASH_LOOP,
    };
  }
}

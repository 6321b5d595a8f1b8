import { setTimeout as sleep } from 'node:timers/promises';
import { RelayError } from '../errors';
import type { Capture, CapturedFrame, CaptureListener } from './capture';

/** How long a capture that is told to end may take before it is left to itself. */
const CLOSING_MS = 5_000;
/** The time is counted in so many ticks: an event loop that was blocked for longer counts as one of them. */
const TICKS = 5;

export interface WatchdogLimits {
  /** Milliseconds without a frame, once there was one. */
  readonly stallMs: number;
  /** Milliseconds to the first frame. */
  readonly openMs: number;
}

/**
 * The frames of one opening of a live capture. Where none comes for too long, the capture is ended and the
 * iteration rejects with `SOURCE_STALLED`.
 */
export async function* watched(
  capture: Capture,
  limits: WatchdogLimits,
  { signal, stage, listener }: { signal: AbortSignal; stage: string; listener: CaptureListener },
): AsyncGenerator<CapturedFrame, void> {
  const ending = new AbortController();
  const end = () => ending.abort(signal.reason);
  signal.addEventListener('abort', end, { once: true });
  if (signal.aborted) end();
  const silence = new Silence(limits.openMs);
  const frames = capture.frames(ending.signal, listener)[Symbol.asyncIterator]();
  try {
    for (let isFirst = true; ; isFirst = false) {
      const result = await silence.during(frames.next(), (ms) => stalled(stage, ms, isFirst));
      if (result.done) return;
      if (isFirst) silence.limit(limits.stallMs);
      yield result.value;
    }
  } finally {
    silence.end();
    signal.removeEventListener('abort', end);
    ending.abort(new Error('The iteration is over.'));
    // A driver can keep a process in the kernel for as long as it likes.
    const isClosed = new AbortController();
    const closing = Promise.resolve(frames.return?.()).catch(() => {});
    await Promise.race([closing, sleep(CLOSING_MS, undefined, { signal: isClosed.signal }).catch(() => {})]);
    isClosed.abort();
  }
}

function stalled(stage: string, milliseconds: number, isFirst: boolean): RelayError {
  const seconds = Math.round(milliseconds / 100) / 10;
  const message = isFirst
    ? `The ${stage} has given no first frame within ${seconds} seconds. Look whether it is switched on and sends; openMs gives it more time.`
    : `The ${stage} has given no frame for ${seconds} seconds. Look at its power, cable and network; stallMs gives it more time.`;
  return new RelayError(message, { code: 'SOURCE_STALLED', stage, retryable: true });
}

/** Measures how long nothing comes. */
class Silence {
  #ticks = 0;
  #limitMs = 0;
  #timer: NodeJS.Timeout | undefined;
  #onTooLong: ((milliseconds: number) => void) | undefined;

  constructor(limitMs: number) {
    this.limit(limitMs);
  }

  /** What `promise` comes to, or a rejection with what `failure` makes, when that takes too long. */
  during<T>(promise: Promise<T>, failure: (milliseconds: number) => Error): Promise<T> {
    this.#ticks = 0;
    return new Promise((resolve, reject) => {
      this.#onTooLong = (milliseconds) => reject(failure(milliseconds));
      promise.then(resolve, reject);
    });
  }

  limit(limitMs: number): void {
    this.end();
    this.#limitMs = limitMs;
    if (limitMs === Number.POSITIVE_INFINITY) return;
    this.#timer = setInterval(() => {
      this.#ticks += 1;
      if (this.#ticks > TICKS) this.#onTooLong?.(this.#limitMs);
    }, limitMs / TICKS);
  }

  end(): void {
    clearInterval(this.#timer);
  }
}

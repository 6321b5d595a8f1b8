/** A stream that never comes at its own pace is taken as it is after this much of it. */
const LONGEST_MS = 5_000;
/** A decoder that catches up can need a good part of a frame's time for one. */
const PACED_SHARE = 0.7;
const PACED_IN_A_ROW = 2;

/**
 * The frames that ffmpeg has collected while it looked what a stream is: they come all at once, up to a
 * second late, and say nothing of when they were sent. A live source drops them, and begins with
 * frames that had to be waited for.
 */
export class StreamBacklog {
  readonly #startedAt: number;
  #isOver = false;
  #paced = 0;
  #first: number | undefined;
  #last = { positionMs: 0, readAt: 0 };

  /** @param startedAt when ffmpeg was started, in milliseconds since 1970 (UTC). */
  constructor(startedAt: number) {
    this.#startedAt = startedAt;
  }

  /** Whether a frame is one of them. */
  holds(positionMs: number, readAt: number): boolean {
    if (this.#isOver) return false;
    this.#first ??= positionMs;
    const last = this.#last;
    this.#last = { positionMs, readAt };
    // The first two have the same position where RTP begins to count in between.
    const step = positionMs - last.positionMs;
    const isPaced = last.readAt > 0 && step > 0 && readAt - last.readAt >= step * PACED_SHARE;
    this.#paced = isPaced ? this.#paced + 1 : 0;
    const length = positionMs - this.#first;
    // What is longer than the time that has passed was not collected, but is sent faster than it was taken.
    const isSent = length > readAt - this.#startedAt;
    this.#isOver = this.#paced >= PACED_IN_A_ROW || isSent || length > LONGEST_MS;
    return !this.#isOver;
  }
}

/** A stream that never comes at its own pace is taken as it is after this much of it. */
const LONGEST_MS = 5_000;

/**
 * The frames that ffmpeg has collected while it looked what a stream is: they come all at once, up to a
 * second late, and say nothing of when they were sent. A live source begins behind them, with the first
 * frame that had to be waited for.
 */
export class StreamBacklog {
  #isOver = false;
  #first: number | undefined;
  #last = { positionMs: 0, readAt: 0 };

  /** Whether a frame is one of them. */
  holds(positionMs: number, readAt: number): boolean {
    if (this.#isOver) return false;
    this.#first ??= positionMs;
    const last = this.#last;
    this.#last = { positionMs, readAt };
    // The first two have the same position where RTP begins to count in between.
    const step = positionMs - last.positionMs;
    const isPaced = last.readAt > 0 && step > 0 && readAt - last.readAt >= step / 2;
    this.#isOver = isPaced || positionMs - this.#first > LONGEST_MS;
    return !this.#isOver;
  }
}

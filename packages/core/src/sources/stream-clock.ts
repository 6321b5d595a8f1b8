const SPAN_MS = 10_000;
const SPANS = 6;
/** A stream that is so much later than it was has begun to count anew. */
const NEW_COUNT_MS = 10_000;

/**
 * Turns the times of a stream, which count from anywhere, into times of day. The stream knows the distances
 * between its frames; when one arrives, it is late by what the network and the decoder took. The frame
 * that was least late within the last minute says where the stream's count began, so that the camera's
 * clock may run a little faster or slower than ours.
 */
export class StreamClock {
  /** The least of (arrival - position) in each span of time, newest last. */
  #least: number[] = [];
  #spanEndsAt = 0;
  #latest = Number.NEGATIVE_INFINITY;

  /** Milliseconds since 1970 (UTC) of a frame at `positionMs` of the stream; never goes back. */
  timeOf(positionMs: number, arrivedAt: number): number {
    const offset = arrivedAt - positionMs;
    if (offset - Math.min(...this.#least) > NEW_COUNT_MS) this.#least = [];
    if (this.#least.length === 0 || arrivedAt >= this.#spanEndsAt) {
      this.#least = [...this.#least.slice(1 - SPANS), offset];
      this.#spanEndsAt = arrivedAt + SPAN_MS;
    }
    const last = this.#least.length - 1;
    this.#least[last] = Math.min(this.#least[last]!, offset);
    this.#latest = Math.max(this.#latest, Math.round(positionMs + Math.min(...this.#least)));
    return this.#latest;
  }
}

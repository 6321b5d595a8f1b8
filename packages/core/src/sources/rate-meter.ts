/** A camera needs a moment to find exposure and pace. */
const WARM_UP_FRAMES = 5;
const MEASURED_MS = 2_000;
const MEASURED_FRAMES = 10;

/**
 * Measures how many frames come in a second, by their own times: after the first five, over at least two
 * seconds and ten frames, without the longest interval (one hiccup is no rate).
 */
export class RateMeter {
  #frames = 0;
  #startedAt = 0;
  #last = 0;
  #longest = 0;
  #isDone = false;

  /** Takes in the time of a frame, in milliseconds. Gives frames a second, once, when it has seen enough. */
  add(timeMs: number): number | undefined {
    if (this.#isDone) return undefined;
    this.#frames += 1;
    const intervals = this.#frames - 1 - WARM_UP_FRAMES;
    if (intervals < 0) return undefined;
    if (intervals === 0) this.#startedAt = timeMs;
    else this.#longest = Math.max(this.#longest, timeMs - this.#last);
    this.#last = timeMs;
    const elapsed = timeMs - this.#startedAt;
    if (intervals < MEASURED_FRAMES || elapsed < MEASURED_MS) return undefined;
    this.#isDone = true;
    return ((intervals - 1) * 1000) / (elapsed - this.#longest);
  }
}

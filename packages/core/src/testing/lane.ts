/** What one direction of a link does to what passes it: the same for all connections, and changed while they are open. */
export class Lane {
  /** Nothing passes. */
  isPaused = false;
  /** How much later everything arrives, in milliseconds. */
  delayMs = 0;
  /** How much passes in a second, in bytes. */
  bytesPerSecond = Number.POSITIVE_INFINITY;
  /** When all that was let through has passed. */
  #freeAt = 0;

  /** How many milliseconds what came at `arrivedAt` still has to wait. */
  waitMs(arrivedAt: number, now: number): number {
    return Math.max(arrivedAt + this.delayMs, this.#freeAt) - now;
  }

  /** How many of so many bytes may pass at once. */
  take(bytes: number, now: number): number {
    if (this.bytesPerSecond === Number.POSITIVE_INFINITY) return bytes;
    const taken = Math.min(bytes, Math.max(1, Math.round((this.bytesPerSecond * SLICE_MS) / 1000)));
    // Timers come late: what they have missed is caught up with, but not what nobody asked for.
    const from = Math.max(this.#freeAt, now - SLICE_MS);
    this.#freeAt = from + (taken / this.bytesPerSecond) * 1000;
    return taken;
  }

  /** How many bytes may be on their way: enough not to slow down what is only delayed. */
  get capacity(): number {
    if (this.bytesPerSecond === Number.POSITIVE_INFINITY) return DELAYED_BYTES;
    return Math.min(DELAYED_BYTES, THROTTLED_BYTES + (this.bytesPerSecond * this.delayMs) / 1000);
  }

  /** Passes everything at once again. */
  clear(): void {
    this.isPaused = false;
    this.delayMs = 0;
    this.bytesPerSecond = Number.POSITIVE_INFINITY;
    this.#freeAt = 0;
  }
}

const SLICE_MS = 20;
const DELAYED_BYTES = 16 * 1024 * 1024;
const THROTTLED_BYTES = 64 * 1024;

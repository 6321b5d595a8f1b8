import type { FrameClock } from '../frame';

/** How far from now the time of a first frame may be and still be one of that clock, in milliseconds. */
const PLAUSIBLE_MS = 60_000;

/**
 * Turns the times that a camera's driver gives into milliseconds since 1970 (UTC).
 *
 * V4L2 drivers stamp a frame by the system's monotonic clock, a few by the wall clock (the flags
 * V4L2_BUF_FLAG_TIMESTAMP_*); a broken one gives zero or nonsense. Which one it is shows the first frame.
 * The distance between the clocks is measured for each frame, so that a wall clock that is set while the
 * camera runs dates the next frame right already.
 */
export class DeviceClock {
  #kind: 'monotonic' | 'wall' | 'none' | undefined;

  /** `timeMs` as the driver gave it, in milliseconds; `readAt` and `monotonicNow` are now, by the two clocks. */
  date(
    timeMs: number,
    readAt: number,
    monotonicNow = Number(process.hrtime.bigint()) / 1e6,
  ): { readonly capturedAt: number; readonly clock: FrameClock } {
    this.#kind ??= kindOf(timeMs, monotonicNow, readAt);
    if (this.#kind === 'none') return { capturedAt: readAt, clock: 'arrival' };
    const age = this.#kind === 'wall' ? readAt - timeMs : monotonicNow - timeMs;
    // What is read was taken before.
    return { capturedAt: readAt - Math.max(0, Math.round(age)), clock: 'device' };
  }
}

function kindOf(timeMs: number, monotonicNow: number, wallNow: number): 'monotonic' | 'wall' | 'none' {
  if (Math.abs(monotonicNow - timeMs) < PLAUSIBLE_MS) return 'monotonic';
  return Math.abs(wallNow - timeMs) < PLAUSIBLE_MS ? 'wall' : 'none';
}

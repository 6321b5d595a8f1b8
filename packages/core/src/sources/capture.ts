import type { RelayError } from '../errors';
import type { FrameClock } from '../frame';
import type { Image } from '../image';

/** One picture as a capture delivers it; FrameSource adds the camera's name and the sequence number. */
export interface CapturedFrame {
  readonly image: Image;
  /** Milliseconds since 1970 (UTC), by the clock that `clock` names. */
  readonly capturedAt: number;
  readonly clock: FrameClock;
  /** When it was read, in milliseconds since 1970 (UTC). */
  readonly readAt: number;
  /** A picture of its own and not one of a sequence. @default false */
  readonly still?: boolean;
}

/** What a capture can say of itself before the first frame. */
export interface CaptureDescription {
  /** How many frames there will be, where that is known: progress can be shown. */
  readonly frames?: number;
  /** How long the recording is, where that is known. */
  readonly seconds?: number;
  /** Pixels, where it is known before the first frame. */
  readonly width?: number;
  /** Pixels, where it is known before the first frame. */
  readonly height?: number;
}

/** A part of the input that could not be read; the capture goes on behind it. */
export interface CaptureDamage {
  /** What it is called, e.g. the picture's path. */
  readonly name: string;
  readonly error: RelayError;
}

/**
 * The mechanism of a camera, file or stream, driven by FrameSource, which holds the policy (sequence
 * numbers, dropping, restart). A capture does no I/O before `describe()` or `frames()`.
 */
export interface Capture {
  /** What the camera is called where nobody names it: letters, digits, `.`, `_` and `-`. */
  readonly name: string;
  /** True for a camera that goes on without us: waiting frames are dropped. False: it waits for us. */
  readonly live: boolean;
  /** Looks at the input without consuming it. @throws {RelayError} when there is none. */
  describe(): Promise<CaptureDescription>;
  /**
   * Opens the input, gives its frames in order, and lets go of everything it opened when the iteration
   * ends, is given up, or `signal` is aborted (which ends it). May be called again after that.
   * @param onDamage hears of what was skipped; it is part of the error at the end, too.
   * @throws {RelayError} `SOURCE_FAILED` or a more precise code, after the frames that could be had.
   */
  frames(signal: AbortSignal, onDamage?: (damage: CaptureDamage) => void): AsyncIterable<CapturedFrame>;
}

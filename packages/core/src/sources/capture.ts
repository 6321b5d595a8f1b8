import type { RelayError } from '../errors';
import type { FrameClock } from '../frame';
import type { Image } from '../image';

/** One picture as a capture delivers it; FrameSource adds the camera's name and the sequence number. */
export interface CapturedFrame {
  /** The picture, decoded or as it came. */
  readonly image: Image;
  /** Milliseconds since 1970 (UTC), by the clock that `clock` names. */
  readonly capturedAt: number;
  /** Where `capturedAt` comes from. */
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
  /** What was wrong with it. */
  readonly error: RelayError;
}

/** How large and how often pictures come. */
export interface CaptureMode {
  /** Pixels. */
  readonly width: number;
  /** Pixels. */
  readonly height: number;
  /** Where it was asked for, or measured. */
  readonly framesPerSecond?: number;
}

/** A camera that gives something other than what it was asked for. */
export interface CaptureMismatch {
  /** What was asked for. */
  readonly requested: CaptureMode;
  /** What the camera delivers. */
  readonly got: CaptureMode;
  /** What the camera has to offer, each as a person reads it; empty where nobody can know. */
  readonly offers: readonly string[];
}

/** Who hears what a capture has to tell beside its frames; a capture calls it as it happens. */
export interface CaptureListener {
  /** A part of the input was skipped. Of a recording it is part of the error at the end, too. */
  damaged(damage: CaptureDamage): void;
  /**
   * A whole frame is passed over, because it came too late to be of use to anybody; it counts in
   * `sequence`, before the frame that is given next. Of a live capture only.
   */
  dropped(frame: Pick<CapturedFrame, 'capturedAt'>): void;
  /** The first frames are not what was asked for, and the capture goes on with them. */
  mismatched(mismatch: CaptureMismatch): void;
}

/**
 * The mechanism of a camera, file or stream, driven by FrameSource, which holds the policy: sequence
 * numbers, dropping, the watchdog, restarts. A capture does no I/O before `describe()` or `frames()`.
 *
 * A recording ends; a failure ends it, too. A live capture has no end of its own: when its iteration ends
 * or rejects with a retryable `RelayError`, FrameSource iterates it again after a pause. So it needs no
 * restart, no timeout and no pause in itself, only errors that say in the same words each time what is the
 * matter: missing, busy, denied and unreachable are each a code of their own.
 */
export interface Capture {
  /** What the camera is called where nobody names it: letters, digits, `.`, `_` and `-`. */
  readonly name: string;
  /**
   * True for a camera that goes on without us: it is read without a pause, waiting frames are dropped, and
   * it is started again when it fails or stalls. False for a recording, which waits for us.
   */
  readonly live: boolean;
  /**
   * Looks at the input without consuming it. A live capture says what it knows without opening the camera.
   * @throws {RelayError} when there is none.
   */
  describe(): Promise<CaptureDescription>;
  /**
   * Opens the input, gives its frames in order, and lets go of everything it opened (processes, sockets,
   * files) before the iteration has ended, however it ends: by itself, given up, or by an aborted `signal`,
   * which ends it without an error. May be called again after that.
   * @throws {RelayError} after the frames that could be had. `retryable` where the same call can succeed
   *   later: `SOURCE_NOT_FOUND`, `SOURCE_BUSY`, `SOURCE_DENIED`, `SOURCE_UNREACHABLE`, or `SOURCE_FAILED`
   *   with the last lines of a process's output. Not retryable, e.g. `SOURCE_UNSUITABLE`: it is not what
   *   was asked for exactly.
   */
  frames(signal: AbortSignal, listener?: CaptureListener): AsyncIterable<CapturedFrame>;
}

import type { RelayError } from '../errors';
import type { CaptureDamage, CaptureMismatch } from './capture';
import type { CaptureOptions } from './capture-options';
import type { LiveOptions } from './live-options';

/** How a FrameSource names, opens, paces and restarts what it captures. */
export interface FrameSourceOptions extends CaptureOptions, LiveOptions {
  /** The name in ids and object keys: letters, digits, `.`, `_` and `-`. @default from the location */
  readonly camera?: string;
  /** How many frames may wait for the next stage. @default 2 */
  readonly highWaterMark?: number;
}

/** Counters since the source was made. */
export interface FrameSourceStats {
  /** Whole frames that the camera delivered, those that were dropped among them: the next `sequence`. */
  readonly captured: number;
  /**
   * Frames of a live camera that waited too long and gave way to newer ones, and those that had piled up
   * while a stream was opened.
   */
  readonly dropped: number;
  /** Parts of the input that could not be read. */
  readonly damaged: number;
  /** How often a live camera was started again. */
  readonly restarts: number;
  /** How often of these because no frame came. */
  readonly stalls: number;
}

/** News of a FrameSource; frames come by iteration. */
export interface FrameSourceEvents {
  /** The first frame is here, also after a restart; sizes in pixels, `frames` where the number is known. */
  open: [opened: { camera: string; width: number; height: number; frames?: number }];
  /** A live camera gives another size or rate than it was asked for; it goes on with that. */
  mismatch: [mismatch: CaptureMismatch & { camera: string }];
  /** A live camera has given no frame for too long; a `restart` follows. */
  stall: [stalled: { camera: string; error: RelayError }];
  /**
   * A live camera cannot be read, and why: told once for each cause, until it gives frames again (`open`).
   * The source goes on trying.
   */
  offline: [failed: { camera: string; error: RelayError }];
  /** A live camera has failed and is started again in `inMs` milliseconds; told each time. */
  restart: [restart: { camera: string; attempt: number; inMs: number; error: RelayError }];
  /** It has failed 5 times in a row soon after it was started; told once, until it has run for 10 seconds. */
  crashloop: [crashing: { camera: string; attempts: number; error: RelayError }];
  /** A frame of a live camera gave way to a newer one; told of those, too, that had piled up at an opening. */
  drop: [dropped: { camera: string; sequence: number; capturedAt: number }];
  /**
   * A part of the input could not be read; the rest goes on. The iteration over a recording fails at its
   * end, that over a live camera does not.
   */
  damaged: [damage: CaptureDamage & { camera: string }];
  /** The iteration has ended, for whatever reason. */
  end: [stats: FrameSourceStats & { camera: string }];
}

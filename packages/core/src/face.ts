import type { Frame } from './frame';

/** A rectangle in pixels of the full frame; `x` and `y` are the top left corner. */
export interface Box {
  /** The left edge. */
  readonly x: number;
  /** The upper edge. */
  readonly y: number;
  /** From the left edge to the right one. */
  readonly width: number;
  /** From the upper edge to the lower one. */
  readonly height: number;
}

/** One thing that a detector found. */
export interface Face {
  /** Where it is, in pixels of the full frame. */
  readonly box: Box;
  /** How sure the detector is; larger is surer. The scale belongs to the model (Haar: level weight). */
  readonly score: number;
  /** The visit this face belongs to, when a tracker has said so. */
  readonly track?: string;
}

/** A frame with what a detector found in it: none, one or many. */
export interface Detection {
  /** The frame that was looked at. */
  readonly frame: Frame;
  /** What was found in it; empty where nothing was. */
  readonly faces: readonly Face[];
  /** The name of the detector: two detectors on one frame give different ids. */
  readonly detector: string;
  /** When the detector was done with the frame, in milliseconds since 1970 (UTC). */
  readonly detectedAt?: number;
  /** False where the detector took the frame for unchanged, and gives the faces last seen. @default true */
  readonly looked?: boolean;
  /**
   * Where known faces were, for which there was no time in this frame: they were not found, and not missed either.
   * @default none
   */
  readonly waiting?: readonly Face[];
}

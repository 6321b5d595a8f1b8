import type { Box } from '../face';

/** Grey pixels, 1 byte each, row by row. */
export interface GreyImage {
  /** 1 byte a pixel, row by row; 0 is black. */
  readonly data: Uint8Array;
  /** Pixels. */
  readonly width: number;
  /** Pixels. */
  readonly height: number;
}

/** One find, in pixels of the image that the model was given. */
export interface ModelFinding {
  /** Where, in pixels of that image. */
  readonly box: Box;
  /** Larger is surer. */
  readonly score: number;
}

/** What to look for in an image; a model that cannot choose may find more. */
export interface Search {
  /** Width of the smallest thing, in pixels of the image; 0 is the model's own limit. @default 0 */
  readonly smallest?: number;
  /** Width of the largest thing, in pixels of the image; 0 is the whole of it. @default 0 */
  readonly largest?: number;
  /** A first look, which may cost little and find too much: what it finds is looked at again. @default false */
  readonly quick?: boolean;
  /** One was here in the frame before: less will do to be sure of it. @default false */
  readonly expected?: boolean;
  /** Whether somebody is here at all is decided by this look, at a thing of more than twice the window. @default false */
  readonly fine?: boolean;
}

/**
 * A detection model: grey image in, boxes out. FaceDetector drives it and holds the policy: which part of
 * which frame, how large, in which thread. Images are of any size; one is in work at a time.
 */
export interface Model {
  /** The smallest thing it finds, in pixels of the image that it is given. */
  readonly window: { readonly width: number; readonly height: number };
  /** What it holds outside the JavaScript heap, in bytes. @default 0 */
  readonly heapBytes?: number;
  /** Must leave the image as it is. When it throws or rejects, the frame fails with `DETECTOR_FAILED`. */
  detect(image: GreyImage, search?: Search): readonly ModelFinding[] | Promise<readonly ModelFinding[]>;
  /** Frees what the model holds. Idempotent. */
  close?(): void | Promise<void>;
}

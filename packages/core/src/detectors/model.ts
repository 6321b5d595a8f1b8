import type { Box } from '../face';

/** Grey pixels, 1 byte each, row by row. */
export interface GreyImage {
  readonly data: Uint8Array;
  /** Pixels. */
  readonly width: number;
  /** Pixels. */
  readonly height: number;
}

/** One find, in pixels of the image that the model was given. */
export interface ModelFinding {
  readonly box: Box;
  /** Larger is surer. */
  readonly score: number;
}

/**
 * A detection model: grey image in, boxes out. It runs inside a worker thread, one instance a worker,
 * driven by FaceDetector, which holds the policy (workers, scale, which frames).
 */
export interface Model {
  /** What it holds outside the JavaScript heap, in bytes. */
  readonly heapBytes: number;
  /** @throws {RelayError} `DETECTOR_FAILED`; the model is not used again. */
  detect(image: GreyImage): readonly ModelFinding[];
  /** Frees what the model holds. Idempotent. */
  close(): void;
}

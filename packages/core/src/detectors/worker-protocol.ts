import type { GreyImage, ModelFinding } from './model';
import type { OpencvCascadeSettings } from './opencv-cascade';

/** What a detection thread starts with (its `workerData`). */
export type WorkerSettings = OpencvCascadeSettings;

/** One job; the pixels' buffer is transferred. */
export type WorkerRequest = GreyImage;

/** What a detection thread did with an image. */
export interface WorkerFindings {
  readonly kind: 'findings';
  readonly findings: readonly ModelFinding[];
  /** How long the model took. */
  readonly milliseconds: number;
  readonly heapBytes: number;
}

export interface WorkerReady {
  readonly kind: 'ready';
  readonly heapBytes: number;
}

/** After this the thread is of no more use. */
export interface WorkerFailure {
  readonly kind: 'failure';
  readonly code: 'MODEL_INVALID' | 'DETECTOR_FAILED';
  readonly reason: string;
}

/** The first reply says `ready` or `failure`, every later one answers a request, in order. */
export type WorkerReply = WorkerReady | WorkerFindings | WorkerFailure;

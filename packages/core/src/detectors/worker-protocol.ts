import type { GreyImage, Model, ModelFinding, Search } from './model';
import type { OpencvCascadeSettings } from './opencv-cascade';

/** What a detection thread starts with (its `workerData`). */
export type WorkerSettings = OpencvCascadeSettings | ModuleSettings;

/** A model of the user's own: the default export of a module makes it. */
export interface ModuleSettings {
  readonly module: string;
}

/** One job: images and what to look for in each; the pixels' buffers are transferred. */
export interface WorkerRequest {
  readonly looks: readonly { readonly image: GreyImage; readonly search: Search }[];
}

/** What a detection thread found in the images of a job, one list each. */
export interface WorkerFindings {
  readonly kind: 'findings';
  readonly findings: readonly (readonly ModelFinding[])[];
  /** How long the model took for each of them. */
  readonly milliseconds: readonly number[];
  readonly heapBytes: number;
}

export interface WorkerReady {
  readonly kind: 'ready';
  readonly window: Model['window'];
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

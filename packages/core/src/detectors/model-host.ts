import { messageOf, RelayError } from '../errors';
import type { Model, ModelFinding } from './model';
import type { WorkerFindings, WorkerRequest } from './worker-protocol';

/** Where jobs are done: in threads, or in place by a model that looks after itself. */
export interface ModelHost {
  readonly window: Model['window'];
  /** What the models hold outside the JavaScript heap, in bytes. */
  readonly heapBytes: number;
  /** Models that were replaced because they held too much. */
  readonly recycled: number;
  /** Takes over the buffers of the pixels. @throws {RelayError} `DETECTOR_FAILED`. */
  detect(request: WorkerRequest): Promise<WorkerFindings>;
  close(): Promise<void>;
}

/** Has a model do a job. */
export async function answer(model: Model, { looks }: WorkerRequest): Promise<WorkerFindings> {
  const findings: (readonly ModelFinding[])[] = [];
  const milliseconds: number[] = [];
  for (const { image, search } of looks) {
    const startedAt = performance.now();
    findings.push(await model.detect(image, search));
    milliseconds.push(performance.now() - startedAt);
  }
  return { kind: 'findings', findings, milliseconds, heapBytes: model.heapBytes ?? 0 };
}

/** A model of the user's own, in the thread of the program. It is given one job at a time. */
export class OwnModel implements ModelHost {
  readonly recycled = 0;
  readonly #model: Model;
  readonly #stage: string;
  #turn: Promise<unknown> = Promise.resolve();

  constructor(model: Model, stage: string) {
    this.#model = model;
    this.#stage = stage;
  }

  get window() {
    return this.#model.window;
  }

  get heapBytes(): number {
    return this.#model.heapBytes ?? 0;
  }

  async detect(request: WorkerRequest): Promise<WorkerFindings> {
    const job = this.#turn.then(() => answer(this.#model, request));
    this.#turn = job.catch(() => {});
    try {
      return await job;
    } catch (error) {
      throw new RelayError(`${this.#stage} failed over this picture (${messageOf(error)}).`, {
        code: 'DETECTOR_FAILED',
        stage: this.#stage,
        retryable: true,
        cause: error,
      });
    }
  }

  async close(): Promise<void> {
    await this.#turn;
    await this.#model.close?.();
  }
}

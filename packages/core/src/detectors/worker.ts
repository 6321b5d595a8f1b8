import { parentPort, workerData } from 'node:worker_threads';
import { messageOf, RelayError } from '../errors';
import type { Model } from './model';
import { OpencvCascade } from './opencv-cascade';
import type { WorkerReply, WorkerRequest, WorkerSettings } from './worker-protocol';

// The entry of a detection thread: one model, one image at a time.

function reply(message: WorkerReply): void {
  parentPort?.postMessage(message);
}

function fail(error: unknown): void {
  const code =
    error instanceof RelayError && error.code === 'MODEL_INVALID' ? 'MODEL_INVALID' : 'DETECTOR_FAILED';
  reply({ kind: 'failure', code, reason: messageOf(error) });
}

function answer(model: Model, image: WorkerRequest): void {
  try {
    const startedAt = performance.now();
    const findings = model.detect(image);
    const milliseconds = performance.now() - startedAt;
    reply({ kind: 'findings', findings, milliseconds, heapBytes: model.heapBytes });
  } catch (error) {
    fail(error);
  }
}

async function start(): Promise<void> {
  try {
    const model = await OpencvCascade.load(workerData as WorkerSettings);
    parentPort?.on('message', (image: WorkerRequest) => answer(model, image));
    reply({ kind: 'ready', heapBytes: model.heapBytes });
  } catch (error) {
    fail(error);
  }
}

void start();

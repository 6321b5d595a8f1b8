import { parentPort, workerData } from 'node:worker_threads';
import { messageOf, RelayError } from '../errors';
import { free } from '../memory';
import type { Model } from './model';
import { answer } from './model-host';
import { OpencvCascade } from './opencv-cascade';
import type { WorkerReply, WorkerRequest, WorkerSettings } from './worker-protocol';

// The entry of a detection thread: one model, one job at a time.

function reply(message: WorkerReply): void {
  parentPort?.postMessage(message);
}

function fail(error: unknown): void {
  const code =
    error instanceof RelayError && error.code === 'MODEL_INVALID' ? 'MODEL_INVALID' : 'DETECTOR_FAILED';
  reply({ kind: 'failure', code, reason: messageOf(error) });
}

async function load(settings: WorkerSettings): Promise<Model> {
  if (!('module' in settings)) return OpencvCascade.load(settings);
  const { default: create } = (await import(settings.module)) as { default?: () => Promise<Model> | Model };
  if (typeof create === 'function') return create();
  throw new RelayError('it has no default export that makes a model', {
    code: 'MODEL_INVALID',
    stage: 'detector',
  });
}

async function start(): Promise<void> {
  try {
    const model = await load(workerData as WorkerSettings);
    parentPort?.on('message', async (request: WorkerRequest) => {
      await answer(model, request).then(reply, fail);
      // A model of somebody's own may keep what it was given.
      if (model instanceof OpencvCascade) for (const { image } of request.looks) free(image.data);
    });
    reply({ kind: 'ready', window: model.window, heapBytes: model.heapBytes ?? 0 });
  } catch (error) {
    fail(error);
  }
}

void start();

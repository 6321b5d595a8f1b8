import { join } from 'node:path';
import {
  FaceDetector,
  type FaceDetectorOptions,
  FaceSelector,
  type FaceSelectorOptions,
  type FrameSource,
  Publisher,
} from 'edge-relay';
import { edgeBroker } from './brokers';
import type { EdgePipelineOptions } from './options';
import { makeSources } from './sources';

/** What stands between a camera and the local broker. */
export interface DetectStages extends AsyncDisposable {
  readonly cameras: readonly FrameSource[];
  readonly detector: FaceDetector;
  readonly selector: FaceSelector;
  readonly publisher: Publisher;
  close(): Promise<void>;
}

/** Makes them, and starts nothing. */
export function makeStages(options: EdgePipelineOptions): DetectStages {
  const cameras = makeSources(options.source!, options);
  const detector = new FaceDetector(detectorOptions(options));
  const selector = new FaceSelector(selectorOptions(options));
  const publisher = new Publisher({
    ...edgeBroker(options),
    topic: options.edgeTopic,
    spool: options.spool && join(options.spool, 'detect'),
    receipts: options.receipts,
    stamp: 'publishedat',
    stateTopic: options.statusTopic,
  });
  const close = async () => {
    await publisher.close();
    await selector.close();
    await detector.close();
    await closeCameras(cameras);
  };
  return { cameras, detector, selector, publisher, close, [Symbol.asyncDispose]: close };
}

/** The library's words for what the detector is told. */
export function detectorOptions(options: EdgePipelineOptions): FaceDetectorOptions {
  return {
    preset: options.preset,
    cascade: options.cascade,
    scaleFactor: options.scaleFactor,
    minNeighbors: options.minNeighbors,
    minFaceSize: options.minFaceSize,
    maxFaceSize: options.maxFaceSize,
    detectionWidth: options.detectionWidth,
    workers: options.workers,
    motionGate: options.motionGate,
    closeLooks: options.closeLooks,
    fullLookMs: options.fullLookMs,
    budgetMs: options.budgetMs,
  };
}

/** The same for the selector. */
export function selectorOptions(options: EdgePipelineOptions): FaceSelectorOptions {
  const isHomework = options.preset === 'homework';
  return {
    policy: options.policy ?? (isHomework ? 'all' : 'best'),
    latestSeconds: options.latestSeconds,
    everySeconds: options.everySeconds,
    count: options.count,
    gapSeconds: options.gapSeconds,
    minimumQuality: options.minimumQuality,
    budget: { picturesPerMinute: options.picturesPerMinute, bytesPerMinute: options.bytesPerMinute },
    format: options.format ?? (isHomework ? 'png' : 'jpeg'),
    margin: options.margin,
    quality: options.quality,
  };
}

export async function closeCameras(cameras: readonly FrameSource[]): Promise<void> {
  await Promise.all(cameras.map((camera) => camera.close()));
}

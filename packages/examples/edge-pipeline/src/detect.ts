import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { FaceDetector, FaceSelector, FrameSource, GapReporter, Publisher, pipeline } from 'edge-relay';
import { type App, bar, Progress } from 'edge-relay-command-line';
import { isolation } from './bridge';
import type { EdgePipelineOptions } from './options';

/** Camera to local broker. Resolves when the source has ended and the last face is acknowledged. */
export async function detect(
  options: EdgePipelineOptions,
  app: App,
  stop: AbortSignal,
  onAcknowledged: () => void,
): Promise<void> {
  const { log } = app;
  await using camera = new FrameSource(options.source!, {
    ...given({ camera: options.camera, loop: options.loop, realTime: options.realTime }),
    ...given({ framesPerSecond: options.framesPerSecond, startTime: options.startTime }),
  });
  await using detector = new FaceDetector({
    preset: options.preset,
    cascade: options.cascade,
    scaleFactor: options.scaleFactor,
    minNeighbors: options.minNeighbors,
    minFaceSize: options.minFaceSize,
    maxFaceSize: options.maxFaceSize,
    detectionWidth: options.detectionWidth,
    workers: options.workers,
  });
  await using selector = new FaceSelector({
    policy: 'all',
    format: options.format,
    ...given({ margin: options.margin, quality: options.quality }),
  });
  await using publisher = new Publisher({
    url: options.edgeUrl,
    topic: options.edgeTopic,
    username: options.edgeUsername,
    password: options.edgePassword,
    ca: options.edgeCa,
    cert: options.edgeCert,
    key: options.edgeKey,
    spool: options.spool && join(options.spool, 'detect'),
    receipts: options.receipts,
    stamp: 'publishedat',
  });
  await using _gaps = new GapReporter(publisher);
  camera.on('open', ({ width, height }) => log.info(`${camera.camera}: ${width} x ${height} pixels`));
  camera.on('damaged', ({ error }) => log.warn(error.message));
  let flowing = '';
  publisher.on('online', ({ url }) => {
    flowing = `publishing to ${options.edgeTopic} at ${url}`;
    log.change('edge', flowing);
  });
  publisher.on('offline', ({ error }) => log.change('edge', error.message, 'warn'));
  publisher.on('waiting', ({ topic }) =>
    log.change('edge', `nobody subscribes to ${topic} yet; keeping the faces`),
  );
  publisher.on('acknowledged', () => {
    log.change('edge', flowing);
    onAcknowledged();
  });
  publisher.on('silent', ({ outstanding }) =>
    log.change(
      'receipts',
      `no receipt comes for ${outstanding} faces: is --receipts on at the bridge and at cloud-sink?`,
      'warn',
    ),
  );
  publisher.on('stored', () => log.change('receipts', 'receipts come: faces are stored'));
  const failed = new AbortController();
  const signal = AbortSignal.any([stop, failed.signal]);
  publisher.on('failed', ({ error }) => failed.abort(error));
  publisher.on('isolated', ({ message }) => log.warn(isolation(message)));
  publisher.on('refused', ({ error }) => log.warn(error.message));
  app.onStop(() => camera.close());

  const { frames } = await camera.describe();
  const stopShowing =
    frames === undefined || options.loop ? undefined : showProgress(camera, publisher, frames);
  try {
    await pipeline(camera, detector, selector, publisher, { signal });
    // What is on disk is safe: only who ends by himself waits until the broker has it.
    const { spooled } = publisher.stats;
    if (spooled > 0 && !app.isStopping)
      log.info(`the source has ended; ${spooled} faces on disk wait for the broker`);
    while (!app.isStopping && publisher.stats.spooled > 0) await sleep(50, undefined, { signal });
  } finally {
    stopShowing?.();
    const { captured, dropped } = camera.stats;
    const faces = publisher.stats;
    const stored = options.receipts ? `, ${faces.stored} stored` : '';
    log.info(
      `${captured} frames (${dropped} dropped), ${faces.published} faces, ${faces.acknowledged} acknowledged${stored}`,
    );
    if (faces.spooled > 0 && !options.spool) {
      log.warn(`${faces.spooled} faces are lost: no broker has taken them over; --spool keeps them on disk`);
    }
  }
}

function showProgress(camera: FrameSource, publisher: Publisher, frames: number): () => void {
  const progress = new Progress();
  const timer = setInterval(() => {
    const { captured } = camera.stats;
    progress.show(
      () =>
        `${bar(captured, frames)}  ${captured} of ${frames} frames, ${publisher.stats.acknowledged} faces sent`,
    );
  }, 100);
  return () => {
    clearInterval(timer);
    progress.clear();
  };
}

/** Only what was given: the library tells "not given" from "given as undefined". */
function given<Options extends object>(
  options: Options,
): { [Key in keyof Options]: Exclude<Options[Key], undefined> } {
  const entries = Object.entries(options).filter(([, value]) => value !== undefined);
  return Object.fromEntries(entries) as { [Key in keyof Options]: Exclude<Options[Key], undefined> };
}

import { setTimeout as sleep } from 'node:timers/promises';
import { type FrameSource, GapReporter, merge, Preview, type Publisher, pipeline } from 'edge-relay';
import { type App, bar, counted, Progress } from 'edge-relay-command-line';
import { isolation } from './bridge';
import { announceCameras } from './camera-status';
import { summaryOf, watchCamera } from './cameras';
import { closeCameras, makeStages } from './detect-stages';
import { measureDetect, timed } from './metrics';
import type { EdgePipelineOptions } from './options';

/** Camera to local broker. Resolves when the source has ended and the last face is acknowledged. */
export async function detect(
  options: EdgePipelineOptions,
  app: App,
  stop: AbortSignal,
  onAcknowledged: () => void,
): Promise<void> {
  const { log, health, meter } = app;
  await using stages = makeStages(options);
  const { cameras, detector, selector, publisher } = stages;
  await using _gaps = new GapReporter(publisher);
  if (meter) measureDetect(meter, stages);
  for (const camera of cameras) watchCamera(camera, app);
  if (options.statusTopic !== undefined) announceCameras(cameras, publisher, options.statusTopic);
  detector.on('damaged', ({ camera, error }) =>
    log.change(`${camera} damage`, `${camera}: ${error.message}`, 'warn'),
  );
  selector.on('damaged', ({ camera, error }) =>
    log.change(`${camera} damage`, `${camera}: ${error.message}`, 'warn'),
  );
  let flowing = '';
  publisher.on('online', ({ url }) => {
    flowing = `publishing to ${options.edgeTopic} at ${url}`;
    health.up('edge broker', flowing);
  });
  health.expect('edge broker');
  publisher.on('offline', ({ error }) => health.down('edge broker', error.message));
  publisher.on('waiting', ({ topic }) =>
    log.change('edge broker', `nobody subscribes to ${topic} yet; keeping the faces`),
  );
  publisher.on('acknowledged', () => {
    log.change('edge broker', flowing);
    onAcknowledged();
  });
  publisher.on('silent', ({ outstanding }) =>
    log.change(
      'receipts',
      `no receipt comes for ${counted(outstanding, 'face')}: is --receipts on at the bridge and at cloud-sink?`,
      'warn',
    ),
  );
  publisher.on('stored', () => log.change('receipts', 'receipts come: faces are stored'));
  const failed = new AbortController();
  const signal = AbortSignal.any([stop, failed.signal]);
  publisher.on('failed', ({ error }) => failed.abort(error));
  publisher.on('isolated', ({ message }) => log.warn(isolation(message)));
  publisher.on('refused', ({ error }) => log.warn(error.message));
  app.onStop(() => closeCameras(cameras));
  await using preview = new Preview({ port: options.preview, host: options.previewHost });
  if (options.preview !== undefined) {
    preview.watch(selector, ...cameras);
    await preview.open();
    log.info(`what is seen is shown at ${preview.url}`);
  }

  const frames = await countFrames(cameras);
  const stopShowing =
    frames === undefined || options.loop ? undefined : showProgress(cameras, publisher, frames);
  try {
    const source = cameras.length > 1 ? merge(...cameras) : cameras[0]!;
    await pipeline(source, timed(detector, meter), selector, publisher, { signal });
    // What is on disk is safe: only who ends by himself waits until the broker has it.
    const { spooled } = publisher.stats;
    if (spooled > 0 && !app.isStopping)
      log.info(
        `the source has ended; ${counted(spooled, 'face')} on disk ${spooled === 1 ? 'waits' : 'wait'} for the broker`,
      );
    while (!app.isStopping && publisher.stats.spooled > 0) await sleep(50, undefined, { signal });
  } finally {
    stopShowing?.();
    if (cameras.length > 1 || cameras[0]!.stats.restarts > 0)
      for (const camera of cameras) log.info(summaryOf(camera));
    const [captured, dropped] = [total(cameras, 'captured'), total(cameras, 'dropped')];
    const faces = publisher.stats;
    const { people, refused } = selector.stats;
    const stored = options.receipts ? `, ${faces.stored} stored` : '';
    log.info(
      `${counted(captured, 'frame')} (${dropped} dropped), ${counted(people, 'person', 'people')}, ${counted(faces.published, 'face')}, ${faces.acknowledged} acknowledged${stored}`,
    );
    const { wholeLooks, fieldLooks, closeLooks, unchanged } = detector.stats;
    log.info(
      `looked at ${counted(wholeLooks, 'whole frame')}, ${counted(fieldLooks, 'part')}, ${counted(closeLooks, 'face')} closely; ${counted(unchanged, 'frame')} showed nothing new`,
    );
    if (refused > 0) log.info(`${counted(refused, 'face')} kept back by the budget or for their quality`);
    if (faces.spooled > 0 && !options.spool) {
      log.warn(
        `${counted(faces.spooled, 'face is', 'faces are')} lost: no broker has taken ${faces.spooled === 1 ? 'it' : 'them'} over; --spool keeps faces on disk`,
      );
    }
  }
}

function showProgress(cameras: readonly FrameSource[], publisher: Publisher, frames: number): () => void {
  const progress = new Progress();
  const timer = setInterval(() => {
    const captured = total(cameras, 'captured');
    progress.show(
      () =>
        `${bar(captured, frames)}  ${captured} of ${counted(frames, 'frame')}, ${counted(publisher.stats.acknowledged, 'face')} sent`,
    );
  }, 100);
  return () => {
    clearInterval(timer);
    progress.clear();
  };
}

/** How many frames there will be of all cameras together, where that is known. */
async function countFrames(cameras: readonly FrameSource[]): Promise<number | undefined> {
  const described = await Promise.all(cameras.map((camera) => camera.describe()));
  return described.reduce<number | undefined>(
    (sum, { frames }) => (sum === undefined || frames === undefined ? undefined : sum + frames),
    0,
  );
}

function total(cameras: readonly FrameSource[], name: 'captured' | 'dropped'): number {
  return cameras.reduce((sum, { stats }) => sum + stats[name], 0);
}

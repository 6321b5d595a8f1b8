import { resolve } from 'node:path';
import {
  Bridge,
  FaceDetector,
  FaceSelector,
  FrameSource,
  Publisher,
  pipeline,
  Sink,
  Subscriber,
} from 'edge-relay';
import { bar, counted, type Progress } from 'edge-relay-command-line';
import { startBroker } from './broker';
import { percentile, type Summary } from './summary';

export interface JourneyOptions {
  readonly source: string;
  readonly store: string;
  readonly progress: Progress;
  readonly signal: AbortSignal;
  /** Called once with how to end early: what is under way still arrives. */
  readonly onStop: (drain: () => unknown) => void;
}

const EDGE_TOPIC = 'hw3facestx2';
const CLOUD_TOPIC = 'hw3faces';

/** Sends the faces of a video all the way: detector, edge broker, bridge, cloud broker, store. */
export async function journey({ source, store, progress, signal, onStop }: JourneyOptions): Promise<Summary> {
  const startedAt = performance.now();
  await using edge = await startBroker();
  await using cloud = await startBroker();

  // The cloud side: subscriber and store.
  await using sink = new Sink(store);
  await using arrivals = new Subscriber({ url: cloud.url, topic: CLOUD_TOPIC, clientId: 'demo-sink' });
  const latencies: number[] = [];
  sink.on('stored', ({ readAt, storedAt }) => latencies.push(storedAt - (readAt ?? storedAt)));
  const sinkOnline = new Promise((online) => arrivals.once('online', online));

  // Between the brokers.
  const topics = [{ from: EDGE_TOPIC, to: CLOUD_TOPIC }];
  await using bridge = new Bridge({ from: { url: edge.url }, to: { url: cloud.url }, topics });
  const bridgeOnline = new Promise<void>((online) => {
    bridge.on('online', ({ side }) => side === 'from' && online());
  });

  // The edge: camera, detector, selector, publisher.
  await using camera = new FrameSource(source);
  await using detector = new FaceDetector({ minFaceSize: 60 });
  await using selector = new FaceSelector({ policy: 'all' });
  await using publisher = new Publisher({ url: edge.url, topic: EDGE_TOPIC });
  onStop(() => camera.close());

  const sending = async () => {
    const { frames = 0 } = await camera.describe();
    // Embedded brokers do not tell a publisher that nobody listens: wait until everybody does.
    await Promise.all([sinkOnline, bridgeOnline]);
    const showing = setInterval(() => {
      const { captured } = camera.stats;
      const { stored } = sink.stats;
      progress.show(
        () => `  ${bar(captured, frames)}  ${counted(captured, 'frame')}, ${counted(stored, 'face')} stored`,
      );
    }, 100);
    try {
      await pipeline(camera, detector, selector, publisher, { signal });
      // A picture can be stored before the bridge has heard that the cloud broker took it.
      const isThrough = () => {
        const { acknowledged } = publisher.stats;
        const { stored, duplicates } = sink.stats;
        return stored + duplicates >= acknowledged && bridge.stats.forwarded >= acknowledged;
      };
      await arrived(isThrough, signal);
    } finally {
      clearInterval(showing);
      progress.clear();
    }
  };
  // The two in the background end only when they are closed, or fail.
  await Promise.race([sending(), pipeline(arrivals, sink, { signal }), bridge.run({ signal })]);

  const { stored, duplicates, bytes } = sink.stats;
  const { selected, faces } = selector.stats;
  return {
    frames: camera.stats.captured,
    faces,
    selected,
    published: publisher.stats.acknowledged,
    forwarded: bridge.stats.forwarded,
    stored,
    duplicates,
    lost: selected - stored,
    bytes,
    seconds: Math.round(performance.now() - startedAt) / 1000,
    latencyMs: { p50: Math.round(percentile(latencies, 0.5)), p99: Math.round(percentile(latencies, 0.99)) },
    store: resolve(store),
  };
}

/** Resolves when it is so, or after ten seconds without: then the summary tells what is missing. */
async function arrived(isSo: () => boolean, signal: AbortSignal): Promise<void> {
  for (let attempt = 0; attempt < 1_000 && !isSo(); attempt += 1) {
    signal.throwIfAborted();
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}

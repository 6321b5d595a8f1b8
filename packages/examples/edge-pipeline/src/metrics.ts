import type { Bridge, Detection, FaceDetector, Frame, FrameSource, Publisher, Transform } from 'edge-relay';
import { type Meter, measureConnections, type Reading, Tally } from 'edge-relay-command-line';
import type { DetectStages } from './detect-stages';

/** Seconds; a frame that is like the one before takes a few milliseconds, a whole one on a small board a second. */
const DETECT_BUCKETS = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5];
const RATE_MS = 10_000;
/** Why a selector keeps a face back. */
const SUPPRESSED = ['pictures', 'bytes', 'quality'] as const;
type Spooled = Pick<Publisher['stats'], 'spooled' | 'spooledBytes' | 'oldestAgeSeconds'>;

/** Measures what is between a camera and the local broker. */
export function measureDetect(meter: Meter, { cameras, selector, publisher }: DetectStages): void {
  const each = (read: (source: FrameSource) => number) => (): Reading[] =>
    cameras.map((source) => [read(source), { camera: source.camera }]);
  meter.counter(
    'frames_captured_total',
    'Frames that a camera delivered.',
    ['camera'],
    each(({ stats }) => stats.captured),
  );
  meter.counter('frames_dropped_total', 'Frames that gave way to newer ones.', ['camera', 'reason'], () =>
    cameras.map(({ camera, stats }) => [stats.dropped, { camera, reason: 'late' }]),
  );
  meter.counter(
    'frames_damaged_total',
    'Parts of the input that could not be read.',
    ['camera'],
    each(({ stats }) => stats.damaged),
  );
  meter.counter('capture_restarts_total', 'How often a camera was started again.', ['camera', 'reason'], () =>
    cameras.flatMap(({ camera, stats: { restarts, stalls } }): Reading[] => [
      [stalls, { camera, reason: 'stall' }],
      [restarts - stalls, { camera, reason: 'failure' }],
    ]),
  );
  const silent = new Set<string>(cameras.map(({ camera }) => camera));
  for (const source of cameras) {
    source.on('open', ({ camera }) => silent.delete(camera));
    source.on('stall', ({ camera }) => silent.add(camera));
    source.on('offline', ({ camera }) => silent.add(camera));
  }
  meter.gauge(
    'capture_stalled',
    'Whether a camera gives no frames.',
    ['camera'],
    each(({ camera }) => (silent.has(camera) ? 1 : 0)),
  );
  const rates = new Map(cameras.map((source) => [source.camera, rateOf(() => source.stats.captured)]));
  meter.gauge(
    'camera_fps',
    'Frames a second, over the last ten seconds.',
    ['camera'],
    each(({ camera }) => rates.get(camera)!()),
  );

  const [detected, selected, suppressed] = [new Tally(), new Tally(), new Tally()];
  // A series that begins with its first event has that event in no rate.
  for (const { camera } of cameras) {
    for (const tally of [detected, selected]) tally.add(camera, 0);
    for (const reason of SUPPRESSED) suppressed.add(camera, 0, { reason });
  }
  selector.on('look', ({ frame, faces }) => detected.add(frame.camera, faces.length));
  selector.on('select', ({ camera }) => selected.add(camera));
  selector.on('refuse', ({ camera, reason }) => suppressed.add(camera, 1, { reason }));
  meter.counter('faces_detected_total', 'Faces found, each frame anew.', ['camera'], () => detected.readings);
  meter.counter('faces_selected_total', 'Faces that became messages.', ['camera'], () => selected.readings);
  meter.counter(
    'faces_suppressed_total',
    'Faces kept back by a budget or for their quality.',
    ['camera', 'reason'],
    () => suppressed.readings,
  );

  meter.counter('publish_total', 'Messages, by what became of them at the local broker.', ['result'], () => {
    const { acknowledged, refused, dropped } = publisher.stats;
    return Object.entries({ acknowledged, refused, dropped }).map(([result, count]) => [count, { result }]);
  });
  meter.counter('publish_bytes_total', 'Bytes of the pictures that the local broker has taken.', [], () => [
    [publisher.stats.bytes],
  ]);
  measureConnections(meter, { publisher: { emitter: publisher } });
  measureSpool(meter, 'publisher', publisher);
}

/** The detector as a stage that tells how long it takes for a frame. */
export function timed(detector: FaceDetector, meter: Meter | undefined): Transform<Frame, Detection> {
  if (!meter) return detector;
  const observe = meter.histogram(
    'detect_duration_seconds',
    'Time to search a frame.',
    ['camera'],
    DETECT_BUCKETS,
  );
  return {
    name: detector.name,
    concurrency: detector.concurrency,
    open: () => detector.open(),
    async transform(frame) {
      const since = performance.now();
      const found = await detector.transform(frame);
      observe((performance.now() - since) / 1_000, { camera: frame.camera });
      return found;
    },
  };
}

/** Measures what is between the two brokers. */
export function measureBridge(meter: Meter, bridge: Bridge): void {
  const one = (read: (stats: Bridge['stats']) => number) => (): Reading[] => [[read(bridge.stats)]];
  meter.gauge(
    'bridge_inflight',
    'Taken from the local broker, and not yet acknowledged to it.',
    [],
    one(({ outstanding }) => outstanding),
  );
  meter.counter(
    'bridge_forwarded_total',
    'Messages that the cloud broker has taken over.',
    [],
    one(({ forwarded }) => forwarded),
  );
  meter.counter(
    'bridge_refused_total',
    'Messages that can never go over.',
    [],
    one(({ refused }) => refused),
  );
  meter.counter(
    'bridge_dropped_total',
    'Messages that left without having been sent.',
    [],
    one(({ dropped }) => dropped),
  );
  measureSpool(meter, 'bridge', bridge);
  measureConnections(meter, {
    'bridge-from': { emitter: bridge, side: 'from' },
    'bridge-to': { emitter: bridge, side: 'to' },
  });
}

/** Measures what waits until it is safe further on. */
function measureSpool(meter: Meter, stage: 'publisher' | 'bridge', user: Publisher | Bridge): void {
  const one = (read: (stats: Spooled) => number) => (): Reading[] => [[read(user.stats), { stage }]];
  meter.gauge(
    'spool_messages',
    'Messages that wait.',
    ['stage'],
    one(({ spooled }) => spooled),
  );
  meter.gauge(
    'spool_bytes',
    'What they take.',
    ['stage'],
    one(({ spooledBytes }) => spooledBytes),
  );
  meter.gauge(
    'spool_oldest_age_seconds',
    'How long the first of them has waited.',
    ['stage'],
    one(({ oldestAgeSeconds }) => oldestAgeSeconds),
  );
}

/** What a count grows by in a second, over the last ten. */
function rateOf(read: () => number): () => number {
  const samples: { at: number; count: number }[] = [];
  const sample = () => {
    const at = performance.now();
    samples.push({ at, count: read() });
    while (samples.length > 2 && at - samples[1]!.at >= RATE_MS) samples.shift();
  };
  sample();
  setInterval(sample, RATE_MS / 10).unref();
  return () => {
    const [first] = samples;
    const seconds = (performance.now() - first!.at) / 1_000;
    return seconds > 0 ? (read() - first!.count) / seconds : 0;
  };
}

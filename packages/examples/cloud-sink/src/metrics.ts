import type { Message, Sink, Subscriber, Writer } from 'edge-relay';
import { type Meter, measureConnections, Tally } from 'edge-relay-command-line';

/** Seconds; a folder takes milliseconds, a bucket far away a second, one that is down as long as it is down. */
const STORE_BUCKETS = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60];
/** Seconds; what waits for a link through a night is late by hours. */
const JOURNEY_BUCKETS = [0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 900, 3_600, 21_600, 86_400];

/** Measures what is between the cloud broker and the store. */
export function measureSink(meter: Meter, sink: Sink, faces: Subscriber): void {
  meter.counter('sink_objects_total', 'Messages, by what became of them.', ['result'], () => {
    const { stored, duplicates, conflicts, rejected, gaps, forgotten } = sink.stats;
    const results = { stored, duplicate: duplicates, conflict: conflicts, rejected, gap: gaps, forgotten };
    return Object.entries(results).map(([result, count]) => [count, { result }]);
  });
  meter.counter('sink_bytes_total', 'Bytes of what was stored.', [], () => [[sink.stats.bytes]]);
  meter.counter('sink_retries_total', 'How often the store failed, and was tried again.', [], () => [
    [sink.stats.retries],
  ]);
  const left = new Tally();
  sink.on('gap', ({ gap: { camera, reason, numbers } }) =>
    left.add(
      camera,
      numbers.reduce((sum, [from, to]) => sum + to - from + 1, 0),
      { reason },
    ),
  );
  meter.counter(
    'sequence_gaps_total',
    'Pictures that were left out on the way, and said so.',
    ['camera', 'reason'],
    () => left.readings,
  );
  const observe = meter.histogram(
    'end_to_end_seconds',
    'From the frame that was read to the object that is durable.',
    ['camera'],
    JOURNEY_BUCKETS,
  );
  const cameras = new Tally();
  sink.on('stored', ({ readAt, storedAt, row }) => {
    // Two clocks: one that is behind must not make it negative.
    if (readAt !== undefined)
      observe(Math.max(0, storedAt - readAt) / 1_000, { camera: cameras.nameOf(row?.camera ?? 'unknown') });
  });
  measureConnections(meter, { subscriber: { emitter: faces } });
  meter.gauge(
    'sink_unacknowledged',
    'Messages that the broker has delivered and that are not yet stored.',
    [],
    () => [[faces.stats.outstanding]],
  );
}

/** The sink as a stage that tells how long a message takes until it is durable. */
export function timed(sink: Sink, meter: Meter | undefined): Writer<Message> {
  if (!meter) return sink;
  const observe = meter.histogram(
    'sink_duration_seconds',
    'Time until a message is durable.',
    [],
    STORE_BUCKETS,
  );
  return {
    name: sink.name,
    concurrency: sink.concurrency,
    open: () => sink.open(),
    async write(message, context) {
      const since = performance.now();
      await sink.write(message, context);
      observe((performance.now() - since) / 1_000);
    },
  };
}

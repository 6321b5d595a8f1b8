import { RelayError, type RoundTrip, roundTrip } from 'edge-relay';
import {
  type App,
  brokerFinding,
  type Check,
  clockFinding,
  doctorOptions,
  examine,
  type Finding,
  type OptionsOf,
  type Program,
  wayFinding,
} from 'edge-relay-command-line';
import { cloudBroker, edgeBroker } from './brokers';
import { cameraFinding } from './camera-finding';
import { ffmpegFinding } from './ffmpeg-finding';
import { reviewTogether } from './objections';
import { edgePipeline } from './options';
import { makeSources } from './sources';
import { spoolFinding } from './spool-finding';

const EXAMPLES = `Examples:
  With the options of the app, before its first start or beside it:
    edge-pipeline doctor --config edge.yaml
  For programs:
    edge-pipeline doctor --config edge.yaml --json

Looks at each camera, ffmpeg, the disk of the spool, both brokers and what they allow; sends a probe the way of the
pictures, which a running cloud-sink stores, removes and (with --receipts) receipts; and compares the clocks by it. It
leaves nothing behind. Exit codes: 0 nothing is wrong, 1 something is wrong, 2 wrong use.`;

const options = { ...edgePipeline.options, ...doctorOptions };

export const edgePipelineDoctor: Program<typeof options> = {
  name: 'edge-pipeline doctor',
  description: "Says what is wrong on the device's side, and the cure.",
  examples: EXAMPLES,
  options,
  file: edgePipeline.options,
  // What is missing is a finding.
  review: reviewTogether,
};

/** `edge-pipeline doctor`: looks at what the device needs. */
export async function runDoctor(given: OptionsOf<typeof options>, app: App): Promise<void> {
  const { role, source: settings = [], receipts = false } = given;
  const sees = role !== 'bridge';
  const forwards = role !== 'detect';
  const cameras = sees ? makeSources(settings, given) : [];
  const parts = [...(sees ? ['detect'] : []), ...(forwards ? ['bridge/out'] : [])];
  const beyondEdge = forwards ? 'the bridge (edge-pipeline)' : 'the bridge and cloud-sink';
  let lacksFfmpeg = false;
  const trips: RoundTrip[] = [];
  const send = async (broker: Broker, topic: string, party: string, timeoutMs: number) => {
    const trip = await roundTrip({ ...broker(timeoutMs), topic, receipts, timeoutMs });
    trips.push(trip);
    return wayFinding(trip, topic, party);
  };
  const edge: Broker = (timeoutMs) => within(edgeBroker(given), timeoutMs);
  const cloud: Broker = (timeoutMs) => within(cloudBroker(given), timeoutMs);

  const checks: readonly (Check | false)[] = [
    sees && cameras.length === 0 && { name: 'camera', look: async () => noCamera() },
    ...cameras.map((camera, index) => ({
      name: `camera ${camera.camera}`,
      look: async (timeoutMs: number) => {
        const { location, ...own } = settings[index]!;
        return cameraFinding(camera, { ...given, ...own }, location, timeoutMs).catch((error): Finding => {
          if (!(error instanceof RelayError && error.code === 'FFMPEG_MISSING')) throw error;
          lacksFfmpeg = true;
          return { state: 'skipped', value: 'not checked, because there is no ffmpeg' };
        });
      },
    })),
    sees && { name: 'ffmpeg', look: (timeoutMs) => ffmpegFinding(lacksFfmpeg, timeoutMs) },
    { name: 'spool', look: () => spoolFinding(given.spool, parts) },
    { name: 'edge broker', look: (timeoutMs) => brokerFinding(edge(timeoutMs)) },
    forwards && {
      name: 'cloud broker',
      look: async (timeoutMs) => (given.cloudUrl ? brokerFinding(cloud(timeoutMs)) : noCloud()),
    },
    forwards && {
      name: 'cloud to store',
      needs: ['cloud broker'],
      look: (timeoutMs) => send(cloud, given.cloudTopic, 'cloud-sink', timeoutMs),
    },
    // A bridge on its own needs no right to send at the edge.
    sees && {
      name: 'edge to store',
      needs: ['edge broker', 'cloud to store'],
      look: (timeoutMs) => send(edge, given.edgeTopic, beyondEdge, timeoutMs),
    },
    { name: 'clock', look: async () => clockOf(trips, receipts) },
  ];
  try {
    await examine(
      checks.filter((check) => check !== false),
      given,
      app,
    );
  } finally {
    await Promise.all(cameras.map((camera) => camera.close()));
  }
}

/** The shortest way there and back is the surest. */
function clockOf(trips: readonly RoundTrip[], receipts: boolean): Finding {
  const told = trips.flatMap((trip) =>
    trip.outcome === 'stored' && trip.clockAheadMs !== undefined
      ? [{ aheadMs: trip.clockAheadMs, totalMs: trip.totalMs }]
      : [],
  );
  const [best] = told.sort((one, other) => one.totalMs - other.totalMs);
  if (best) return clockFinding(best.aheadMs, best.totalMs / 2, "the time in the sink's receipt");
  const why = receipts ? 'no receipt told the time' : 'only receipts tell the time (--receipts)';
  return { state: 'skipped', value: `not checked, because ${why}` };
}

function noCamera(): Finding {
  const cure = 'Name one: --source; --list-cameras shows those there are.';
  return { state: 'fail', value: 'no source is named', cure };
}

function noCloud(): Finding {
  const cure = 'Name it: --cloud-url; for faces without a bridge: --role detect.';
  return { state: 'fail', value: 'no cloud broker is named', cure };
}

/** A broker that is to answer within so many milliseconds, all its addresses together. */
type Broker = (timeoutMs: number) => ReturnType<typeof within>;

function within(broker: ReturnType<typeof edgeBroker>, timeoutMs: number) {
  return { ...broker, connectTimeoutMs: timeoutMs / broker.url.length };
}

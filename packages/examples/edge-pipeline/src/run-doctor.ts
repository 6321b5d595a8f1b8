import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { type FrameSource, findFfmpeg, listCameras, RelayError, type RoundTrip, roundTrip } from 'edge-relay';
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
} from 'edge-relay-command-line';
import { cameraWish } from './list-cameras';
import { type EdgePipelineOptions, edgePipeline } from './options';
import { makeSources } from './sources';
import { spoolFinding } from './spool-disk';

const EXAMPLES = `Examples:
  With the options of the app, before its first start or beside it:
    edge-pipeline doctor --config edge.yaml
  For programs:
    edge-pipeline doctor --config edge.yaml --json

Looks at each camera, ffmpeg, the disk of the spool, both brokers and what they allow; with --receipts it sends a probe
the way of the pictures, which a running cloud-sink stores, removes and receipts, and compares the clocks by it. It
leaves nothing behind. Exit codes: 0 nothing is wrong, 1 something is wrong, 2 wrong use.`;

const options = { ...edgePipeline.options, ...doctorOptions };

export const edgePipelineDoctor: Program<typeof options> = {
  name: 'edge-pipeline doctor',
  description: "Says what is wrong on the device's side, and the cure.",
  examples: EXAMPLES,
  options,
  file: edgePipeline.options,
};

const CAMERA_MS = 15_000;

/** `edge-pipeline doctor`: looks at what the device needs. */
export async function runDoctor(given: OptionsOf<typeof options>, app: App): Promise<void> {
  const sees = given.role !== 'bridge';
  const forwards = given.role !== 'detect';
  const cameras = sees && given.source ? makeSources(given.source, given) : [];
  const edge = edgeOf(given);
  const cloud = given.cloudUrl && cloudOf(given, given.cloudUrl);
  // What the second way takes tells on which part of the first one it fails.
  let way: Promise<RoundTrip> | undefined;
  const goAll = () => {
    way ??= roundTrip({ ...edge, topic: given.edgeTopic });
    return way;
  };
  const checks: (Check | false | undefined)[] = [
    sees && cameras.length === 0 && { name: 'camera', look: async () => noCamera() },
    ...cameras.map((camera, index) => ({
      name: `camera ${camera.camera}`,
      look: () => cameraFinding(camera, given, given.source?.[index]?.location),
      timeoutMs: CAMERA_MS + 1_000,
    })),
    sees && { name: 'ffmpeg', look: ffmpegFinding },
    { name: 'spool', look: () => spoolFinding(given.spool) },
    { name: 'edge broker', look: () => brokerFinding(edge) },
    forwards && { name: 'cloud broker', look: async () => (cloud ? brokerFinding(cloud) : noCloud()) },
    forwards &&
      cloud && {
        name: 'cloud to store',
        look: async () =>
          given.receipts
            ? wayFinding(await roundTrip({ ...cloud, topic: given.cloudTopic }), 'cloud-sink')
            : noReceipts(),
      },
    {
      name: 'edge to store',
      look: async () => (given.receipts ? wayFinding(await goAll(), 'the bridge') : noReceipts()),
    },
    { name: 'clock', look: async () => (given.receipts ? clockOf(await goAll()) : noReceipts()) },
  ];
  try {
    await examine(
      checks.filter((check) => check !== false && check !== undefined),
      { json: given.json, app },
    );
  } finally {
    await Promise.all(cameras.map((camera) => camera.close()));
  }
}

/** The first frame of a camera says more than its list of modes. */
async function cameraFinding(
  camera: FrameSource,
  given: EdgePipelineOptions,
  location = '',
): Promise<Finding> {
  const modes = location.startsWith('/dev/') ? await modesOf(location, given) : '';
  const doubts: string[] = [];
  camera.on('mismatch', ({ requested, got, offers }) =>
    doubts.push(
      `It gives ${got.width} x ${got.height}, not ${requested.width} x ${requested.height} as asked for; it offers ${offers.join(', ') || 'nothing else'}. Change --width and --height.`,
    ),
  );
  const began = performance.now();
  let failure: RelayError | undefined;
  const timer = setTimeout(() => void camera.close(), CAMERA_MS);
  // A camera is tried again for ever: here, the first failure is the answer.
  camera.on('offline', ({ error }) => {
    failure ??= error;
    void camera.close();
  });
  try {
    for await (const { image } of camera) {
      const took = `first frame after ${Math.round(performance.now() - began)} ms`;
      const value = `${image.width} x ${image.height}, ${took}${modes}`;
      if (doubts.length === 0) return { state: 'good', value };
      return { state: 'doubtful', value, cure: doubts.join(' ') };
    }
    if (failure) throw failure;
    return {
      state: 'wrong',
      value: `no frame within ${CAMERA_MS / 1000} seconds`,
      cure: 'Look at the source with another player; edge-pipeline --list-cameras shows those of this machine.',
    };
  } catch (error) {
    if (!(error instanceof RelayError && error.code === 'SOURCE_BUSY')) throw error;
    // It may well be the app itself.
    const cure = 'If that is edge-pipeline, all is well: stop it to have the camera looked at.';
    return { state: 'doubtful', value: error.message, cure };
  } finally {
    clearTimeout(timer);
    await camera.close();
  }
}

/** What a camera of this machine offers, and which of it the app would take. */
async function modesOf(location: string, given: EdgePipelineOptions): Promise<string> {
  const cameras = await listCameras(cameraWish(given));
  const found = cameras.find(({ path, stablePath }) => path === location || stablePath === location);
  if (!found?.chosen) return '';
  const { width, height, encoding, framesPerSecond } = found.chosen;
  return `; of ${found.modes.length} modes it takes ${width} x ${height}, ${encoding}, ${framesPerSecond} a second`;
}

async function ffmpegFinding(): Promise<Finding> {
  const path = await findFfmpeg('ffmpeg').catch((error) => error as Error);
  if (path instanceof Error) {
    const cure = `Pictures, http:// streams of JPEGs and exec: go without it; all else does not. ${path.message}`;
    return { state: 'doubtful', value: 'there is none', cure };
  }
  const { stdout } = await promisify(execFile)(path, ['-version'], { timeout: 5_000 });
  return {
    state: 'good',
    value: `${/^ffmpeg version (\S+)/.exec(stdout)?.[1] ?? 'of unknown version'} at ${path}`,
  };
}

function wayFinding(way: RoundTrip, party: string): Finding {
  if (way.outcome === 'stored') {
    return { state: 'good', value: `a probe was stored, removed and receipted in ${way.totalMs} ms` };
  }
  const value = way.outcome === 'silent' ? 'no receipt came for a probe' : 'nobody takes what is sent there';
  return {
    state: 'wrong',
    value,
    cure: `Start ${party} with --receipts; if it runs, look at its log and at the access rules for …/receipts/# (docs/security.md).`,
  };
}

function clockOf(way: RoundTrip): Finding {
  if (way.outcome !== 'stored') return { state: 'skipped', value: 'no receipt came to tell the time' };
  if (way.clockAheadMs === undefined) return { state: 'skipped', value: 'the receipt tells no time' };
  return clockFinding(way.clockAheadMs, way.totalMs / 2, "the receipt's time");
}

function noCamera(): Finding {
  return {
    state: 'wrong',
    value: 'no source is named',
    cure: 'Name one: --source; --list-cameras shows those there are.',
  };
}

function noCloud(): Finding {
  const cure = 'Name it: --cloud-url; for faces without a bridge: --role detect.';
  return { state: 'wrong', value: 'no cloud broker is named', cure };
}

function noReceipts(): Finding {
  return { state: 'skipped', value: 'needs --receipts, here and at cloud-sink' };
}

function edgeOf(given: EdgePipelineOptions) {
  const { edgeUrl: url, edgeUsername: username, edgePassword: password } = given;
  return { url, username, password, ca: given.edgeCa, cert: given.edgeCert, key: given.edgeKey };
}

function cloudOf(given: EdgePipelineOptions, url: readonly string[]) {
  const { cloudUsername: username, cloudPassword: password } = given;
  return { url, username, password, ca: given.cloudCa, cert: given.cloudCert, key: given.cloudKey };
}

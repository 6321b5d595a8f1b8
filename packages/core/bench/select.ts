/** FaceSelector and Tracker: milliseconds of a core for a 1080p frame with several people, and what is held and sent. */
import { type Detection, FaceSelector, type FaceSelectorOptions, type RawImage, Tracker } from 'edge-relay';
import { passersBy, worldOf } from '../test/face-world';

const [width, height, seconds] = [1920, 1080, 20];

for (const people of [4, 15, 60]) {
  const frames = worldOf(passersBy(people, { seconds }), { seconds });
  let number = 0;
  const tracker = new Tracker(() => ({ id: String(++number), number }));
  const started = process.cpuUsage();
  for (const { at, faces } of frames) tracker.update({ at, width, height, faces });
  report({ benchmark: 'tracker', people, ...perFrame(started, frames.length) });
}

const image = noise();
for (const policy of ['best', 'top-k', 'all'] as const) await select({ policy });
await select({ policy: 'best' }, true);

/** Noise is the worst case: encoders make nothing smaller of it. */
async function select(options: FaceSelectorOptions, isWatched = false): Promise<void> {
  const frames = worldOf(passersBy(4, { seconds }), { seconds });
  const selector = new FaceSelector({ format: 'jpeg', ...options });
  if (isWatched) selector.on('look', () => {});
  let heldBytes = 0;
  const started = process.cpuUsage();
  for (const [sequence, { at, faces }] of frames.entries()) {
    const frame = {
      camera: options.policy!,
      sequence,
      capturedAt: at,
      clock: 'file',
      readAt: at,
      image,
    } as const;
    const detection: Detection = { frame, faces, detector: 'bench' };
    await selector.transform(detection);
    heldBytes = Math.max(heldBytes, selector.stats.heldBytes);
  }
  await selector.end();
  const { people, selected, bytes } = selector.stats;
  const result = { people, selected, bytes, mostHeldBytes: heldBytes };
  report({ benchmark: 'selector', ...options, isWatched, ...perFrame(started, frames.length), ...result });
}

function perFrame(started: NodeJS.CpuUsage, frames: number) {
  const { user, system } = process.cpuUsage(started);
  return { frames, millisecondsPerFrame: Math.round((user + system) / frames) / 1000 };
}

function noise(): RawImage {
  const data = new Uint8Array((width * height * 3) / 2);
  let state = 1;
  for (const at of data.keys()) {
    state = (state * 1_103_515_245 + 12_345) & 0x7fffffff;
    data[at] = 60 + (state >> 16) / 220;
  }
  return { format: 'yuv420p', data, width, height };
}

function report(line: object): void {
  console.log(JSON.stringify(line));
}

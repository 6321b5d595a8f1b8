import { type FrameSource, listCameras, RelayError } from 'edge-relay';
import { counted, type Finding } from 'edge-relay-command-line';
import { cameraWish } from './list-cameras';
import type { EdgePipelineOptions } from './options';

/** One frame of a camera, which says more than its list of modes. */
export async function cameraFinding(
  camera: FrameSource,
  options: EdgePipelineOptions,
  location: string | undefined,
  timeoutMs: number,
): Promise<Finding> {
  const modes = location?.startsWith('/dev/') ? await modesOf(location, options) : '';
  const doubts: string[] = [];
  camera.on('mismatch', ({ requested, got, offers }) =>
    doubts.push(
      `It gives ${got.width} x ${got.height}, not ${requested.width} x ${requested.height} as asked for; it offers ${offers.join(', ') || 'nothing else'}. Change --width and --height.`,
    ),
  );
  const began = performance.now();
  let failure: RelayError | undefined;
  const timer = setTimeout(() => void camera.close(), timeoutMs);
  // A camera is tried again for ever: here, the first failure is the answer.
  camera.on('offline', ({ error }) => {
    failure ??= error;
    void camera.close();
  });
  try {
    for await (const { image } of camera) {
      const took = `first frame after ${Math.round(performance.now() - began)} ms`;
      const value = `${image.width} x ${image.height}, ${took}${modes}`;
      if (doubts.length === 0) return { state: 'pass', value };
      return { state: 'warning', value, cure: doubts.join(' ') };
    }
    if (failure) throw failure;
    const cure =
      'Look at the source with another player; edge-pipeline --list-cameras shows those of this machine.';
    return { state: 'fail', value: `no frame within ${timeoutMs / 1_000} seconds`, cure };
  } catch (error) {
    if (!(error instanceof RelayError && error.code === 'SOURCE_BUSY')) throw error;
    // It may well be the app itself.
    const cure = 'If that is edge-pipeline, all is well: stop it to have the camera looked at.';
    return { state: 'warning', value: error.message, cure };
  } finally {
    clearTimeout(timer);
    await camera.close();
  }
}

/** What a camera of this machine offers, and which of it the app would take. */
async function modesOf(location: string, options: EdgePipelineOptions): Promise<string> {
  const cameras = await listCameras(cameraWish(options));
  const found = cameras.find(({ path, stablePath }) => path === location || stablePath === location);
  if (!found?.chosen) return '';
  const { width, height, encoding, framesPerSecond } = found.chosen;
  return `; of ${counted(found.modes.length, 'mode')} it takes ${width} x ${height}, ${encoding}, ${framesPerSecond} a second`;
}

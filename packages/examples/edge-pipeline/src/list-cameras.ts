import {
  type CameraInfo,
  type CameraMode,
  describeCameraModes,
  type ListCamerasOptions,
  listCameras,
} from 'edge-relay';
import type { EdgePipelineOptions } from './options';

/** Prints the cameras of this machine for a person, with what `options` would make of each. */
export async function showCameras(options: EdgePipelineOptions): Promise<void> {
  const cameras = await listCameras(cameraWish(options));
  if (cameras.length === 0) {
    console.log('There is no camera (/dev/video*). In a container, pass one in: --device /dev/video0');
  }
  console.log(cameras.map(describe).join('\n\n'));
}

/** The mode that is looked for. */
export function cameraWish(options: EdgePipelineOptions): ListCamerasOptions {
  const { width, height, framesPerSecond, inputFormat } = options;
  return {
    ...(width && { width }),
    ...(height && { height }),
    ...(framesPerSecond && { framesPerSecond }),
    ...(inputFormat && { inputFormat }),
  };
}

function describe({ path, stablePath, label, modes, chosen, error }: CameraInfo): string {
  const title = `${path}${label === '' ? '' : `  ${label}`}`;
  const source = `  --source ${stablePath ?? path}`;
  if (error) return [title, `  ${error.message}`].join('\n');
  if (!chosen) return [title, '  no mode that fits; what it has:', ...table(modes)].join('\n');
  const { encoding, framesPerSecond } = chosen;
  const choice = `  chosen: ${chosen.width} x ${chosen.height}, ${encoding}, ${framesPerSecond} frames a second`;
  const doubt = chosen.rates ? '' : ' if it can (v4l2-ctl of the package v4l-utils would tell)';
  return [title, source, `${choice}${doubt}`, ...table(modes)].join('\n');
}

function table(modes: readonly CameraMode[]): string[] {
  return modes.length === 0
    ? ['    nothing that can be read']
    : describeCameraModes(modes).map((mode) => `    ${mode}`);
}

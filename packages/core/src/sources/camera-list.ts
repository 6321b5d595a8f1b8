import { readdir, realpath } from 'node:fs/promises';
import { join } from 'node:path';
import type { RelayError } from '../errors';
import { type CameraModeChoice, type CameraWish, chooseModes } from './camera-choice';
import { describeDevice, listDevices, tryToOpen } from './camera-device';
import { givesNoPictures, openFailure } from './camera-failures';
import { readModes } from './camera-listing';
import type { CameraMode } from './camera-modes';
import { findFfmpeg } from './ffmpeg';

/** A camera of this machine. */
export interface CameraInfo {
  /** Such as `/dev/video0`; which camera gets which number changes from start to start. */
  readonly path: string;
  /** The name that stays the same, such as `/dev/v4l/by-id/usb-…-video-index0`, where the system makes one. */
  readonly stablePath?: string;
  /** What its driver calls it. */
  readonly label: string;
  /** What it can deliver; empty where it does not say. */
  readonly modes: readonly CameraMode[];
  /** What CameraCapture would ask for first. */
  readonly chosen?: CameraModeChoice;
  /** Why nothing is known of its modes. */
  readonly error?: RelayError;
}

/** Which mode is looked for, and in which order they are listed. */
export interface ListCamerasOptions extends CameraWish {
  /** @default `FFMPEG_PATH` of the environment, else the one on `PATH`, else `@ffmpeg-installer/ffmpeg` */
  readonly ffmpegPath?: string;
}

/** Where udev keeps names that stay: by the camera's own number, else by its port. */
const STABLE_FOLDERS = ['/dev/v4l/by-id', '/dev/v4l/by-path'];
const STAGE = 'cameras';

/**
 * The cameras of this machine (Linux), their modes, and the one that would be chosen for a wish; also of
 * those that another program uses. Devices that give no pictures are left out.
 * @throws {RelayError} `FFMPEG_MISSING`.
 */
export async function listCameras(options: ListCamerasOptions = {}): Promise<CameraInfo[]> {
  const devices = await listDevices();
  if (devices.length === 0) return [];
  const ffmpeg = await findFfmpeg(STAGE, options.ffmpegPath);
  const stable = await stablePaths();
  const cameras: CameraInfo[] = [];
  for (const path of devices) {
    const { label, busBytesPerSecond } = await describeDevice(path);
    const stablePath = stable.get(path);
    const camera = { path, label, ...(stablePath !== undefined && { stablePath }) };
    const error = await tryToOpen(path).then(
      () => undefined,
      (cause) => openFailure(path, STAGE, cause),
    );
    if (error) {
      cameras.push({ ...camera, modes: [], error });
      continue;
    }
    const { modes, said } = await readModes(path, ffmpeg);
    if (givesNoPictures(said)) continue;
    const [chosen] = chooseModes(modes, options, busBytesPerSecond);
    cameras.push({ ...camera, modes, ...(chosen && { chosen }) });
  }
  return cameras;
}

/** The lasting name of each device file. */
async function stablePaths(): Promise<ReadonlyMap<string, string>> {
  const found = new Map<string, string>();
  for (const folder of STABLE_FOLDERS) {
    for (const name of (await readdir(folder).catch(() => [])).sort()) {
      const path = await realpath(join(folder, name)).catch(() => undefined);
      if (path !== undefined && !found.has(path)) found.set(path, join(folder, name));
    }
  }
  return found;
}

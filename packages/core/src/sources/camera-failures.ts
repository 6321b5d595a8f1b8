import { stat } from 'node:fs/promises';
import { messageOf, RelayError, type RelayErrorCode } from '../errors';
import { isPluggedIn, listDevices, usersOf } from './camera-device';
import { isMissing } from './input-path';

/** Lines of ffmpeg that say what went wrong, not what it is doing. */
const TELLING = /ioctl|error|invalid|cannot|could not|failed|\/dev\//i;

/** A failure of a camera that waiting can help; it says the same words each time. */
export function cameraFailure(
  code: RelayErrorCode,
  stage: string,
  message: string,
  cause?: unknown,
): RelayError {
  return new RelayError(message, { code, stage, retryable: true, cause });
}

/** Why a device cannot be opened, by what the system said to it. */
export async function openFailure(path: string, stage: string, cause: unknown): Promise<RelayError> {
  const failure = (code: RelayErrorCode, message: string) => cameraFailure(code, stage, message, cause);
  const { code } = cause as NodeJS.ErrnoException;
  // A device file without a camera behind it: ENODEV or ENXIO.
  if (isMissing(cause) || code === 'ENODEV' || code === 'ENXIO') {
    return failure('SOURCE_NOT_FOUND', `There is no camera ${path}. ${await cureForMissing(path)}`);
  }
  if (code === 'EACCES') {
    const who = `This user (number ${process.geteuid?.()}) may not use the camera ${path}`;
    return failure('SOURCE_DENIED', `${who}. ${await cureForGroup(path)}`);
  }
  if (code === 'EPERM') {
    const cure = `Start it with --device ${path} (compose: devices); a volume brings the file, not the right to use it`;
    return failure('SOURCE_DENIED', `This container may not use the camera ${path}. ${cure}.`);
  }
  if (code === 'EBUSY') return busyFailure(path, stage, cause);
  const what = `The camera ${path} cannot be opened (${messageOf(cause)})`;
  return failure('SOURCE_FAILED', `${what}. Plug it in anew, or look into the log of the kernel (dmesg).`);
}

/** A camera that another program holds, with its name where we may see it. */
export async function busyFailure(path: string, stage: string, cause?: unknown): Promise<RelayError> {
  const by = (await usersOf(path)).join(', ') || 'another program';
  return cameraFailure(
    'SOURCE_BUSY',
    stage,
    `The camera ${path} is in use by ${by}. Only one program at a time gets pictures from a camera: end that one, or take another camera.`,
    cause,
  );
}

/** Why the pictures have stopped, or have not begun, by ffmpeg's last lines. */
export async function streamFailure(
  path: string,
  stage: string,
  lines: readonly string[],
): Promise<RelayError> {
  const said = (text: string) => lines.some((line) => line.includes(text));
  if (!(await isPluggedIn(path)) || said('No such device')) {
    const message = `The camera ${path} was unplugged. Plug it in again: it goes on by itself.`;
    return cameraFailure('SOURCE_NOT_FOUND', stage, message);
  }
  if (said('Device or resource busy')) return busyFailure(path, stage);
  if (said('No space left on device')) {
    return cameraFailure(
      'SOURCE_BUSY',
      stage,
      `The USB of the camera ${path} has no room for its pictures beside those of other devices. Take inputFormat 'mjpeg', a smaller size or a lower rate, or plug it into a port of another USB controller.`,
    );
  }
  // Without "[video4linux2,v4l2 @ 0x55d8]", which is another each time.
  const telling = lines.filter((line) => TELLING.test(line)).slice(-3);
  const quoted = telling.map((line) => line.replace(/^\[[^\]]* @ 0x[0-9a-f]+\] /, '')).join(' / ');
  const says = quoted === '' ? '' : ` ffmpeg says: ${quoted}`;
  const cure = 'Plug it in anew, or look into the log of the kernel (dmesg).';
  return cameraFailure(
    'SOURCE_FAILED',
    stage,
    `The camera ${path} gives no pictures any more. ${cure}${says}`,
  );
}

/**
 * Whether a device is no camera, by what ffmpeg said when it was to list its modes. The second device of a
 * USB camera, for metadata, claims what the camera can, and only shows that it cannot when it is asked.
 */
export function givesNoPictures(lines: readonly string[]): boolean {
  return lines.some((line) => /Not a video capture device|Inappropriate ioctl for device/.test(line));
}

/** A device that has no mode that can be read, by what ffmpeg said when it was to list them. */
export async function listingFailure(
  path: string,
  stage: string,
  lines: readonly string[],
): Promise<RelayError> {
  const details = { code: 'SOURCE_UNSUITABLE', stage } as const;
  if (givesNoPictures(lines)) {
    const others = (await listDevices()).filter((other) => other !== path);
    const choice = others.length > 0 ? ` Here are ${others.join(', ')}.` : '';
    return new RelayError(
      `${path} gives no pictures; a camera often has a second name that only tells facts about them. Take its first one, which ends with -video-index0 in /dev/v4l/by-id.${choice}`,
      details,
    );
  }
  const formats = lines.flatMap(
    (line) => /\] (?:Raw|Compressed)\s*:\s*\S+ :\s*(.+?) :/.exec(line)?.[1] ?? [],
  );
  if (formats.length === 0) return streamFailure(path, stage, lines);
  return new RelayError(
    `The camera ${path} has no mode that can be read; it offers ${formats.join(', ')}. A sensor without an image processor in its driver, such as the one on a Jetson board, takes a command: gst-launch-1.0 nvarguscamerasrc …, or rpicam-vid.`,
    details,
  );
}

async function cureForMissing(path: string): Promise<string> {
  if (await isContainer()) {
    return `Plug it in, and start the container with --device ${path} (compose: devices): it sees no camera otherwise.`;
  }
  const others = (await listDevices()).filter((other) => other !== path);
  const choice = others.length > 0 ? `; here are ${others.join(', ')}` : '';
  return `Plug it in, or check the name${choice}. The names in /dev/v4l/by-id stay the same in every port.`;
}

async function cureForGroup(path: string): Promise<string> {
  const group = await stat(path).then(
    ({ gid }) => gid,
    () => 'video',
  );
  return (await isContainer())
    ? `Start the container with --group-add ${group}, the device's group on the host.`
    : `Add it to the group video (sudo usermod -aG video $USER; the device has group ${group}), and log in again.`;
}

async function isContainer(): Promise<boolean> {
  const marks = await Promise.allSettled([stat('/.dockerenv'), stat('/run/.containerenv')]);
  return marks.some(({ status }) => status === 'fulfilled');
}

import { RelayError } from '../errors';
import { isPluggedIn } from './camera-device';
import { streamFailure } from './camera-failures';
import { runV4l2Ctl } from './v4l2-ctl';

/** V4L2 controls by their names, as `v4l2-ctl --list-ctrls` shows them, such as `{ brightness: 128 }`. */
export type CameraControls = Readonly<Record<string, number | boolean>>;

export function isControls(value: unknown): value is CameraControls {
  if (typeof value !== 'object' || value === null) return false;
  return Object.entries(value).every(
    ([name, setting]) =>
      /^[a-z0-9_]+$/.test(name) && (typeof setting === 'boolean' || Number.isInteger(setting)),
  );
}

/**
 * Sets controls, one after the other in their order: one can open or close another, as `auto_exposure`
 * does with `exposure_time_absolute`. They belong to the device, and last until it is unplugged.
 *
 * FFmpeg cannot set them, and Node has no ioctl: it takes `v4l2-ctl`.
 * @throws {RelayError} `V4L_UTILS_MISSING`; `SOURCE_UNSUITABLE` for one that the camera refuses.
 */
export async function setControls(path: string, controls: CameraControls, stage: string): Promise<void> {
  for (const [name, setting] of Object.entries(controls)) {
    const done = await runV4l2Ctl(path, ['--set-ctrl', `${name}=${Number(setting)}`]);
    if (done === undefined) {
      throw new RelayError(
        `The controls ${Object.keys(controls).join(', ')} of ${path} cannot be set: that takes the program v4l2-ctl, and there is none on PATH. Install it (apt-get install v4l-utils), or leave out controls.`,
        { code: 'V4L_UTILS_MISSING', stage },
      );
    }
    if (done.isContent) continue;
    const said = done.said.join(' / ');
    if (!(await isPluggedIn(path))) throw await streamFailure(path, stage, done.said);
    const what = `The camera ${path} does not take the control ${name}=${Number(setting)} (v4l2-ctl says: ${said}).`;
    throw new RelayError(`${what} See what it takes: v4l2-ctl --device ${path} --list-ctrls-menus`, {
      code: 'SOURCE_UNSUITABLE',
      stage,
    });
  }
}

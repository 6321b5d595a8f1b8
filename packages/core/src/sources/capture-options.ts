import { inspect } from 'node:util';
import type { CameraInputFormat } from './camera-choice';
import { type CameraControls, isControls } from './camera-controls';
import type { CaptureMode } from './capture';

/** What captures can be told; which of it goes with which location stands in `FrameSource`'s guide. */
export interface CaptureOptions {
  /** Recordings: starts again at the end; capture times go on growing. @default false */
  readonly loop?: boolean;
  /**
   * Recordings: when it began; a number is milliseconds since 1970 (UTC). For a video it stands above what
   * the file says of itself; for pictures it stands in where one has no EXIF time. @default what the files say
   */
  readonly startTime?: Date | number;
  /** Width times height that is decoded at the most. @default 100,000,000 */
  readonly maxPixels?: number;
  /**
   * Pictures: how many are given in a second. @default as fast as they are read
   * Cameras: how many are asked for in a second. @default 30, or what the camera does nearest at the size
   */
  readonly framesPerSecond?: number;
  /** Video files: gives each frame when its time has come. @default false, as fast as it is read */
  readonly realTime?: boolean;
  /**
   * Cameras: what is asked for, in pixels. Streams and commands: what is expected, so that one of another
   * size is told. @default 1920 for cameras, nothing for others
   */
  readonly width?: number;
  /** As `width`, which it goes with. @default 1080 for cameras, nothing for others */
  readonly height?: number;
  /** Live: another size than asked for is an error, not only an event. @default false */
  readonly exact?: boolean;
  /**
   * Cameras: as JPEGs that the camera makes, or as pixels. @default what reaches the rate; of two that do, pixels
   */
  readonly inputFormat?: CameraInputFormat;
  /**
   * Cameras: V4L2 controls to set at each opening, in this order, such as `{ brightness: 128 }`; it takes
   * the program v4l2-ctl, which lists them, too (`v4l2-ctl --list-ctrls`). @default none
   */
  readonly controls?: CameraControls;
  /** RTSP: how the pictures travel. @default 'tcp', which loses none on the way */
  readonly transport?: 'tcp' | 'udp';
  /**
   * Video: the ffmpeg program.
   * @default `FFMPEG_PATH` of the environment, else the one on `PATH`, else `@ffmpeg-installer/ffmpeg`
   */
  readonly ffmpegPath?: string;
}

type Name = keyof CaptureOptions;

export const PICTURE_OPTIONS = ['loop', 'startTime', 'maxPixels', 'framesPerSecond'] as const;
export const VIDEO_OPTIONS = ['loop', 'startTime', 'maxPixels', 'realTime', 'ffmpegPath'] as const;
export const STREAM_OPTIONS = ['width', 'height', 'exact', 'maxPixels', 'ffmpegPath'] as const;
export const RTSP_OPTIONS = [...STREAM_OPTIONS, 'transport'] as const;
export const JPEG_OPTIONS = ['width', 'height', 'exact', 'maxPixels'] as const;

export const CAMERA_OPTIONS = [
  'width',
  'height',
  'framesPerSecond',
  'inputFormat',
  'exact',
  'controls',
  'ffmpegPath',
] as const;

const isWhole = (value: unknown) => Number.isInteger(value) && Number(value) > 0;

const CHECKS: { [Key in Name]-?: readonly [(value: unknown) => boolean, string] } = {
  loop: [(value) => typeof value === 'boolean', 'true or false'],
  startTime: [(value) => Number.isFinite(toTime(value)), 'a valid Date or milliseconds since 1970'],
  maxPixels: [isWhole, 'a whole number above 0'],
  framesPerSecond: [(value) => Number.isFinite(value) && Number(value) > 0, 'a number above 0'],
  realTime: [(value) => typeof value === 'boolean', 'true or false'],
  width: [isWhole, 'a whole number above 0'],
  height: [isWhole, 'a whole number above 0'],
  exact: [(value) => typeof value === 'boolean', 'true or false'],
  inputFormat: [(value) => value === 'mjpeg' || value === 'raw', 'mjpeg or raw'],
  controls: [isControls, 'an object of V4L2 control names and whole numbers or booleans'],
  transport: [(value) => value === 'tcp' || value === 'udp', 'tcp or udp'],
  ffmpegPath: [(value) => typeof value === 'string' && value !== '', 'the path of a program'],
};

/**
 * Throws a `TypeError` for a value that cannot be, and for an option that does not go with `what`.
 * @param allowed the options that `what` knows.
 */
export function assertCaptureOptions(options: CaptureOptions, what: string, allowed: readonly Name[]): void {
  for (const [name, value] of Object.entries(options)) {
    const check = Object.hasOwn(CHECKS, name) ? CHECKS[name as Name] : undefined;
    if (value === undefined) continue;
    if (check && !check[0](value)) {
      throw new TypeError(`${name} must be ${check[1]}, not ${inspect(value)}.`);
    }
    if (!check || !allowed.includes(name as Name)) {
      throw new TypeError(
        `${name} does not go with ${what}, which knows ${allowed.join(', ') || 'no options'}.`,
      );
    }
  }
  if ((options.width === undefined) !== (options.height === undefined)) {
    throw new TypeError('width and height go together: give both, or none.');
  }
}

/** The size that was asked for, where one was. */
export function requestedMode({ width, height, framesPerSecond }: CaptureOptions): CaptureMode | undefined {
  if (width === undefined || height === undefined) return undefined;
  return { width, height, ...(framesPerSecond !== undefined && { framesPerSecond }) };
}

/** Milliseconds since 1970 (UTC) of the option `startTime`, where it is given. */
export function startTimeOf(options: CaptureOptions): number | undefined {
  return options.startTime === undefined ? undefined : toTime(options.startTime);
}

function toTime(value: unknown): number {
  return value instanceof Date ? value.getTime() : typeof value === 'number' ? value : Number.NaN;
}

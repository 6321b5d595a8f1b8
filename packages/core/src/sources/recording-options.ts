/** What the capture of a recording (pictures or video) can be told. */
export interface RecordingOptions {
  /** Starts again at the end; capture times go on growing. @default false */
  readonly loop?: boolean;
  /**
   * When the recording began; a number is milliseconds since 1970 (UTC). For a video it stands above what
   * the file says of itself; for pictures it stands in where one has no EXIF time. @default what the files say
   */
  readonly startTime?: Date | number;
  /** Width times height that is decoded at the most. @default 100,000,000 */
  readonly maxPixels?: number;
  /** Pictures only: how many are given in a second. @default as fast as they are read */
  readonly framesPerSecond?: number;
  /** Video only: gives each frame when its time has come. @default false, as fast as it is read */
  readonly realTime?: boolean;
  /**
   * Video only: the ffmpeg program.
   * @default `FFMPEG_PATH` of the environment, else the one on `PATH`, else `@ffmpeg-installer/ffmpeg`
   */
  readonly ffmpegPath?: string;
}

export const PICTURE_OPTIONS = ['loop', 'startTime', 'maxPixels', 'framesPerSecond'] as const;
export const VIDEO_OPTIONS = ['loop', 'startTime', 'maxPixels', 'realTime', 'ffmpegPath'] as const;

const CHECKS: { [Name in keyof RecordingOptions]-?: readonly [(value: unknown) => boolean, string] } = {
  loop: [(value) => typeof value === 'boolean', 'true or false'],
  startTime: [(value) => Number.isFinite(toTime(value)), 'a valid Date or milliseconds since 1970'],
  maxPixels: [(value) => Number.isInteger(value) && Number(value) > 0, 'a whole number above 0'],
  framesPerSecond: [(value) => Number.isFinite(value) && Number(value) > 0, 'a number above 0'],
  realTime: [(value) => typeof value === 'boolean', 'true or false'],
  ffmpegPath: [(value) => typeof value === 'string' && value !== '', 'the path of a program'],
};

/**
 * Throws a `TypeError` for a value that cannot be, and for an option that does not go with `what`.
 * @param allowed the options that `what` knows.
 */
export function assertRecordingOptions(
  options: RecordingOptions,
  what: string,
  allowed: readonly (keyof RecordingOptions)[],
): void {
  for (const [name, [isValid, expected]] of Object.entries(CHECKS)) {
    const value = options[name as keyof RecordingOptions];
    if (value === undefined) continue;
    if (!isValid(value)) throw new TypeError(`${name} must be ${expected}, not ${String(value)}.`);
    if (!allowed.includes(name as keyof RecordingOptions)) {
      throw new TypeError(
        `${name} does not go with ${what}, which knows ${allowed.join(', ') || 'no options'}.`,
      );
    }
  }
}

/** Milliseconds since 1970 (UTC) of the option `startTime`, where it is given. */
export function startTimeOf(options: RecordingOptions): number | undefined {
  return options.startTime === undefined ? undefined : toTime(options.startTime);
}

function toTime(value: unknown): number {
  return value instanceof Date ? value.getTime() : typeof value === 'number' ? value : Number.NaN;
}

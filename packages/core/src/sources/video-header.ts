/** What ffmpeg says of a video before it decodes it. */
export interface VideoHeader {
  /** Pixels, as shown: after turning it as the file says. */
  readonly width: number;
  /** Pixels, as shown: after turning it as the file says. */
  readonly height: number;
  /** The recording's length, where the container knows it. */
  readonly seconds?: number;
  readonly framesPerSecond?: number;
  /** How many frames there are, where the container has counted them. */
  readonly frames?: number;
  /** When the recording began, in milliseconds since 1970 (UTC), where the container says so. */
  readonly createdAt?: number;
  /** Luma 16 to 235 or 0 to 255. */
  readonly range: 'limited' | 'full';
  /** The nearest of the two; unknown counts as BT.601, as decoders do. */
  readonly matrix: 'bt601' | 'bt709';
  /** The names ffmpeg has for the container, such as `mov,mp4,m4a,3gp,3g2,mj2`. */
  readonly container: string;
}

/** Cameras without a clock write the beginning of 1904 or 1970. */
const EARLIEST_CREATION = Date.UTC(1980, 0, 1);

/** Reads what `ffmpeg -i` writes about its input; undefined where there is no video stream in it. */
export function parseVideoHeader(lines: readonly string[]): VideoHeader | undefined {
  const isVideo = (line: string) =>
    /^\s*Stream #\S+.*: Video: /.test(line) && !line.includes('(attached pic)');
  const start = lines.findIndex(isVideo);
  const size = lines[start]?.match(/, (\d+)x(\d+)/);
  if (!size) return undefined;
  const stream = lines[start]!;
  const next = lines.findIndex((line, index) => index > start && /^\s*Stream #/.test(line));
  const details = lines.slice(start + 1, next < 0 ? undefined : next);

  const container = firstMatch(lines, /^Input #0, (.+), from /) ?? '';
  const seconds = secondsOf(firstMatch(lines, /^\s*Duration: ([\d:.]+)/));
  const framesPerSecond = Number(stream.match(/, ([\d.]+) fps/)?.[1]) || undefined;
  // MP4 and its kin list their frames, so the rate is counted; sound would stretch the duration.
  const isCounted =
    container.startsWith('mov,') && lines.filter((line) => /^\s*Stream #/.test(line)).length === 1;
  const createdAt = Date.parse(firstMatch(lines, /^\s*creation_time\s*: (\S+)/) ?? '');
  const rotation = Number(firstMatch(details, /displaymatrix: rotation of (-?[\d.]+)/) ?? 0);
  const isOnItsSide = Math.abs(Math.round(rotation / 90)) % 2 === 1;
  const [width, height] = [Number(size[1]), Number(size[2])];
  return {
    width: isOnItsSide ? height : width,
    height: isOnItsSide ? width : height,
    ...(seconds !== undefined && { seconds }),
    ...(framesPerSecond !== undefined && { framesPerSecond }),
    ...(isCounted && seconds && framesPerSecond && { frames: Math.round(seconds * framesPerSecond) }),
    ...(createdAt > EARLIEST_CREATION && { createdAt }),
    range: /\byuvj\d|\(pc[,)]/.test(stream) ? 'full' : 'limited',
    // Written as "tv, bt709" or "tv, bt709/unknown/unknown": matrix, primaries, transfer.
    matrix: /[(,] ?bt(709|2020\w*)[/,)]/.test(stream) ? 'bt709' : 'bt601',
    container,
  };
}

function firstMatch(lines: readonly string[], pattern: RegExp): string | undefined {
  for (const line of lines) {
    const match = line.match(pattern);
    if (match) return match[1];
  }
  return undefined;
}

function secondsOf(duration: string | undefined): number | undefined {
  if (duration === undefined) return undefined;
  const [hours, minutes, seconds] = duration.split(':').map(Number);
  return hours! * 3600 + minutes! * 60 + seconds!;
}

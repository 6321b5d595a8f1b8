/** What a camera can deliver: one encoding in one size. */
export interface CameraMode {
  /** `mjpeg`, or the pixels as ffmpeg calls them: `yuyv422`, `nv12`, `gray`, … */
  readonly encoding: string;
  /** Pixels. */
  readonly width: number;
  /** Pixels. */
  readonly height: number;
  /** Frames a second, highest first; left out where the listing does not tell. */
  readonly rates?: readonly number[];
}

/** Sizes that are known to be asked for: a camera that takes any size in a range is said to have these. */
const USUAL_SIZES = [
  [3840, 2160],
  [2592, 1944],
  [1920, 1080],
  [1280, 960],
  [1280, 720],
  [800, 600],
  [640, 480],
  [640, 360],
  [320, 240],
] as const;

/** V4L2's four characters and ffmpeg's name, for the encodings that ffmpeg reads from a camera. */
const ENCODINGS: Readonly<Record<string, string>> = {
  MJPG: 'mjpeg',
  JPEG: 'mjpeg',
  YUYV: 'yuyv422',
  UYVY: 'uyvy422',
  NV12: 'nv12',
  YU12: 'yuv420p',
  YV12: 'yuv420p',
  '422P': 'yuv422p',
  '411P': 'yuv411p',
  GREY: 'gray',
  RGB3: 'rgb24',
  BGR3: 'bgr24',
  XR24: 'bgr0',
  BGR4: 'bgr0',
};

/** What ffmpeg can make luma and chroma planes of; Bayer mosaics and the like are left out. */
const READABLE = new Set(Object.values(ENCODINGS));

/**
 * Reads what `ffmpeg -f v4l2 -list_formats all -i /dev/video0` writes: encodings and sizes, no rates.
 * H.264 and what ffmpeg cannot read are left out.
 */
export function parseFfmpegModes(lines: readonly string[]): CameraMode[] {
  return distinct(
    lines.flatMap((line) => {
      // "[v4l2 @ 0x1] Raw       :   yuyv422 :   YUYV 4:2:2 : 640x480 1280x720 {32-2592, 2}x{32-1944, 2}"
      const match = /\] (?:Raw|Compressed)\s*:\s*(\S+) :.* :((?: \d+x\d+| \{[^}]*\}x\{[^}]*\})+)\s*$/.exec(
        line,
      );
      if (!match || !READABLE.has(match[1]!)) return [];
      const sizes = match[2]!.matchAll(/(\d+)x(\d+)|\{(\d+)-(\d+), (\d+)\}x\{(\d+)-(\d+), (\d+)\}/g);
      return [...sizes].flatMap(([, width, height, ...range]) =>
        sizesOf(width, height, range).map(([wide, high]) => ({
          encoding: match[1]!,
          width: wide,
          height: high,
        })),
      );
    }),
  );
}

/** Reads what `v4l2-ctl --list-formats-ext` writes, in its layouts of before and after version 1.18. */
export function parseV4l2Modes(lines: readonly string[]): CameraMode[] {
  const modes: (CameraMode & { rates: number[] })[] = [];
  let encoding: string | undefined;
  let current: typeof modes = [];
  for (const line of lines) {
    const pixels = /^\s*(?:\[\d+\]|Pixel Format\s*): '(.{4})'/.exec(line)?.[1];
    // "Size: Discrete 640x480" or "Size: Stepwise 32x32 - 2592x1944 with step 2/2"
    const size =
      /^\s*Size: (?:Discrete (\d+)x(\d+)|\w+ (\d+)x(\d+) - (\d+)x(\d+)(?: with step (\d+)\/(\d+))?)/.exec(
        line,
      );
    const rate = /^\s*Interval: .*?\(([\d.]+)(?:-([\d.]+))? fps\)/.exec(line);
    if (pixels !== undefined) {
      encoding = ENCODINGS[pixels];
      current = [];
    } else if (size && encoding) {
      const [, width, height, left, low, right, high, stepX = '1', stepY = '1'] = size;
      const range = [left, right, stepX, low, high, stepY];
      const sizes = sizesOf(width, height, range);
      current = sizes.map(([wide, tall]) => ({ encoding: encoding!, width: wide, height: tall, rates: [] }));
      modes.push(...current);
    } else if (rate) {
      for (const { rates } of current) rates.push(Math.max(Number(rate[1]), Number(rate[2] ?? 0)));
    }
  }
  return distinct(
    modes.map(({ rates, ...mode }) => ({
      ...mode,
      ...(rates.length > 0 && { rates: rates.sort((left, right) => right - left) }),
    })),
  );
}

/** The modes as a person reads them, a size each: `1920 x 1080 (mjpeg 30, yuyv422 5 a second)`. */
export function describeCameraModes(modes: readonly CameraMode[]): string[] {
  const sizes = new Map<string, CameraMode[]>();
  for (const mode of modes) {
    const size = `${mode.width} x ${mode.height}`;
    sizes.set(size, [...(sizes.get(size) ?? []), mode]);
  }
  return [...sizes].map(([size, alike]) => {
    const choice = alike
      .map(({ encoding, rates }) => (rates ? `${encoding} ${rates[0]}` : encoding))
      .join(', ');
    return `${size} (${choice}${alike.some(({ rates }) => rates) ? ' a second' : ''})`;
  });
}

type Text = string | undefined;

/** A fixed size, or the usual ones within a range of `[least, most, step]` for width and height. */
function sizesOf(width: Text, height: Text, range: readonly Text[]): readonly (readonly [number, number])[] {
  if (width !== undefined && height !== undefined) return [[Number(width), Number(height)]];
  const [left = 0, right = 0, stepX = 1, low = 0, high = 0, stepY = 1] = range.map(Number);
  const isInside = (value: number, least: number, most: number, step: number) =>
    value >= least && value <= most && (value - least) % Math.max(step, 1) === 0;
  const inside = USUAL_SIZES.filter(
    ([wide, tall]) => isInside(wide, left, right, stepX) && isInside(tall, low, high, stepY),
  );
  return inside.some(([wide, tall]) => wide === right && tall === high) ? inside : [[right, high], ...inside];
}

/** Each encoding and size once: drivers list twins, such as planes in another order. */
function distinct(modes: readonly CameraMode[]): CameraMode[] {
  const byName = new Map<string, CameraMode>();
  for (const mode of modes) {
    const name = `${mode.encoding} ${mode.width}x${mode.height}`;
    if (!byName.has(name)) byName.set(name, mode);
  }
  return [...byName.values()];
}

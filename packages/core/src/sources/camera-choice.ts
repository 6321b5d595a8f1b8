import type { CameraMode } from './camera-modes';

/** How a camera may send its pictures: compressed by itself, or as pixels. */
export type CameraInputFormat = 'mjpeg' | 'raw';

/** A mode with the rate to ask for. */
export interface CameraModeChoice extends CameraMode {
  /** The camera's rate in that mode. */
  readonly framesPerSecond: number;
}

/** What is asked for. */
export interface CameraWish {
  /** Pixels. @default 1920 */
  readonly width?: number;
  /** Pixels. @default 1080 */
  readonly height?: number;
  /** @default 30 */
  readonly framesPerSecond?: number;
  /** @default either */
  readonly inputFormat?: CameraInputFormat;
}

/** A wish with what is asked for where nothing else is. */
export function completeWish({ width = 1920, height = 1080, framesPerSecond = 30, inputFormat }: CameraWish) {
  return { width, height, framesPerSecond, inputFormat };
}

/** Raw encodings from cheap to dear: planes as they are wanted, packed ones, colours that must be computed. */
const RAW_ORDER = [
  'yuv420p',
  'nv12',
  'yuyv422',
  'uyvy422',
  'yuv422p',
  'yuv411p',
  'bgr24',
  'rgb24',
  'bgr0',
  'gray',
];
const BYTES_A_PIXEL: Readonly<Record<string, number>> = {
  yuv420p: 1.5,
  nv12: 1.5,
  yuv411p: 1.5,
  gray: 1,
  rgb24: 3,
  bgr24: 3,
  bgr0: 4,
};
/** 29.97 is called 30. */
const RATE_TOLERANCE = 0.01;

/**
 * The modes worth asking for, best first; each with the rate to ask for. Empty where the camera has none
 * (of that input format).
 *
 * First comes the size: the one that is wished for, else the nearest. Then the rate: one that is reached
 * comes before one that is not. Then the work it makes: raw pixels before JPEG, which has to be decoded
 * again. Where the listing tells no rates, raw pixels count with what their bus carries: USB 2 has about
 * 24 MB a second for a camera (a high-bandwidth isochronous endpoint: 3 x 1024 bytes in each of 8000
 * microframes), which is 1920 x 1080 YUYV 5 times a second; JPEG counts as reaching any rate.
 *
 * @param busBytesPerSecond what the camera's bus carries. @default any amount, as for a sensor on the board
 */
export function chooseModes(
  modes: readonly CameraMode[],
  asked: CameraWish,
  busBytesPerSecond = Number.POSITIVE_INFINITY,
): CameraModeChoice[] {
  const wish = completeWish(asked);
  const { inputFormat } = wish;
  const suitable = modes.filter(
    ({ encoding }) => inputFormat === undefined || (encoding === 'mjpeg') === (inputFormat === 'mjpeg'),
  );
  const [nearest] = suitable.toSorted((left, right) => distance(left, wish) - distance(right, wish));
  if (!nearest) return [];
  return suitable
    .filter(({ width, height }) => width === nearest.width && height === nearest.height)
    .map((mode) => ({
      ...mode,
      framesPerSecond: rateOf(mode, wish),
      expected: expectedRate(mode, wish, busBytesPerSecond),
    }))
    .sort(
      (left, right) =>
        shortfall(left.expected, wish) - shortfall(right.expected, wish) || work(left) - work(right),
    )
    .map(({ expected: _, ...mode }) => mode);
}

interface Size {
  readonly width: number;
  readonly height: number;
}

interface Rate {
  readonly framesPerSecond: number;
}

/** How far a size is from the one wished for: the ratios of the sides, so that half is as far as double. */
function distance({ width, height }: Size, wish: Size): number {
  return Math.abs(Math.log(width / wish.width)) + Math.abs(Math.log(height / wish.height));
}

/** The lowest rate that is enough, else the highest there is; what is wished for where no rate is known. */
function rateOf({ rates }: CameraMode, { framesPerSecond }: Rate): number {
  if (!rates) return framesPerSecond;
  return rates.findLast((rate) => rate >= framesPerSecond * (1 - RATE_TOLERANCE)) ?? rates[0]!;
}

function expectedRate(mode: CameraMode, wish: Size & Rate, busBytesPerSecond: number): number {
  if (mode.rates || mode.encoding === 'mjpeg') return rateOf(mode, wish);
  const bytes = mode.width * mode.height * (BYTES_A_PIXEL[mode.encoding] ?? 2);
  return Math.min(wish.framesPerSecond, busBytesPerSecond / bytes);
}

function shortfall(rate: number, { framesPerSecond }: Rate): number {
  return Math.max(0, 1 - RATE_TOLERANCE - rate / framesPerSecond);
}

function work({ encoding }: CameraMode): number {
  const position = RAW_ORDER.indexOf(encoding);
  // A picture without colours is better than none, and worse than one that has to be decoded.
  if (encoding === 'gray') return 100;
  return position < 0 ? 50 : position;
}

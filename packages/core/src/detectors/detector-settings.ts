import { availableParallelism } from 'node:os';
import { basename, extname } from 'node:path';
import { DEFAULT_MAX_PIXELS } from '../codec';
import { assertName, safeName } from '../identity';
import { CASCADES, type CascadeName, cascadePath, defaultWorkerUrl } from './assets';

export interface FaceDetectorOptions {
  /**
   * `homework` finds less and is fast: `frontalface_default` at 1.3 and 5, over the full picture. On 511
   * faces of benchmark photos it finds 60 %; the defaults find 84 %, and 96 % of what they find is a face.
   */
  readonly preset?: 'homework' | undefined;
  /** `frontalface_alt2`, `frontalface_default`, or the path of a Haar or LBP cascade. @default 'frontalface_alt2' */
  readonly cascade?: CascadeName | (string & {}) | undefined;
  /** By how much each look is coarser than the one before; above 1. @default 1.1 */
  readonly scaleFactor?: number | undefined;
  /** How many neighbouring windows have to agree on a face. @default 4 */
  readonly minNeighbors?: number | undefined;
  /** Width of the smallest face to find, in pixels of the full frame. @default the cascade's window (20 or 24) */
  readonly minFaceSize?: number | undefined;
  /** Width of the largest face to find, in pixels of the full frame. @default the whole frame */
  readonly maxFaceSize?: number | undefined;
  /** A wider frame is made this wide before it is searched, in pixels; 0 searches it as it is. @default 960 */
  readonly detectionWidth?: number | undefined;
  /**
   * Threads that search, each with an OpenCV of its own (128 MiB or more), and frames in work at once.
   * @default 2, or 1 on a machine with one core: the rest of a pipeline needs little
   */
  readonly workers?: number | undefined;
  /** Stands in the ids of the faces, so two detectors need two names. @default the cascade's name */
  readonly name?: string | undefined;
  /** Where `detector-worker.js` is, for programs that are bundled into one file. @default beside the library */
  readonly workerUrl?: URL | string | undefined;
  /** Width times height of an encoded picture that is decoded at the most. @default 100,000,000 */
  readonly maxPixels?: number | undefined;
}

/** The options with their defaults, checked. */
export interface DetectorSettings {
  readonly cascadePath: string;
  readonly scaleFactor: number;
  readonly minNeighbors: number;
  readonly minFaceSize: number;
  readonly maxFaceSize: number;
  readonly detectionWidth: number;
  readonly workers: number;
  readonly name: string;
  readonly workerUrl: URL;
  readonly maxPixels: number;
}

const DEFAULTS = { cascade: 'frontalface_alt2', scaleFactor: 1.1, minNeighbors: 4, detectionWidth: 960 };

const PRESETS = {
  homework: { cascade: 'frontalface_default', scaleFactor: 1.3, minNeighbors: 5, detectionWidth: 0 },
};

/** @throws {TypeError} for an option that cannot be meant. */
export function detectorSettings(options: FaceDetectorOptions): DetectorSettings {
  const base = options.preset === undefined ? DEFAULTS : presetOf(options.preset);
  const {
    cascade = base.cascade,
    scaleFactor = base.scaleFactor,
    minNeighbors = base.minNeighbors,
    minFaceSize = 0,
    maxFaceSize = 0,
    detectionWidth = base.detectionWidth,
    workers = Math.min(2, availableParallelism()),
    workerUrl = defaultWorkerUrl(),
    maxPixels = DEFAULT_MAX_PIXELS,
  } = options;
  if (typeof cascade !== 'string' || cascade === '') {
    throw new TypeError(`cascade must be one of ${CASCADES.join(', ')} or a path, not ${String(cascade)}.`);
  }
  if (!(Number.isFinite(scaleFactor) && scaleFactor > 1)) {
    throw new TypeError(`scaleFactor must be a number above 1, not ${scaleFactor}.`);
  }
  for (const [option, value] of Object.entries({ minNeighbors, minFaceSize, maxFaceSize, detectionWidth })) {
    assertWhole(option, value, 0);
  }
  for (const [option, value] of Object.entries({ workers, maxPixels })) assertWhole(option, value, 1);
  if (maxFaceSize > 0 && maxFaceSize < minFaceSize) {
    throw new TypeError(`maxFaceSize must not be below minFaceSize (${minFaceSize}), but is ${maxFaceSize}.`);
  }
  return {
    cascadePath: isShipped(cascade) ? cascadePath(cascade) : cascade,
    scaleFactor,
    minNeighbors,
    minFaceSize,
    maxFaceSize,
    detectionWidth,
    workers,
    name: options.name === undefined ? nameFor(cascade) : assertName(options.name, 'name'),
    workerUrl: urlOf(workerUrl),
    maxPixels,
  };
}

function presetOf(preset: string): typeof DEFAULTS {
  if (Object.hasOwn(PRESETS, preset)) return PRESETS[preset as keyof typeof PRESETS];
  throw new TypeError(`preset must be one of ${Object.keys(PRESETS).join(', ')}, not ${String(preset)}.`);
}

function assertWhole(option: string, value: number, minimum: number): void {
  if (Number.isInteger(value) && value >= minimum) return;
  throw new TypeError(`${option} must be a whole number of at least ${minimum}, not ${value}.`);
}

function isShipped(cascade: string): cascade is CascadeName {
  return (CASCADES as readonly string[]).includes(cascade);
}

function nameFor(cascade: string): string {
  return safeName(basename(cascade, extname(cascade)).replace(/^haarcascade_/, ''));
}

function urlOf(url: URL | string): URL {
  if (url instanceof URL) return url;
  if (URL.canParse(url)) return new URL(url);
  throw new TypeError(
    `workerUrl must be a URL such as new URL('./detector-worker.js', import.meta.url), not ${url}.`,
  );
}

import { availableParallelism } from 'node:os';
import { basename, extname } from 'node:path';
import { DEFAULT_MAX_PIXELS } from '../codec';
import { assertName, safeName } from '../identity';
import { CASCADES, type CascadeName, cascadePath, defaultWorkerUrl } from './assets';
import type { Model } from './model';

/** What a FaceDetector looks for, how closely, and in how many threads. */
export interface FaceDetectorOptions {
  /**
   * `homework` is `frontalface_default` at 1.3 and 5, over the full picture of every frame. On 187 faces of
   * labelled photos it finds 79 %; the defaults find 90 %, and 95 % of what they find is a face. @default none: the options below say it
   */
  readonly preset?: 'homework' | undefined;
  /** `frontalface_alt2`, `frontalface_default`, or the path of a Haar or LBP cascade. @default 'frontalface_alt2' */
  readonly cascade?: CascadeName | (string & {}) | undefined;
  /**
   * A detector that is no cascade: a `Model`, which works in the thread of the program, or the URL of a module
   * whose default export makes one, which each thread loads. In place of `cascade`.
   * @default the cascade
   */
  readonly model?: Model | URL | undefined;
  /** By how much each look is coarser than the one before; above 1. @default 1.1 */
  readonly scaleFactor?: number | undefined;
  /** How many neighbouring windows have to agree on a face. @default 4 */
  readonly minNeighbors?: number | undefined;
  /** Width of the smallest face to find, in pixels of the full frame. @default what `detectionWidth` lets be found */
  readonly minFaceSize?: number | undefined;
  /** Width of the largest face to find, in pixels of the full frame. @default the whole frame */
  readonly maxFaceSize?: number | undefined;
  /**
   * A wider frame is made this wide before it is searched, in pixels; 0 searches it as it is.
   * @default 40 times the smaller side of the model's window (800 with `frontalface_alt2`): a face of 48 pixels
   *   in a frame of 1920 is found
   */
  readonly detectionWidth?: number | undefined;
  /** In the frames of a video, look only where something has changed since the last look. @default true */
  readonly motionGate?: boolean | undefined;
  /**
   * In the frames of a video, look closely at the places of known faces, and at the rest a field at a time;
   * without, each look is at the whole frame. @default true
   */
  readonly closeLooks?: boolean | undefined;
  /**
   * In the frames of a video, nothing stays unlooked at for longer than this, also where nothing moves: in
   * milliseconds of capture time, as far as the budget goes; 0 is without end. @default 1000
   */
  readonly fullLookMs?: number | undefined;
  /**
   * What a frame of a video may cost with `closeLooks`, in milliseconds of all threads together, on average; a
   * single one costs at most this and one field. 0 is without a limit. @default 6 for each of the workers, 10 at least
   */
  readonly budgetMs?: number | undefined;
  /**
   * Threads that search, each with an OpenCV of its own, and frames in work at once.
   * @default 2, or 1 on a machine with one core: the rest of a pipeline needs little
   */
  readonly workers?: number | undefined;
  /** A thread whose OpenCV holds more than this gives way to a fresh one. @default 536,870,912 (512 MiB) */
  readonly maxThreadBytes?: number | undefined;
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
  readonly model: Model | URL | undefined;
  readonly scaleFactor: number;
  readonly minNeighbors: number;
  readonly minFaceSize: number;
  readonly maxFaceSize: number;
  /** Undefined where the model's window tells. */
  readonly detectionWidth: number | undefined;
  readonly motionGate: boolean;
  readonly closeLooks: boolean;
  readonly fullLookMs: number;
  readonly budgetMs: number;
  readonly workers: number;
  readonly maxThreadBytes: number;
  readonly name: string;
  readonly workerUrl: URL;
  readonly maxPixels: number;
}

interface Base {
  readonly cascade: CascadeName;
  readonly scaleFactor: number;
  readonly minNeighbors: number;
  readonly detectionWidth?: number;
  readonly motionGate: boolean;
  readonly closeLooks: boolean;
}

const DEFAULTS: Base = {
  cascade: 'frontalface_alt2',
  scaleFactor: 1.1,
  minNeighbors: 4,
  motionGate: true,
  closeLooks: true,
};

const PRESETS = {
  homework: {
    cascade: 'frontalface_default',
    scaleFactor: 1.3,
    minNeighbors: 5,
    detectionWidth: 0,
    motionGate: false,
    closeLooks: false,
  },
} satisfies Record<string, Base>;

/** In milliseconds for each worker, and at least: room is left for decoding 30 frames a second, also with one core. */
const BUDGET_MS = 6;
const LEAST_BUDGET_MS = 10;

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
    motionGate = base.motionGate,
    closeLooks = base.closeLooks,
    fullLookMs = 1000,
    workers = Math.min(2, availableParallelism()),
    budgetMs = Math.max(LEAST_BUDGET_MS, BUDGET_MS * workers),
    maxThreadBytes = 512 * 1024 * 1024,
    model,
    workerUrl = defaultWorkerUrl(),
    maxPixels = DEFAULT_MAX_PIXELS,
  } = options;
  if (typeof cascade !== 'string' || cascade === '') {
    throw new TypeError(`cascade must be one of ${CASCADES.join(', ')} or a path, not ${String(cascade)}.`);
  }
  if (!(Number.isFinite(scaleFactor) && scaleFactor > 1)) {
    throw new TypeError(`scaleFactor must be a number above 1, not ${scaleFactor}.`);
  }
  if (detectionWidth !== undefined) assertWhole('detectionWidth', detectionWidth, 0);
  for (const [option, value] of Object.entries({ minNeighbors, minFaceSize, maxFaceSize })) {
    assertWhole(option, value, 0);
  }
  for (const [option, value] of Object.entries({ workers, maxPixels, maxThreadBytes })) {
    assertWhole(option, value, 1);
  }
  for (const [option, value] of Object.entries({ fullLookMs, budgetMs })) {
    if (!(Number.isFinite(value) && value >= 0)) {
      throw new TypeError(`${option} must be a number of milliseconds of at least 0, not ${value}.`);
    }
  }
  for (const [option, value] of Object.entries({ motionGate, closeLooks })) {
    if (typeof value !== 'boolean')
      throw new TypeError(`${option} must be true or false, not ${String(value)}.`);
  }
  assertModel(model, options);
  if (maxFaceSize > 0 && maxFaceSize < minFaceSize) {
    throw new TypeError(`maxFaceSize must not be below minFaceSize (${minFaceSize}), but is ${maxFaceSize}.`);
  }
  return {
    cascadePath: isShipped(cascade) ? cascadePath(cascade) : cascade,
    model,
    scaleFactor,
    minNeighbors,
    minFaceSize,
    maxFaceSize,
    detectionWidth,
    motionGate,
    closeLooks,
    fullLookMs,
    budgetMs,
    workers,
    maxThreadBytes,
    name: options.name === undefined ? nameOf(model, cascade) : assertName(options.name, 'name'),
    workerUrl: urlOf(workerUrl),
    maxPixels,
  };
}

function assertModel(model: unknown, options: FaceDetectorOptions): void {
  if (model === undefined) return;
  const isModel = typeof (model as Model | null)?.detect === 'function';
  if (!isModel && !(model instanceof URL)) {
    throw new TypeError(
      `model must be an object with detect() and window, or a URL such as new URL('./my-model.js', import.meta.url), not ${String(model)}.`,
    );
  }
  for (const option of ['cascade', 'preset', 'scaleFactor', 'minNeighbors'] as const) {
    if (options[option] !== undefined) {
      throw new TypeError(
        `${option} belongs to a cascade, and model stands in its place. Leave out one of them.`,
      );
    }
  }
}

function presetOf(preset: string): Base {
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

function nameOf(model: Model | URL | undefined, cascade: string): string {
  if (model instanceof URL) return nameOfFile(model.pathname);
  return model ? 'model' : nameOfFile(cascade).replace(/^(haar|lbp)cascade_/, '');
}

function nameOfFile(path: string): string {
  return safeName(basename(path, extname(path)));
}

function urlOf(url: URL | string): URL {
  if (url instanceof URL) return url;
  if (URL.canParse(url)) return new URL(url);
  throw new TypeError(
    `workerUrl must be a URL such as new URL('./detector-worker.js', import.meta.url), not ${url}.`,
  );
}

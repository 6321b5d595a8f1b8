import type { Box } from '../face';
import { PATCH_SIDE } from './grey-patch';

/** What a picture's quality is made of; each from 0 (useless) to 1 (could not be better). */
export interface Measures {
  /** By the width of the face: 0 at 16 pixels, 1 from 256 on, in between by its logarithm. */
  readonly size: number;
  /** By the variance of the Laplacian of the face at 48 × 48 pixels. */
  readonly sharpness: number;
  /** Neither too dark nor too bright, and little of it black or burnt out. */
  readonly exposure: number;
  /** Whether all of it is in the frame: 0 at the edge, 1 from a third of its width away. */
  readonly edge: number;
  /** How sure the detector is, beside what it says of faces on the whole. */
  readonly score: number;
  /** How little it moves: a half at 3 widths a second. */
  readonly steadiness: number;
}

/** What can be said of a face without a look at its pixels. */
export type OutsideMeasures = Omit<Measures, 'sharpness' | 'exposure'>;

/** How much each counts; together 1. */
const WEIGHTS: Measures = {
  size: 0.3,
  sharpness: 0.3,
  exposure: 0.1,
  edge: 0.15,
  score: 0.1,
  steadiness: 0.05,
};

/** Variance of the Laplacian at which sharpness is a half. */
const HALF_SHARP = 150;
const SMALLEST_FACE = 16;
const LARGEST_FACE = 256;
const MIDDLE_GREY = 120;
const HALF_STEADY = 3;
/** No measure alone makes a picture worthless: a bad one among bad ones is still the best. */
const LEAST = 0.01;

/** From 0 to 1: the measures multiplied, each by its weight; one that is bad spoils what others mend. */
export function qualityOf(measures: Measures): number {
  let logarithm = 0;
  for (const [name, weight] of Object.entries(WEIGHTS)) {
    logarithm += weight * Math.log(Math.max(LEAST, measures[name as keyof Measures]));
  }
  return Math.exp(logarithm);
}

/** The best that its quality can be, whatever the pixels are like. */
export function bestQualityOf(measures: OutsideMeasures): number {
  return qualityOf({ ...measures, sharpness: 1, exposure: 1 });
}

/** Scores are relative (`ScoreScale`); speed in widths a second. */
export function measureOutside(
  box: Box,
  frame: { readonly width: number; readonly height: number },
  { score, speed }: { readonly score: number; readonly speed: number },
): OutsideMeasures {
  const size = Math.log(box.width / SMALLEST_FACE) / Math.log(LARGEST_FACE / SMALLEST_FACE);
  const room = Math.min(box.x, box.y, frame.width - box.x - box.width, frame.height - box.y - box.height);
  return {
    size: within(size),
    edge: within(room / (box.width / 3)),
    score: within(score),
    steadiness: 1 / (1 + (speed / HALF_STEADY) ** 2),
  };
}

/** Of what `greyPatch()` made of a face. */
export function measureInside(patch: Float32Array): Pick<Measures, 'sharpness' | 'exposure'> {
  const variance = laplacianVariance(patch);
  let sum = 0;
  let lost = 0;
  for (const value of patch) {
    sum += value;
    if (value < 8 || value > 247) lost += 1;
  }
  const off = Math.abs(sum / patch.length - MIDDLE_GREY) / MIDDLE_GREY;
  return {
    sharpness: variance / (variance + HALF_SHARP),
    exposure: within(1 - off ** 2) * (1 - lost / patch.length),
  };
}

/** The variance of the discrete Laplacian (four neighbours) over a patch. */
function laplacianVariance(patch: Float32Array): number {
  const size = PATCH_SIDE;
  let sum = 0;
  let squares = 0;
  for (let row = 1; row < size - 1; row += 1) {
    for (let at = row * size + 1; at < row * size + size - 1; at += 1) {
      const value = patch[at - 1]! + patch[at + 1]! + patch[at - size]! + patch[at + size]! - 4 * patch[at]!;
      sum += value;
      squares += value * value;
    }
  }
  const count = (size - 2) ** 2;
  return squares / count - (sum / count) ** 2;
}

/** What is usual among the scores of a detector, whose scale is its own. */
export class ScoreScale {
  #count = 0;
  #mean = 0;
  #squares = 0;

  /** Takes a score in, and says where it stands: 0.5 for a usual one, up to 1 for a far better one. */
  place(score: number): number {
    // Running mean and variance (B. P. Welford, 1962).
    this.#count += 1;
    const before = score - this.#mean;
    this.#mean += before / this.#count;
    this.#squares += before * (score - this.#mean);
    const deviation = Math.sqrt(this.#squares / this.#count);
    if (deviation === 0) return 0.5;
    return 1 / (1 + Math.exp((this.#mean - score) / deviation));
  }
}

function within(value: number): number {
  return Math.min(1, Math.max(0, value));
}

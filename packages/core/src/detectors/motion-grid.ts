import type { Box } from '../face';
import type { GreyImage } from './model';

/** About so many cells lie across a picture: one of 12 pixels at 1920, a quarter of the smallest face. */
const CELLS_ACROSS = 160;
/** Each way; 16 samples a cell quarter the noise of a pixel, at a ninth of the cost of all pixels. */
const SAMPLES = 4;
/** How far a field may have become lighter or darker as a whole before that counts as movement, in grey levels. */
const LARGEST_SHIFT = 6;
/** A cell has changed when it differs by so many standard deviations of the noise, within these grey levels. */
const DEVIATIONS = 5;
const [LOWEST_THRESHOLD, HIGHEST_THRESHOLD] = [4, 20];
/** One cell alone is noise. */
const FEWEST_CELLS = 3;
/** Of a normal distribution: the standard deviation in median absolute deviations. */
const DEVIATION_OF_MEDIAN = 1.4826;
/** Steps of a grey level that differences are counted in. */
const STEPS = 4;
const MIDDLE = 256 * STEPS;

/** A tiny picture of a frame: the mean of some pixels of each cell. Cheap enough to make for every frame. */
export class MotionGrid {
  readonly columns: number;
  readonly rows: number;
  readonly #cell: number;
  readonly #values: Float32Array;

  constructor({ data, width, height }: GreyImage) {
    const cell = Math.max(1, Math.round(width / CELLS_ACROSS));
    this.#cell = cell;
    this.columns = Math.max(1, Math.floor(width / cell));
    this.rows = Math.max(1, Math.floor(height / cell));
    this.#values = new Float32Array(this.columns * this.rows);
    const samples = Math.min(SAMPLES, cell, height);
    const step = Math.floor(cell / samples);
    const start = (cell - 1 - (samples - 1) * step) >> 1;
    for (let row = 0; row < this.rows; row += 1) {
      for (let column = 0; column < this.columns; column += 1) {
        let sum = 0;
        for (let y = 0; y < samples; y += 1) {
          let at = (row * cell + start + y * step) * width + column * cell + start;
          for (let x = 0; x < samples; x += 1, at += step) sum += data[at]!;
        }
        this.#values[row * this.columns + column] = sum / (samples * samples);
      }
    }
  }

  /** The cells of a part of the frame (in its pixels), to be compared with those of a later one. */
  part({ x, y, width, height }: Box): Float32Array {
    const [left, top] = [Math.floor(x / this.#cell), Math.floor(y / this.#cell)];
    const right = Math.min(this.columns, Math.ceil((x + width) / this.#cell));
    const bottom = Math.min(this.rows, Math.ceil((y + height) / this.#cell));
    const across = right - left;
    const cells = new Float32Array(across * (bottom - top));
    for (let row = top; row < bottom; row += 1) {
      const from = row * this.columns + left;
      cells.set(this.#values.subarray(from, from + across), (row - top) * across);
    }
    return cells;
  }
}

/**
 * Whether something moved between two views of the same part: some cells changed by more than the noise.
 * The noise is taken from the two views themselves (the median of the differences does not see what moves),
 * and a part that became a little lighter or darker as a whole has not moved.
 */
export function hasMoved(before: Float32Array, now: Float32Array): boolean {
  const differences = new Int32Array(2 * MIDDLE);
  for (let index = 0; index < now.length; index += 1) {
    differences[MIDDLE + Math.round((now[index]! - before[index]!) * STEPS)]! += 1;
  }
  const median = medianOf(differences, now.length) - MIDDLE;
  const shift = Math.max(-LARGEST_SHIFT * STEPS, Math.min(LARGEST_SHIFT * STEPS, median));
  const deviation = spreadAround(differences, MIDDLE + shift, now.length) * DEVIATION_OF_MEDIAN;
  const threshold = Math.max(
    LOWEST_THRESHOLD * STEPS,
    Math.min(HIGHEST_THRESHOLD * STEPS, DEVIATIONS * deviation),
  );
  const [lowest, highest] = [shift - threshold, shift + threshold];
  let changed = 0;
  for (let index = 0; index < now.length; index += 1) {
    const difference = (now[index]! - before[index]!) * STEPS;
    if (difference < lowest || difference > highest) changed += 1;
  }
  return changed >= FEWEST_CELLS;
}

function medianOf(counts: Int32Array, total: number): number {
  let seen = 0;
  for (let index = 0; index < counts.length; index += 1) {
    seen += counts[index]!;
    if (seen * 2 >= total) return index;
  }
  return counts.length;
}

/** The distance from a place within which half of what was counted lies. */
function spreadAround(counts: Int32Array, middle: number, total: number): number {
  let seen = counts[middle]!;
  let distance = 0;
  while (seen * 2 < total && distance < counts.length) {
    distance += 1;
    seen += (counts[middle - distance] ?? 0) + (counts[middle + distance] ?? 0);
  }
  return distance;
}

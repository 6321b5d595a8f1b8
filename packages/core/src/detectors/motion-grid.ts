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

  /** Of the same cells, 1 for each whose middle lies in none of the boxes. */
  outside({ x, y, width, height }: Box, boxes: readonly Box[]): Uint8Array {
    const cell = this.#cell;
    const [left, top] = [Math.floor(x / cell), Math.floor(y / cell)];
    const across = Math.min(this.columns, Math.ceil((x + width) / cell)) - left;
    const down = Math.min(this.rows, Math.ceil((y + height) / cell)) - top;
    const within = (middle: number, limit: number) => Math.max(0, Math.min(limit, middle));
    const isOutside = new Uint8Array(across * down).fill(1);
    for (const box of boxes) {
      const first = within(Math.ceil(box.x / cell - 0.5) - left, across);
      const last = within(Math.ceil((box.x + box.width) / cell - 0.5) - left, across);
      const end = within(Math.ceil((box.y + box.height) / cell - 0.5) - top, down);
      for (let row = within(Math.ceil(box.y / cell - 0.5) - top, down); row < end; row += 1) {
        isOutside.fill(0, row * across + first, row * across + last);
      }
    }
    return isOutside;
  }
}

/** What moved in a part since it was seen before. */
export type Movement = 'none' | 'known' | 'new';

/**
 * Whether something moved between two views of the same part: some cells changed by more than the noise.
 * The noise is taken from the two views themselves (the median of the differences does not see what moves),
 * and a part that became a little lighter or darker as a whole has not moved.
 * @param unknown 1 for each cell in which somebody new may be (`outside()`); without, all are.
 */
export function movementOf(before: Float32Array, now: Float32Array, unknown?: Uint8Array): Movement {
  const differences = COUNTS.fill(0);
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
  let [changed, changedUnknown] = [0, 0];
  for (let index = 0; index < now.length; index += 1) {
    const difference = (now[index]! - before[index]!) * STEPS;
    if (difference >= lowest && difference <= highest) continue;
    changed += 1;
    if (unknown?.[index] !== 0) changedUnknown += 1;
    if (changedUnknown >= FEWEST_CELLS) return 'new';
  }
  return changed >= FEWEST_CELLS ? 'known' : 'none';
}

/** Used again and again: it is called for many parts of every frame, and never waits. */
const COUNTS = new Int32Array(2 * MIDDLE);

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

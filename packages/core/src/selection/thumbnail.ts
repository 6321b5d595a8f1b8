import { PATCH_SIDE } from './grey-patch';

const SIDE = 16;
const STEP = PATCH_SIDE / SIDE;

/** What a face looks like at a glance: 16 × 16 values of grey, whatever the light (mean 0, length 1). */
export type Thumbnail = Float32Array;

export function thumbnailOf(patch: Float32Array): Thumbnail {
  const thumbnail = new Float32Array(SIDE * SIDE);
  for (const [at, value] of patch.entries()) {
    const row = Math.floor(at / PATCH_SIDE / STEP);
    const column = Math.floor((at % PATCH_SIDE) / STEP);
    thumbnail[row * SIDE + column]! += value;
  }
  let mean = 0;
  for (const value of thumbnail) mean += value / thumbnail.length;
  let squares = 0;
  for (const value of thumbnail) squares += (value - mean) ** 2;
  const length = Math.sqrt(squares) || 1;
  for (const [at, value] of thumbnail.entries()) thumbnail[at] = (value - mean) / length;
  return thumbnail;
}

/** From 0, the same, to 2, the negative: one minus the correlation. */
export function differenceOf(a: Thumbnail, b: Thumbnail): number {
  let product = 0;
  for (const [at, value] of a.entries()) product += value * b[at]!;
  return 1 - product;
}

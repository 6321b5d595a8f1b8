import type { Box } from '../face';
import { assertPixels, type RawImage } from '../image';

/** Width and height of a patch, in pixels. */
export const PATCH_SIDE = 48;
/** Where many pixels become one, so many by so many of them are looked at. */
const MOST_SAMPLES = 3;

/** Where to read along one axis: the pixel, its neighbour, and the neighbour's share. */
interface Places {
  readonly samples: number;
  readonly near: Int32Array;
  readonly far: Int32Array;
  readonly share: Float32Array;
}

/**
 * A face at a fixed size: what lies under a box (which may reach over the edges of the image), as 48 × 48
 * values of luma from 0 to 255. Made smaller by averages, made larger by linear interpolation.
 */
export function greyPatch(image: RawImage, box: Box): Float32Array {
  assertPixels(image);
  const { data, width, height, format, range } = image;
  const step = format === 'rgb' ? 3 : 1;
  const columns = placesOf(box.x, box.width, width);
  const rows = placesOf(box.y, box.height, height);
  const patch = new Float32Array(PATCH_SIDE ** 2);
  const line = (row: number, at: number) => {
    const near = (row * width + columns.near[at]!) * step;
    const far = (row * width + columns.far[at]!) * step;
    const share = columns.share[at]!;
    if (step === 1) return data[near]! * (1 - share) + data[far]! * share;
    return lumaOf(data, near) * (1 - share) + lumaOf(data, far) * share;
  };
  for (let y = 0; y < PATCH_SIDE * rows.samples; y += 1) {
    const share = rows.share[y]!;
    const to = Math.floor(y / rows.samples) * PATCH_SIDE;
    for (let x = 0; x < PATCH_SIDE * columns.samples; x += 1) {
      let value = line(rows.near[y]!, x);
      if (share > 0) value += (line(rows.far[y]!, x) - value) * share;
      patch[to + Math.floor(x / columns.samples)]! += value;
    }
  }
  const count = rows.samples * columns.samples;
  const isLimited = format === 'yuv420p' && range !== 'full';
  for (const [at, sum] of patch.entries()) {
    const value = sum / count;
    patch[at] = isLimited ? Math.min(255, Math.max(0, ((value - 16) * 255) / 219)) : value;
  }
  return patch;
}

function placesOf(from: number, length: number, limit: number): Places {
  const scale = length / PATCH_SIDE;
  const samples = Math.min(MOST_SAMPLES, Math.max(1, Math.round(scale)));
  const count = PATCH_SIDE * samples;
  const near = new Int32Array(count);
  const far = new Int32Array(count);
  const share = new Float32Array(count);
  for (let at = 0; at < count; at += 1) {
    const place = Math.min(limit - 1, Math.max(0, from + ((at + 0.5) / count) * length - 0.5));
    near[at] = scale < 1 ? Math.floor(place) : Math.round(place);
    far[at] = Math.min(limit - 1, near[at]! + 1);
    share[at] = scale < 1 ? place - near[at]! : 0;
  }
  return { samples, near, far, share };
}

/** ITU-R BT.601, section 2.5.1. */
function lumaOf(rgb: Uint8Array, at: number): number {
  return 0.299 * rgb[at]! + 0.587 * rgb[at + 1]! + 0.114 * rgb[at + 2]!;
}

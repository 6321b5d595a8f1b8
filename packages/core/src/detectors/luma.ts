import { assertPixels, type RawImage } from '../image';
import type { GreyImage } from './model';

/** The grey picture that a detector looks at: OpenCV's luma of RGB, the luma plane of YUV where it lies. */
export function greyOf(image: RawImage): GreyImage {
  assertPixels(image);
  const { format, data, width, height } = image;
  if (format !== 'rgb') return { data: data.subarray(0, width * height), width, height };
  const grey = new Uint8Array(width * height);
  fillWithLuma(grey, data);
  return { data: grey, width, height };
}

/**
 * OpenCV's `cvtColor(RGB2GRAY)` for 8 bits, to the bit: the BT.601 weights 0.299, 0.587 and 0.114 in
 * fixed point with 15 bits.
 */
function fillWithLuma(grey: Uint8Array, rgb: Uint8Array): void {
  for (let to = 0, from = 0; to < grey.length; to += 1, from += 3) {
    grey[to] = (rgb[from]! * 9798 + rgb[from + 1]! * 19235 + rgb[from + 2]! * 3735 + 16384) >> 15;
  }
}

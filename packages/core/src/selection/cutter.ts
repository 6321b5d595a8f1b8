import type { Box } from '../face';
import { assertPixels, type RawImage } from '../image';
import { rgbOfYuv } from '../yuv';

/**
 * The box with `margin` times its width and height added on each side, in whole pixels, cut off at the
 * edges of the frame. Throws a `TypeError` for a box that lies outside of it.
 */
export function widened(box: Box, margin: number, frame: { width: number; height: number }): Box {
  const left = Math.max(0, Math.floor(box.x - box.width * margin));
  const top = Math.max(0, Math.floor(box.y - box.height * margin));
  const right = Math.min(frame.width, Math.ceil(box.x + box.width * (1 + margin)));
  const bottom = Math.min(frame.height, Math.ceil(box.y + box.height * (1 + margin)));
  if (right > left && bottom > top) return { x: left, y: top, width: right - left, height: bottom - top };
  throw new TypeError(
    `The box ${box.x},${box.y},${box.width},${box.height} has no pixel in a frame of ${frame.width} x ${frame.height}.`,
  );
}

/** The pixels inside the box (whole numbers, inside the image), in memory of their own, as RGB or grey. */
export function cut(image: RawImage, box: Box): RawImage {
  assertPixels(image);
  const { width, height } = box;
  if (image.format === 'yuv420p') return { format: 'rgb', data: rgbOfYuv(image, box), width, height };
  const channels = image.format === 'rgb' ? 3 : 1;
  const data = new Uint8Array(width * height * channels);
  for (let row = 0; row < height; row += 1) {
    const from = ((box.y + row) * image.width + box.x) * channels;
    data.set(image.data.subarray(from, from + width * channels), row * width * channels);
  }
  return { format: image.format, data, width, height };
}

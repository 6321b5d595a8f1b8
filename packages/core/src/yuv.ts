import type { Box } from './face';
import type { RawImage } from './image';

/** Shares of red and blue in the luma: ITU-R BT.601-7 section 2.5.1 and BT.709-6 section 3.2. */
const LUMA_WEIGHTS = { bt601: { red: 0.299, blue: 0.114 }, bt709: { red: 0.2126, blue: 0.0722 } };

/** Black, and the steps from black to white and from no colour to full colour (BT.601-7 section 2.5.3). */
const RANGES = {
  limited: { black: 16, lumaSteps: 219, chromaSteps: 224 },
  full: { black: 0, lumaSteps: 255, chromaSteps: 255 },
};

/**
 * The RGB pixels of a box of a yuv420p image; the four pixels that share a chroma sample take it as it is. With
 * a `step` only every so many pixels of every so many rows, from the first on.
 */
export function rgbOfYuv(image: RawImage, box: Box, step = 1): Uint8Array {
  const { red, blue } = LUMA_WEIGHTS[image.matrix ?? 'bt601'];
  const { black, lumaSteps, chromaSteps } = RANGES[image.range ?? 'limited'];
  const green = 1 - red - blue;
  const lumaScale = 255 / lumaSteps;
  // R - Y and B - Y are stored as fractions of their largest values, 1 - red and 1 - blue.
  const redOfV = (2 * (1 - red) * 255) / chromaSteps;
  const blueOfU = (2 * (1 - blue) * 255) / chromaSteps;
  const greenOfV = (-redOfV * red) / green;
  const greenOfU = (-blueOfU * blue) / green;

  const { data, width } = image;
  const chromaWidth = Math.ceil(width / 2);
  const u = width * image.height;
  const v = u + chromaWidth * Math.ceil(image.height / 2);
  const rgb = new Uint8ClampedArray(Math.ceil(box.width / step) * Math.ceil(box.height / step) * 3);
  let to = 0;
  for (let y = box.y; y < box.y + box.height; y += step) {
    const chromaRow = (y >> 1) * chromaWidth;
    for (let x = box.x; x < box.x + box.width; x += step) {
      const luma = (data[y * width + x]! - black) * lumaScale;
      const chromaU = data[u + chromaRow + (x >> 1)]! - 128;
      const chromaV = data[v + chromaRow + (x >> 1)]! - 128;
      rgb[to++] = luma + redOfV * chromaV;
      rgb[to++] = luma + greenOfU * chromaU + greenOfV * chromaV;
      rgb[to++] = luma + blueOfU * chromaU;
    }
  }
  return new Uint8Array(rgb.buffer);
}

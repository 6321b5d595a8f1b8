import type { Image, RawImage } from '../image';
import { isRaw } from '../image';
import { rgbOfYuv } from '../yuv';

const JPEG_QUALITY = 75;

/** A frame as it was at a moment, small enough to be kept until it is encoded. */
export interface Snapshot {
  readonly data: Uint8Array;
  /** Missing where `data` is an encoded picture. */
  readonly raw?: { readonly width: number; readonly height: number; readonly channels: 1 | 3 };
}

/** Takes every so many pixels of a raw frame, so that it is no wider than `width`; an encoded one as it is. */
export function snapshotOf(image: Image, width: number): Snapshot {
  if (!isRaw(image)) return { data: image.data };
  const step = Math.max(1, Math.ceil(image.width / width));
  const size = { width: Math.ceil(image.width / step), height: Math.ceil(image.height / step) };
  if (image.format === 'yuv420p') {
    const all = { x: 0, y: 0, width: image.width, height: image.height };
    return { data: rgbOfYuv(image, all, step), raw: { ...size, channels: 3 } };
  }
  const channels = image.format === 'rgb' ? 3 : 1;
  return { data: everySo(image, step, channels), raw: { ...size, channels } };
}

/** A JPEG, no wider than `width` pixels. */
export async function jpegOf({ data, raw }: Snapshot, width: number): Promise<Uint8Array> {
  const { default: sharp } = await import('sharp');
  return sharp(data, raw ? { raw } : { failOn: 'error' })
    .autoOrient()
    .resize({ width, withoutEnlargement: true })
    .jpeg({ quality: JPEG_QUALITY })
    .toBuffer();
}

function everySo({ data, width, height }: RawImage, step: number, channels: 1 | 3): Uint8Array {
  const taken = new Uint8Array(Math.ceil(width / step) * Math.ceil(height / step) * channels);
  let to = 0;
  for (let y = 0; y < height; y += step) {
    for (let x = 0; x < width; x += step) {
      const from = (y * width + x) * channels;
      for (let channel = 0; channel < channels; channel += 1) taken[to++] = data[from + channel]!;
    }
  }
  return taken;
}

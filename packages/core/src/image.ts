/** How the bytes of an image are laid out. */
export type PixelFormat = 'rgb' | 'grey' | 'yuv420p';

/**
 * Pixels in memory.
 * - `rgb`: 3 bytes a pixel, row by row.
 * - `grey`: 1 byte a pixel.
 * - `yuv420p`: the luma plane (1 byte a pixel), then the two chroma planes, each
 *   ceil(width / 2) × ceil(height / 2). Detection reads the luma plane as it lies.
 */
export interface RawImage {
  /** How the bytes are laid out. */
  readonly format: PixelFormat;
  /** The pixels, without padding at the ends of rows. */
  readonly data: Uint8Array;
  /** Pixels. */
  readonly width: number;
  /** Pixels. */
  readonly height: number;
  /** yuv420p only: luma 16 to 235 (`limited`) or 0 to 255 (`full`). @default 'limited' */
  readonly range?: 'limited' | 'full';
  /** yuv420p only: which standard's weights made the planes. @default 'bt601' */
  readonly matrix?: 'bt601' | 'bt709';
}

/** A picture as a camera or file delivers it; it is decoded only where it is looked at. */
export interface EncodedImage {
  /** How it is encoded. */
  readonly format: 'jpeg' | 'png' | 'webp';
  /** The file's bytes. */
  readonly data: Uint8Array;
  /** Pixels. */
  readonly width: number;
  /** Pixels. */
  readonly height: number;
}

/** A picture, decoded or as a file. */
export type Image = RawImage | EncodedImage;

export function isRaw(image: Image): image is RawImage {
  return image.format === 'rgb' || image.format === 'grey' || image.format === 'yuv420p';
}

/** How many bytes the pixels take. */
export function byteLengthOf({ format, width, height }: Omit<RawImage, 'data'>): number {
  if (format === 'rgb') return width * height * 3;
  if (format === 'grey') return width * height;
  return width * height + 2 * Math.ceil(width / 2) * Math.ceil(height / 2);
}

/** Throws a `TypeError` for an image whose data do not hold all its pixels. */
export function assertPixels(image: RawImage): void {
  const needed = byteLengthOf(image);
  if (image.data.length >= needed) return;
  const { format, width, height, data } = image;
  throw new TypeError(
    `A ${format} image of ${width} x ${height} pixels takes ${needed} bytes; its data has ${data.length}.`,
  );
}

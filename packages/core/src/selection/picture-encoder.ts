import type { PictureAttributes } from '../attributes';
import { messageOf, RelayError } from '../errors';
import type { RawImage } from '../image';

export const PICTURE_FORMATS = ['png', 'jpeg', 'webp'] as const;

/** How a cut-out face is encoded. */
export type PictureFormat = (typeof PICTURE_FORMATS)[number];

export interface EncodeOptions {
  readonly format: PictureFormat;
  /** 1 to 100, of JPEG and WebP; PNG loses nothing. */
  readonly quality: number;
  /** The stage to name in an error. */
  readonly stage: string;
}

/**
 * Encodes pixels (RGB or grey) with what is known of them inside, as EXIF: the capture time as cameras
 * write it, and all attributes as JSON in the UserComment.
 * @throws {RelayError} `STAGE_FAILED`.
 */
export async function encodePicture(
  { format: pixelFormat, data, width, height }: RawImage,
  attributes: PictureAttributes,
  { format, quality, stage }: EncodeOptions,
): Promise<Uint8Array> {
  const { default: sharp } = await import('sharp');
  try {
    return await sharp(data, { raw: { width, height, channels: pixelFormat === 'grey' ? 1 : 3 } })
      .withExif({ IFD2: exifOf(attributes) })
      .toFormat(format, format === 'png' ? {} : { quality })
      .toBuffer();
  } catch (error) {
    throw new RelayError(
      `${stage} cannot encode ${width} x ${height} pixels as ${format} (${messageOf(error)}).`,
      { code: 'STAGE_FAILED', stage, cause: error },
    );
  }
}

/** Fields of the Exif IFD, which libvips numbers 2 (EXIF 2.32, sections 4.6.5.F and G for the times). */
function exifOf(attributes: PictureAttributes): Record<string, string> {
  const [date, time, milliseconds] = attributes.time.split(/[T.Z]/);
  return {
    DateTimeOriginal: `${date!.replaceAll('-', ':')} ${time}`,
    SubSecTimeOriginal: milliseconds!,
    OffsetTimeOriginal: '+00:00',
    UserComment: asciiJson(attributes),
  };
}

/** EXIF text is ASCII; what JSON has beyond it is escaped, or it would come back as another letter. */
function asciiJson(value: object): string {
  return JSON.stringify(value).replaceAll(
    /[\u0080-\uffff]/g,
    (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`,
  );
}

import { messageOf, RelayError } from './errors';
import type { EncodedImage, RawImage } from './image';
import { intactPng } from './png';

/** 100 megapixels: more than any camera gives, less than a decompression bomb. */
export const DEFAULT_MAX_PIXELS = 100_000_000;

export interface DecodeOptions {
  /** The stage to name in an error. */
  readonly stage: string;
  /** What the picture is called in an error, e.g. its path. */
  readonly name: string;
  /** Width times height that is decoded at the most. @default 100,000,000 */
  readonly maxPixels?: number;
  /** A wider picture is made this wide; of a JPEG only that much is decoded. @default as it is */
  readonly atMostWide?: number;
}

/** What a picture says of itself in its header. */
export interface PictureHeader {
  readonly format: EncodedImage['format'];
  /** Pixels, after turning it as its EXIF orientation says. */
  readonly width: number;
  /** Pixels, after turning it as its EXIF orientation says. */
  readonly height: number;
  /** The EXIF block, for exif-reader. */
  readonly exif?: Uint8Array;
}

/** The format by the first bytes, or undefined for anything that is not JPEG, PNG or WebP. */
export function sniff(data: Uint8Array): EncodedImage['format'] | undefined {
  const bytes = Buffer.from(data.buffer, data.byteOffset, Math.min(data.byteLength, 12));
  if (bytes.length >= 3 && bytes[0] === 0xff && bytes[1] === 0xd8 && bytes[2] === 0xff) return 'jpeg';
  if (bytes.length >= 8 && bytes.toString('latin1', 0, 8) === '\x89PNG\r\n\x1a\n') return 'png';
  if (
    bytes.length >= 12 &&
    bytes.toString('latin1', 0, 4) === 'RIFF' &&
    bytes.toString('latin1', 8, 12) === 'WEBP'
  )
    return 'webp';
  return undefined;
}

/** Reads the header only. @throws {RelayError} `PICTURE_DAMAGED` or `PICTURE_TOO_LARGE`. */
export async function readHeader(data: Uint8Array, options: DecodeOptions): Promise<PictureHeader> {
  const format = assertPicture(data, options);
  const { default: sharp } = await import('sharp');
  try {
    const { autoOrient, exif } = await sharp(data, { limitInputPixels: false }).metadata();
    const { width, height } = autoOrient;
    assertSize(width, height, options);
    return { format, width, height, ...(exif && { exif }) };
  } catch (error) {
    throw asDamaged(error, options);
  }
}

/**
 * Decodes a JPEG, PNG or WebP to RGB, turned as its EXIF orientation says.
 * @throws {RelayError} `PICTURE_DAMAGED` (also for one that is cut short) or `PICTURE_TOO_LARGE`.
 */
export async function decode(data: Uint8Array, options: DecodeOptions): Promise<RawImage> {
  await readHeader(data, options);
  const { atMostWide } = options;
  const { default: sharp } = await import('sharp');
  try {
    const { data: pixels, info } = await sharp(data, { limitInputPixels: false, failOn: 'error' })
      .autoOrient()
      .resize({ ...(atMostWide && { width: atMostWide }), withoutEnlargement: true })
      .flatten({ background: '#ffffff' })
      .toColourspace('srgb')
      .raw({ depth: 'uchar' })
      .toBuffer({ resolveWithObject: true });
    if (info.channels !== 3) throw new Error(`it decodes to ${info.channels} channels, not 3`);
    return { format: 'rgb', data: pixels, width: info.width, height: info.height };
  } catch (error) {
    throw asDamaged(error, options);
  }
}

export interface IntactOptions extends DecodeOptions {
  /** Seconds that its pixels may take; a whole number. @default 10 */
  readonly maxSeconds?: number;
  /** Whether to leave out the EXIF block, which takes a decoder to find. @default false */
  readonly withoutExif?: boolean;
}

/** Making a thumbnail of such a picture takes longer than looking at it, and spares little memory. */
const SMALL_PIXELS = 500_000;
/** Such pictures are looked at one after the other, so that they take neither all memory nor all threads. */
const LARGE_PIXELS = 10_000_000;
/** A progressive JPEG comes in about ten scans; each one more goes over all pixels once more. */
const MAX_SCANS = 100;
const START_OF_SCAN = Buffer.of(0xff, 0xda);
let largeOne: Promise<unknown> = Promise.resolve();

/**
 * Looks at every pixel of a picture and keeps none: one that is cut short or damaged shows only then. One that is
 * not small is decoded into a thumbnail, so that many at once do not take their full size in memory.
 * @throws {RelayError} `PICTURE_DAMAGED` or `PICTURE_TOO_LARGE`.
 */
export async function assertIntact(data: Uint8Array, options: IntactOptions): Promise<PictureHeader> {
  const { maxPixels = DEFAULT_MAX_PIXELS, withoutExif = false } = options;
  if (withoutExif) {
    const size = await intactPng(data, Math.min(maxPixels, SMALL_PIXELS));
    if (size) return { format: 'png', ...size };
  }
  const header = await readHeader(data, options);
  if (header.format === 'jpeg') assertScans(data, options);
  const pixels = header.width * header.height;
  if (pixels < LARGE_PIXELS) await look(data, options, pixels < SMALL_PIXELS ? undefined : [16, 16]);
  else {
    // Time is looked at with every few rows that come out: there must be many.
    const turn = largeOne.then(() => look(data, options, [1, 4096]));
    largeOne = turn.catch(() => {});
    await turn;
  }
  return header;
}

async function look(
  data: Uint8Array,
  options: IntactOptions,
  thumbnail?: readonly [width: number, height: number],
): Promise<void> {
  const { stage, name, maxSeconds: seconds = 10 } = options;
  const { default: sharp } = await import('sharp');
  try {
    const picture = sharp(data, { limitInputPixels: false, failOn: 'error' });
    if (thumbnail) picture.resize(...thumbnail, { fit: 'fill' });
    await picture.raw().timeout({ seconds }).toBuffer();
  } catch (error) {
    if (!/^timeout/.test(messageOf(error))) throw asDamaged(error, options);
    throw new RelayError(`${name} takes longer than ${seconds} s to decode. Make it smaller.`, {
      code: 'PICTURE_TOO_LARGE',
      stage,
      cause: error,
    });
  }
}

/** Within a scan no FF is followed by DA (ITU-T T.81, section B.1.1.5), so that each one found is a scan. */
function assertScans(data: Uint8Array, { stage, name }: DecodeOptions): void {
  const bytes = Buffer.from(data.buffer, data.byteOffset, data.byteLength);
  let scans = 0;
  for (let at = bytes.indexOf(START_OF_SCAN); at >= 0; at = bytes.indexOf(START_OF_SCAN, at + 2)) scans += 1;
  if (scans <= MAX_SCANS) return;
  throw new RelayError(`${name} has ${scans} scans; the limit is ${MAX_SCANS}. Encode it anew.`, {
    code: 'PICTURE_TOO_LARGE',
    stage,
  });
}

function assertPicture(data: Uint8Array, { stage, name }: DecodeOptions): EncodedImage['format'] {
  if (data.byteLength === 0) {
    throw new RelayError(`${name} is empty (0 bytes). Remove it, or copy it again.`, {
      code: 'PICTURE_DAMAGED',
      stage,
    });
  }
  const format = sniff(data);
  if (!format) {
    throw new RelayError(`${name} is not a JPEG, PNG or WebP picture, by its first bytes.`, {
      code: 'PICTURE_DAMAGED',
      stage,
    });
  }
  return format;
}

function assertSize(width: number, height: number, options: DecodeOptions): void {
  const { stage, name, maxPixels = DEFAULT_MAX_PIXELS } = options;
  if (width * height <= maxPixels) return;
  throw new RelayError(
    `${name} is ${width} x ${height} pixels; the limit is ${maxPixels} pixels. Make it smaller, or raise maxPixels.`,
    { code: 'PICTURE_TOO_LARGE', stage },
  );
}

function asDamaged(error: unknown, { stage, name }: DecodeOptions): RelayError {
  if (error instanceof RelayError) return error;
  const reason = messageOf(error).trim().split('\n').at(-1);
  return new RelayError(`${name} is damaged or cut short (${reason}). Replace it or remove it.`, {
    code: 'PICTURE_DAMAGED',
    stage,
    cause: error,
  });
}

/** What a JPEG's header says. */
export interface JpegHeader {
  /** Pixels, as they are stored. */
  readonly width: number;
  /** Pixels, as they are stored. */
  readonly height: number;
  /** Whether it holds an EXIF block, which may turn it. */
  readonly hasExif: boolean;
}

const EXIF = Buffer.from('Exif\0', 'latin1');

/**
 * Reads the header of a JPEG without decoding it (ITU-T T.81, annex B). Undefined for one that is damaged
 * or cut off, as far as its markers show: it has to begin with SOI, to have a frame header and a scan, and
 * to end with EOI (zeros behind that, as drivers leave them, do no harm).
 */
export function readJpegHeader(data: Uint8Array): JpegHeader | undefined {
  let end = data.length;
  while (end > 0 && data[end - 1] === 0) end -= 1;
  if (data[0] !== 0xff || data[1] !== 0xd8 || data[end - 2] !== 0xff || data[end - 1] !== 0xd9)
    return undefined;
  let size: { width: number; height: number } | undefined;
  let hasExif = false;
  for (let at = 2; at + 4 <= end; ) {
    if (data[at] !== 0xff) return undefined;
    const marker = data[at + 1]!;
    // Any number of fill bytes may stand before a marker.
    if (marker === 0xff) {
      at += 1;
      continue;
    }
    const length = data[at + 2]! * 256 + data[at + 3]!;
    if (isFrameHeader(marker)) {
      size = { height: data[at + 5]! * 256 + data[at + 6]!, width: data[at + 7]! * 256 + data[at + 8]! };
    }
    if (marker === 0xe1 && EXIF.equals(data.subarray(at + 4, at + 4 + EXIF.length))) hasExif = true;
    if (marker === 0xda) return size && size.width > 0 && size.height > 0 ? { ...size, hasExif } : undefined;
    if (length < 2) return undefined;
    at += 2 + length;
  }
  return undefined;
}

/** SOF0 to SOF15, without DHT, JPG and DAC, which have their numbers among them. */
function isFrameHeader(marker: number): boolean {
  return marker >= 0xc0 && marker <= 0xcf && marker !== 0xc4 && marker !== 0xc8 && marker !== 0xcc;
}

import { promisify } from 'node:util';
import * as zlib from 'node:zlib';

const inflate = promisify(zlib.inflate);

export interface PngSize {
  /** Pixels. */
  readonly width: number;
  /** Pixels. */
  readonly height: number;
}

const SIGNATURE = Buffer.from('89504e470d0a1a0a', 'hex');
const HEADER_BYTES = 13;
/** Samples of a pixel by colour type, of those without a palette (section 11.2.1). */
const SAMPLES: Readonly<Record<number, number>> = { 0: 1, 2: 3, 4: 2, 6: 4 };
/** Chunks that change nothing about the pixels, whatever is in them. */
const HARMLESS = new Set(['eXIf', 'iTXt', 'pHYs', 'tEXt', 'tIME', 'zTXt']);
const LAST_FILTER = 4;
/** Set aside before it is known how much comes. */
const LARGEST_PIECE_BYTES = 64 * 1024;

/**
 * The size of a PNG that is whole beyond doubt, by what it carries for that (PNG, third edition): the CRC of each
 * chunk, the checksum of the pixels, how many bytes they must be, and a known filter for each row. It takes a
 * small part of what a decoder takes. Undefined for any other: one that is damaged, larger than so many pixels, interlaced, or
 * has something that only a decoder can judge.
 */
export async function intactPng(data: Uint8Array, maxPixels: number): Promise<PngSize | undefined> {
  const bytes = Buffer.from(data.buffer, data.byteOffset, data.byteLength);
  const found = chunksOf(bytes);
  if (!found) return undefined;
  const { header, pixels } = found;
  const [width, height] = [header.readUInt32BE(0), header.readUInt32BE(4)];
  const [depth = 0, colour = -1, compression, filter, interlace] = header.subarray(8);
  const samples = SAMPLES[colour];
  if (width === 0 || height === 0 || width * height > maxPixels) return undefined;
  if (samples === undefined || (depth !== 8 && depth !== 16) || compression || filter || interlace)
    return undefined;
  const rowBytes = 1 + (width * samples * depth) / 8;
  try {
    const maxOutputLength = rowBytes * height + 1;
    // A face in one piece: each takes another turn of a thread.
    const chunkSize = Math.min(Math.max(64, maxOutputLength), LARGEST_PIECE_BYTES);
    const raw = await inflate(pixels, { maxOutputLength, chunkSize });
    if (raw.length !== rowBytes * height) return undefined;
    for (let row = 0; row < raw.length; row += rowBytes) if ((raw[row] ?? 0) > LAST_FILTER) return undefined;
    return { width, height };
  } catch {
    return undefined;
  }
}

/** The header and the compressed pixels, if each chunk is as its CRC says and none may change what they mean. */
function chunksOf(bytes: Buffer): { readonly header: Buffer; readonly pixels: Buffer } | undefined {
  // Node has it since 20.15.
  if (typeof zlib.crc32 !== 'function' || !bytes.subarray(0, 8).equals(SIGNATURE)) return undefined;
  const pieces: Buffer[] = [];
  let header: Buffer | undefined;
  let before = '';
  for (let at = SIGNATURE.length; at + 12 <= bytes.length; ) {
    const end = at + 12 + bytes.readUInt32BE(at);
    if (end > bytes.length) return undefined;
    const type = bytes.toString('latin1', at + 4, at + 8);
    const content = bytes.subarray(at + 8, end - 4);
    if (zlib.crc32(bytes.subarray(at + 4, end - 4)) !== bytes.readUInt32BE(end - 4)) return undefined;
    if ((type === 'IHDR') !== (header === undefined)) return undefined;
    if (type === 'IHDR') header = content;
    else if (type === 'IDAT') {
      if (pieces.length > 0 && before !== 'IDAT') return undefined;
      pieces.push(content);
    } else if (type === 'IEND') {
      const isEnd = content.length === 0 && end === bytes.length && header?.length === HEADER_BYTES;
      if (!(isEnd && header)) return undefined;
      const [piece] = pieces;
      return { header, pixels: piece && pieces.length === 1 ? piece : Buffer.concat(pieces) };
    } else if (!HARMLESS.has(type)) return undefined;
    before = type;
    at = end;
  }
  return undefined;
}

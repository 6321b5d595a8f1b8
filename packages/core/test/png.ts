import { constants, deflateRawSync } from 'node:zlib';

const SIGNATURE = Buffer.from('89504e470d0a1a0a', 'hex');
const BLOCK_BYTES = 1_000_000;

const CRC_TABLE = Array.from({ length: 256 }, (_, index) => {
  let value = index;
  for (let bit = 0; bit < 8; bit += 1) value = value & 1 ? 0xedb88320 ^ (value >>> 1) : value >>> 1;
  return value >>> 0;
});

/** A chunk of a PNG with its length and its checksum. */
export function pngChunk(type: string, data: Uint8Array): Buffer {
  const chunk = Buffer.alloc(12 + data.length);
  chunk.writeUInt32BE(data.length, 0);
  chunk.write(type, 4, 'latin1');
  chunk.set(data, 8);
  chunk.writeUInt32BE(crc32(chunk.subarray(4, 8 + data.length)), 8 + data.length);
  return chunk;
}

/** A whole black PNG of one bit a pixel: a few kilobytes for as many pixels as one likes. */
export function blackPng(width: number, height: number): Buffer {
  const header = Buffer.alloc(13);
  header.writeUInt32BE(width, 0);
  header.writeUInt32BE(height, 4);
  header[8] = 1;
  return Buffer.concat([
    SIGNATURE,
    pngChunk('IHDR', header),
    pngChunk('IDAT', zeros(height * (1 + Math.ceil(width / 8)))),
    pngChunk('IEND', new Uint8Array()),
  ]);
}

/** So many zero bytes as a zlib stream. Blocks that end with a full flush can follow each other as they are. */
export function zeros(bytes: number): Buffer {
  const block = deflateRawSync(Buffer.alloc(BLOCK_BYTES), { finishFlush: constants.Z_FULL_FLUSH });
  const rest = deflateRawSync(Buffer.alloc(bytes % BLOCK_BYTES));
  const adler = Buffer.alloc(4);
  adler.writeUInt16BE(bytes % 65_521, 0);
  adler.writeUInt16BE(1, 2);
  const blocks = Array.from({ length: Math.floor(bytes / BLOCK_BYTES) }, () => block);
  return Buffer.concat([Buffer.of(0x78, 0x9c), ...blocks, rest, adler]);
}

function crc32(bytes: Uint8Array): number {
  let value = 0xffffffff;
  for (const byte of bytes) value = (CRC_TABLE[(value ^ byte) & 0xff] ?? 0) ^ (value >>> 8);
  return ~value >>> 0;
}

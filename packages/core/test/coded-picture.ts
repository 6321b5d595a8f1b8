import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import sharp from 'sharp';
import { decode } from '../src/codec';
import { type Image, isRaw } from '../src/image';

/** Pixels of a coded picture: a grey with 24 blocks, black or white, each a bit of its number. */
export const CODED = { width: 320, height: 240, block: 32 };
const BITS = 24;
const COLUMNS = CODED.width / CODED.block;

/** A JPEG that holds a number in its pixels. */
export function codedJpeg(number: number): Promise<Buffer> {
  const { width, height, block } = CODED;
  const pixels = Buffer.alloc(width * height, 128);
  for (let bit = 0; bit < BITS; bit += 1) {
    const [left, top] = cornerOf(bit);
    for (let row = top; row < top + block; row += 1) {
      pixels.fill((number >> bit) & 1 ? 235 : 16, row * width + left, row * width + left + block);
    }
  }
  return sharp(pixels, { raw: { width, height, channels: 1 } })
    .jpeg({ quality: 85 })
    .toBuffer();
}

/** Writes the first so many of them into a folder; gives the pattern by which ffmpeg takes them for a video. */
export async function writeCodedJpegs(folder: string, count: number): Promise<string> {
  const write = async (number: number) => writeFile(join(folder, `${number}.jpg`), await codedJpeg(number));
  await Promise.all(Array.from({ length: count }, (_, number) => write(number)));
  return join(folder, '%d.jpg');
}

/** The number that an image holds. */
export async function numberOf(image: Image): Promise<number> {
  const raw = isRaw(image) ? image : await decode(image.data, { stage: 'test', name: 'a coded picture' });
  const channels = raw.format === 'rgb' ? 3 : 1;
  let number = 0;
  for (let bit = 0; bit < BITS; bit += 1) {
    const [left, top] = cornerOf(bit);
    const middle = (top + CODED.block / 2) * raw.width + left + CODED.block / 2;
    if (raw.data[middle * channels]! > 128) number |= 1 << bit;
  }
  return number;
}

function cornerOf(bit: number): [left: number, top: number] {
  return [(bit % COLUMNS) * CODED.block, Math.floor(bit / COLUMNS) * CODED.block];
}

import fc from 'fast-check';
import sharp from 'sharp';
import { beforeAll, describe, expect, it } from 'vitest';
import { readJpegHeader } from './jpeg-header';
import { JpegSplitter } from './jpeg-splitter';

/** A picture of noise, so that its scan holds all kinds of bytes. */
function noise(width: number, height: number, options: object = {}): Promise<Buffer> {
  let seed = width * 31 + height;
  const pixels = Buffer.from(
    Array.from({ length: width * height * 3 }, () => {
      seed = (seed * 1103515245 + 12345) & 0x7fffffff;
      return seed >> 16;
    }),
  );
  return sharp(pixels, { raw: { width, height, channels: 3 } })
    .jpeg({ quality: 90, ...options })
    .toBuffer();
}

/** The picture with another one inside an APP1 block, as cameras keep their thumbnails. */
function withThumbnail(picture: Buffer, thumbnail: Buffer): Buffer {
  const head = Buffer.from([0xff, 0xe1, 0, 0]);
  head.writeUInt16BE(2 + 6 + thumbnail.length, 2);
  return Buffer.concat([
    picture.subarray(0, 2),
    head,
    Buffer.from('Exif\0\0'),
    thumbnail,
    picture.subarray(2),
  ]);
}

let pictures: Buffer[];
let plain: Buffer;
beforeAll(async () => {
  plain = await noise(64, 48);
  const restarts = Buffer.concat([
    plain.subarray(0, -2),
    Buffer.from([0xff, 0xd0, 1, 2, 0xff, 0, 0xff, 0xd9]),
  ]);
  pictures = [
    plain,
    await noise(40, 30, { progressive: true }),
    withThumbnail(plain, await noise(16, 12)),
    withThumbnail(await noise(80, 60, { progressive: true }), await noise(16, 12)),
    Buffer.concat([plain.subarray(0, 2), Buffer.from([0xff, 0xff]), plain.subarray(2)]),
    restarts,
  ];
});

function split(chunks: readonly Buffer[], longest?: number) {
  const splitter = new JpegSplitter(longest);
  const found = chunks.flatMap((chunk, index) => [...splitter.feed(chunk, index)]);
  return { found, data: found.map(({ data }) => data), splitter };
}

function chunked(bytes: Buffer, sizes: readonly number[]): Buffer[] {
  const chunks: Buffer[] = [];
  for (let at = 0, index = 0; at < bytes.length; index += 1) {
    const size = sizes[index % sizes.length]!;
    chunks.push(bytes.subarray(at, at + size));
    at += size;
  }
  return chunks;
}

describe('JpegSplitter', () => {
  it('finds each picture, however the stream is cut into chunks', () => {
    fc.assert(
      fc.property(
        fc.array(fc.nat({ max: 5 }), { minLength: 1, maxLength: 8 }),
        fc.array(fc.integer({ min: 1, max: 9000 }), { minLength: 1, maxLength: 5 }),
        (indices, sizes) => {
          const expected = indices.map((index) => pictures[index]!);
          const { data, splitter } = split(chunked(Buffer.concat(expected), sizes));
          expect(data.map((one) => one.toString('base64'))).toEqual(
            expected.map((one) => one.toString('base64')),
          );
          expect([splitter.skipped, splitter.waiting]).toEqual([0, 0]);
        },
      ),
      { numRuns: 60 },
    );
  });

  it('finds a picture that comes byte by byte', () => {
    for (const picture of pictures) {
      expect(split(chunked(picture, [1])).data.map((one) => one.toString('base64'))).toEqual([
        picture.toString('base64'),
      ]);
    }
  });

  it('gives a picture as soon as its last byte is here, with the time of its first', () => {
    const { found } = split([plain.subarray(0, 100), plain.subarray(100, -1), plain.subarray(-1), plain]);
    expect(found.map(({ startedAt }) => startedAt)).toEqual([0, 3]);
  });

  it('passes over noise and zeros between pictures', () => {
    const noise = [Buffer.from('hello'), plain, Buffer.alloc(9), plain, Buffer.alloc(3)];
    const { data, found, splitter } = split(noise);
    expect(data).toEqual([plain, plain]);
    expect(found.map(({ before }) => before)).toEqual(['hello', '\0'.repeat(9)]);
    expect(splitter.skipped).toBeGreaterThanOrEqual(14);
  });

  it.each([
    ['in its scan', 0.8],
    ['in a table', 0.02],
    ['in its first marker', 0.003],
  ])('loses no picture behind one that is cut off %s', (_, share) => {
    const half = plain.subarray(0, Math.ceil(plain.length * share));
    const { data } = split(chunked(Buffer.concat([plain, half, plain, plain, plain]), [777]));
    const whole = data.filter((one) => one.equals(plain));
    expect(whole.length).toBeGreaterThanOrEqual(3);
    expect(data.filter((one) => !one.equals(plain) && readJpegHeader(one) !== undefined)).toEqual([]);
  });

  it('gives up a picture without an end, and goes on behind it', () => {
    const flood = Buffer.concat([plain.subarray(0, -2), Buffer.alloc(90_000, 7)]);
    const { data, splitter } = split([...chunked(flood, [5_000]), plain, plain], 50_000);
    expect(data.at(-1)).toEqual(plain);
    expect(splitter.skipped).toBeGreaterThan(50_000);
  });
});

describe('readJpegHeader', () => {
  it('tells the size and whether there is EXIF', () => {
    expect(pictures.map(readJpegHeader)).toEqual([
      { width: 64, height: 48, hasExif: false },
      { width: 40, height: 30, hasExif: false },
      { width: 64, height: 48, hasExif: true },
      { width: 80, height: 60, hasExif: true },
      { width: 64, height: 48, hasExif: false },
      { width: 64, height: 48, hasExif: false },
    ]);
    expect(readJpegHeader(Buffer.concat([plain, Buffer.alloc(5)]))).toBeDefined();
  });

  it('sees what is not whole', () => {
    for (const length of [0, 1, 2, 3, 20, 200, 600, plain.length - 1]) {
      expect(readJpegHeader(plain.subarray(0, length)), `${length} bytes`).toBeUndefined();
    }
    const headless = Buffer.concat([plain.subarray(0, 200), Buffer.from([0xff, 0xd9])]);
    expect(readJpegHeader(headless)).toBeUndefined();
    expect(readJpegHeader(Buffer.from('GIF89a'))).toBeUndefined();
  });
});

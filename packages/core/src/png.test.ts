import fc from 'fast-check';
import sharp from 'sharp';
import { beforeAll, describe, expect, it } from 'vitest';
import { noisePng } from '../test/deliveries';
import { blackPng, pngChunk } from '../test/png';
import { intactPng } from './png';

const LIMIT = 500_000;
let png: Buffer;
let telling: Buffer;
beforeAll(async () => {
  png = await noisePng();
  telling = await sharp(png)
    .withExif({ IFD2: { UserComment: 'a comment' } })
    .png()
    .toBuffer();
});

async function decodes(data: Buffer): Promise<boolean> {
  return sharp(data, { failOn: 'error' })
    .raw()
    .toBuffer()
    .then(
      () => true,
      () => false,
    );
}

describe('a PNG that is whole beyond doubt', () => {
  it('is what sharp makes, in grey and colour, with alpha, 8 and 16 bits, and with EXIF', async () => {
    const size = { width: 64, height: 64 };
    const grey = sharp(png).toColourspace('b-w');
    const made = [
      ...[
        png,
        telling,
        await grey.clone().png().toBuffer(),
        await sharp(png).ensureAlpha(0.5).png().toBuffer(),
      ],
      await grey.clone().ensureAlpha(0.5).png().toBuffer(),
      await sharp(png).toColourspace('rgb16').png().toBuffer(),
    ];
    for (const each of made) expect(await intactPng(each, LIMIT)).toEqual(size);
  });

  it.each([
    ['one that is too large', () => blackPng(1000, 1000)],
    ['one of one bit a pixel', () => blackPng(10, 10)],
    ['one that is interlaced', () => sharp(png).png({ progressive: true }).toBuffer()],
    ['one with a palette', () => sharp(png).png({ palette: true }).toBuffer()],
    ['one with something after its end', () => Buffer.concat([png, Buffer.of(0)])],
    ['one that ends early', () => png.subarray(0, -12)],
    [
      'one with a chunk that may matter',
      () => Buffer.concat([png.subarray(0, 33), pngChunk('tRNS', Buffer.alloc(6)), png.subarray(33)]),
    ],
    ['one with two headers', () => Buffer.concat([png.subarray(0, 33), png.subarray(8)])],
    ['no PNG at all', () => Buffer.from('a text')],
    ['nothing', () => Buffer.alloc(0)],
  ])('is not %s', async (_, make) => {
    expect(await intactPng(await make(), LIMIT)).toBeUndefined();
  });

  it('is one that a decoder takes, however it was changed', async () => {
    const change = fc.record({
      at: fc.nat(20_000),
      kind: fc.constantFrom('flip', 'cut', 'drop', 'insert', 'crc'),
      byte: fc.nat(255),
    });
    let taken = 0;
    await fc.assert(
      fc.asyncProperty(fc.boolean(), fc.array(change, { maxLength: 3 }), async (hasExif, changes) => {
        let data = Buffer.from(hasExif ? telling : png);
        for (const { at, kind, byte } of changes) {
          const place = at % data.length;
          if (kind === 'flip') data[place] = byte;
          else if (kind === 'cut') data = data.subarray(0, Math.max(9, place));
          else if (kind === 'drop') data = Buffer.concat([data.subarray(0, place), data.subarray(place + 1)]);
          else if (kind === 'insert')
            data = Buffer.concat([data.subarray(0, place), Buffer.of(byte), data.subarray(place)]);
          else data = withRightChecksums(data);
        }
        if (!(await intactPng(data, LIMIT))) return;
        taken += 1;
        expect(await decodes(data)).toBe(true);
      }),
      { numRuns: 2_000 },
    );
    expect(taken).toBeGreaterThan(100);
  });
});

/** The same chunks, each with the CRC that it ought to have: what is wrong then lies deeper. */
function withRightChecksums(data: Buffer): Buffer<ArrayBuffer> {
  const parts: Uint8Array[] = [data.subarray(0, 8)];
  for (let at = 8; at + 12 <= data.length; ) {
    const end = at + 12 + data.readUInt32BE(at);
    if (end > data.length) break;
    parts.push(pngChunk(data.toString('latin1', at + 4, at + 8), data.subarray(at + 8, end - 4)));
    at = end;
  }
  return Buffer.concat(parts);
}

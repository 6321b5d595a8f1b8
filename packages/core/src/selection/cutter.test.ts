import { spawnSync } from 'node:child_process';
import fc from 'fast-check';
import sharp from 'sharp';
import { describe, expect, it } from 'vitest';
import { photos } from '../../test/photos';
import { describeWith } from '../../test/requirements';
import type { RawImage } from '../image';
import { cut, widened } from './cutter';

describe('widened()', () => {
  it('adds the margin on every side, in whole pixels', () => {
    const box = { x: 50, y: 60, width: 20, height: 30 };
    expect(widened(box, 0.2, { width: 200, height: 200 })).toEqual({ x: 46, y: 54, width: 28, height: 42 });
    expect(widened(box, 0, { width: 200, height: 200 })).toEqual(box);
  });

  it('stays inside the frame and keeps the visible part of the box', () => {
    const size = fc.integer({ min: 1, max: 300 });
    const place = fc.float({ min: -50, max: 299, noNaN: true });
    fc.assert(
      fc.property(
        size,
        size,
        place,
        place,
        size,
        size,
        fc.constantFrom(0, 0.1, 0.5, 3),
        (w, h, x, y, bw, bh, margin) => {
          fc.pre(x < w && y < h && x + bw > 0 && y + bh > 0);
          const grown = widened({ x, y, width: bw, height: bh }, margin, { width: w, height: h });
          expect(Object.values(grown).every(Number.isInteger)).toBe(true);
          expect(grown.x >= 0 && grown.y >= 0).toBe(true);
          expect(grown.x + grown.width <= w && grown.y + grown.height <= h).toBe(true);
          expect(grown.x <= Math.max(0, x) && grown.x + grown.width >= Math.min(w, x + bw)).toBe(true);
        },
      ),
    );
  });

  it('refuses a box outside of the frame', () => {
    const frame = { width: 100, height: 100 };
    expect(() => widened({ x: 100, y: 0, width: 10, height: 10 }, 0, frame)).toThrow(TypeError);
    expect(() => widened({ x: 0, y: Number.NaN, width: 10, height: 10 }, 0, frame)).toThrow(TypeError);
  });
});

describe('cut()', () => {
  it('takes the pixels of the box out of RGB and grey, and leaves the image as it was', async () => {
    const box = { x: 33, y: 21, width: 101, height: 57 };
    const region = { left: box.x, top: box.y, width: box.width, height: box.height };
    for (const format of ['rgb', 'grey'] as const) {
      const picture = format === 'rgb' ? sharp(photos.three) : sharp(photos.three).greyscale();
      const { data, info } = await picture.raw().toBuffer({ resolveWithObject: true });
      const before = Buffer.from(data);
      const piece = cut({ format, data, width: info.width, height: info.height }, box);
      const expected = await sharp(data, { raw: info })
        .extract(region)
        .toColourspace(format === 'rgb' ? 'srgb' : 'b-w')
        .raw()
        .toBuffer();
      expect(piece).toMatchObject({ format, width: 101, height: 57 });
      expect(expected.equals(piece.data)).toBe(true);
      expect(before.equals(data)).toBe(true);
      expect(piece.data.buffer).not.toBe(data.buffer);
    }
  });

  it('refuses an image that is shorter than it says', () => {
    const image: RawImage = { format: 'yuv420p', data: new Uint8Array(16), width: 4, height: 4 };
    expect(() => cut(image, { x: 0, y: 0, width: 2, height: 2 })).toThrow(/takes 24 bytes/);
  });

  // Each standard's own numbers for full colours in 8 bits of limited range, and the same in full range.
  it.each([
    ['bt601', 'limited', [235, 128, 128], [255, 255, 255]],
    ['bt601', 'limited', [16, 128, 128], [0, 0, 0]],
    ['bt601', 'limited', [81, 90, 240], [255, 0, 0]],
    ['bt601', 'limited', [145, 54, 34], [0, 255, 0]],
    ['bt601', 'limited', [41, 240, 110], [0, 0, 255]],
    ['bt709', 'limited', [63, 102, 240], [255, 0, 0]],
    ['bt709', 'limited', [173, 42, 26], [0, 255, 0]],
    ['bt709', 'limited', [32, 240, 118], [0, 0, 255]],
    ['bt601', 'full', [255, 128, 128], [255, 255, 255]],
    ['bt601', 'full', [76, 85, 255], [255, 0, 0]],
    ['bt601', 'full', [29, 255, 107], [0, 0, 255]],
  ] as const)('turns %s %s %j into RGB', (matrix, range, [y, u, v], rgb) => {
    // 3 x 3 pixels have 2 x 2 chroma samples; the last row and column stand alone.
    const data = Uint8Array.from([...Array(9).fill(y), ...Array(4).fill(u), ...Array(4).fill(v)]);
    const image: RawImage = { format: 'yuv420p', data, width: 3, height: 3, matrix, range };
    const piece = cut(image, { x: 1, y: 1, width: 2, height: 2 });
    expect(piece).toMatchObject({ format: 'rgb', width: 2, height: 2 });
    for (let at = 0; at < 12; at += 1)
      expect(Math.abs(piece.data[at]! - rgb[at % 3]!)).toBeLessThanOrEqual(2);
  });

  it('gives each pixel of an odd-sized image its own chroma sample', () => {
    const luma = Array(9).fill(81);
    const data = Uint8Array.from([...luma, 128, 128, 128, 90, 128, 128, 128, 240]);
    const image: RawImage = { format: 'yuv420p', data, width: 3, height: 3 };
    const colours = [0, 1, 2].map((at) => [...cut(image, { x: at, y: at, width: 1, height: 1 }).data]);
    expect(colours).toEqual([
      [76, 76, 76],
      [76, 76, 76],
      [254, 0, 0],
    ]);
  });

  it('takes limited BT.601 where the image does not say', () => {
    const data = Uint8Array.from([81, 81, 81, 81, 90, 240]);
    const box = { x: 0, y: 0, width: 1, height: 1 };
    const image: RawImage = { format: 'yuv420p', data, width: 2, height: 2 };
    expect(cut(image, box)).toEqual(cut({ ...image, range: 'limited', matrix: 'bt601' }, box));
  });
});

describeWith('ffmpeg', 'cut() beside ffmpeg', () => {
  /** What ffmpeg makes of its standard input. */
  function ffmpeg(input: Uint8Array, ...args: string[]): Buffer {
    const result = spawnSync('ffmpeg', ['-v', 'error', ...args, '-f', 'rawvideo', '-'], {
      input,
      maxBuffer: 1e8,
    });
    expect(result.stderr.toString()).toBe('');
    return result.stdout;
  }

  it.each([
    ['bt601', 'limited'],
    ['bt601', 'full'],
    ['bt709', 'limited'],
    ['bt709', 'full'],
  ] as const)('differs by 2 at the most in %s, %s range', async (matrix, range) => {
    // With an odd width ffmpeg's scaler spreads the chroma samples a little differently.
    const width = 300;
    const height = 172;
    const { data: rgb } = await sharp(photos.three)
      .resize(width, height, { fit: 'fill' })
      .removeAlpha()
      .raw()
      .toBuffer({ resolveWithObject: true });
    const raw = (format: string) => [
      '-f',
      'rawvideo',
      '-pix_fmt',
      format,
      '-s',
      `${width}x${height}`,
      '-i',
      '-',
    ];
    const side = range === 'full' ? 'pc' : 'tv';
    const exact = 'flags=neighbor+accurate_rnd+full_chroma_int';
    const data = ffmpeg(
      rgb,
      ...raw('rgb24'),
      '-vf',
      `scale=out_color_matrix=${matrix}:out_range=${side}:flags=neighbor+accurate_rnd`,
      '-pix_fmt',
      'yuv420p',
    );
    const expected = ffmpeg(
      data,
      ...raw('yuv420p'),
      '-vf',
      `scale=in_color_matrix=${matrix}:in_range=${side}:${exact}`,
      '-pix_fmt',
      'rgb24',
    );
    const image: RawImage = { format: 'yuv420p', data, width, height, matrix, range };
    const box = { x: 33, y: 17, width: 251, height: 155 };
    const { data: ours } = cut(image, box);
    const theirs = cut({ format: 'rgb', data: expected, width, height }, box).data;
    let worst = 0;
    for (const [at, value] of ours.entries()) worst = Math.max(worst, Math.abs(value - theirs[at]!));
    expect(ours.length).toBe(box.width * box.height * 3);
    expect(worst).toBeLessThanOrEqual(2);
  });
});

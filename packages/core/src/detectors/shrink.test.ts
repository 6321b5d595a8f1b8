import { describe, expect, it } from 'vitest';
import { SeededRandom } from '../testing/seeded-random';
import type { GreyImage } from './model';
import { shrink } from './shrink';

const random = new SeededRandom(5);
const picture: GreyImage = {
  data: Uint8Array.from({ length: 61 * 47 }, () => Math.floor(random.next() * 256)),
  width: 61,
  height: 47,
};

/** The mean of the area that a pixel stands for, spelled out. */
function meanOf(
  part: { x: number; y: number; width: number; height: number },
  x: number,
  y: number,
  to: GreyImage,
) {
  const share = (pixel: number, from: number, until: number) =>
    Math.max(0, Math.min(pixel + 1, until) - Math.max(pixel, from));
  const [left, right] = [(x * part.width) / to.width, ((x + 1) * part.width) / to.width];
  const [top, bottom] = [(y * part.height) / to.height, ((y + 1) * part.height) / to.height];
  let sum = 0;
  for (let row = 0; row < part.height; row += 1) {
    for (let column = 0; column < part.width; column += 1) {
      const value = picture.data[(part.y + row) * picture.width + part.x + column]!;
      sum += value * share(column, left, right) * share(row, top, bottom);
    }
  }
  return sum / ((right - left) * (bottom - top));
}

describe('shrink()', () => {
  it.each([
    ['half', { x: 0, y: 0, width: 60, height: 46 }, 30, 23],
    ['odd steps', { x: 0, y: 0, width: 61, height: 47 }, 25, 19],
    ['a part, hardly smaller', { x: 7, y: 3, width: 41, height: 29 }, 40, 28],
    ['one pixel', { x: 1, y: 2, width: 30, height: 20 }, 1, 1],
    ['one direction only', { x: 5, y: 5, width: 20, height: 20 }, 20, 7],
  ])('gives the means of the areas: %s', (_, part, width, height) => {
    const small = shrink(picture, part, width, height);
    expect([small.width, small.height, small.data.length]).toEqual([width, height, width * height]);
    for (let y = 0; y < height; y += 1) {
      for (let x = 0; x < width; x += 1) {
        expect(Math.abs(small.data[y * width + x]! - meanOf(part, x, y, small))).toBeLessThan(1.1);
      }
    }
  });

  it('keeps a flat grey as it is, also white', () => {
    const white = { data: new Uint8Array(1920 * 9).fill(255), width: 1920, height: 9 };
    const { data } = shrink(white, { x: 0, y: 0, width: 1920, height: 9 }, 800, 4);
    expect(data.every((value) => value === 255)).toBe(true);
  });

  it('copies a part that is not to be smaller, and never enlarges', () => {
    const part = { x: 3, y: 4, width: 5, height: 2 };
    const rows = [4, 5].flatMap((row) => [...picture.data.subarray(row * 61 + 3, row * 61 + 8)]);
    expect(shrink(picture, part, 50, 20)).toEqual({ data: Uint8Array.from(rows), width: 5, height: 2 });
  });

  it('has a buffer of its own, which can be given away', () => {
    const { data } = shrink(picture, { x: 0, y: 0, width: 61, height: 47 }, 61, 47);
    expect(data.buffer).not.toBe(picture.data.buffer);
    expect(data.buffer.byteLength).toBe(61 * 47);
  });
});

import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { detectionWidthFor, fieldLook, searchFields } from './search-fields';

const settings = {
  detectionWidth: 800,
  minFaceSize: 0,
  maxFaceSize: 0,
  window: { width: 20, height: 20 },
};
const pictures = fc.record({
  width: fc.integer({ min: 64, max: 4000 }),
  height: fc.integer({ min: 64, max: 3000 }),
});
const windows = fc.record({
  width: fc.integer({ min: 12, max: 60 }),
  height: fc.integer({ min: 12, max: 60 }),
});

describe('searchFields()', () => {
  it('has a field of the right size around every face of every picture', () => {
    const cases = fc.tuple(
      pictures,
      windows,
      fc.double({ min: 0, max: 1, noNaN: true }),
      fc.nat(1e6),
      fc.nat(1e6),
    );
    fc.assert(
      fc.property(cases, ([picture, window, share, left, top]) => {
        const detectionWidth = detectionWidthFor(window);
        const fields = searchFields(picture, { ...settings, detectionWidth, window });
        const scale = Math.min(1, detectionWidth / picture.width);
        const smallest = window.width / scale;
        const largest = Math.min(picture.width, (picture.height * window.width) / window.height);
        fc.pre(smallest <= largest);
        // As many of each octave: only small faces need the fields of the full size.
        const width = smallest * (largest / smallest) ** share;
        const height = (width * window.height) / window.width;
        const x = left % Math.max(1, Math.floor(picture.width - width + 1));
        const y = top % Math.max(1, Math.floor(picture.height - height + 1));
        const isFound = fields.some(({ part, width: across, search }) => {
          const size = (width * across) / part.width;
          const isInside =
            x >= part.x &&
            y >= part.y &&
            x + width <= part.x + part.width + 1e-9 &&
            y + height <= part.y + part.height + 1e-9;
          return isInside && size >= window.width * 0.99 && (!search.largest || size <= search.largest);
        });
        expect(isFound).toBe(true);
      }),
      { numRuns: 3000 },
    );
  });

  it('stays inside the picture and covers little twice', () => {
    fc.assert(
      fc.property(pictures, (picture) => {
        for (const { part, width, height } of searchFields(picture, settings)) {
          expect(Object.values(part).every(Number.isInteger)).toBe(true);
          expect(part.x >= 0 && part.y >= 0 && width > 0 && height > 0).toBe(true);
          expect(part.x + part.width).toBeLessThanOrEqual(picture.width);
          expect(part.y + part.height).toBeLessThanOrEqual(picture.height);
        }
      }),
    );
    const pixels = searchFields({ width: 1920, height: 1080 }, settings).map(
      ({ width, height }) => width * height,
    );
    // The picture, its half, quarter and so on are 4/3 of 800 x 450.
    expect(pixels.reduce((sum, count) => sum + count, 0)).toBeLessThan((800 * 450 * 4 * 1.35) / 3);
    expect(Math.max(...pixels)).toBeLessThan(300 * 300);
  });

  it('has none for faces that are not asked for', () => {
    const picture = { width: 1920, height: 1080 };
    const all = searchFields(picture, settings);
    const large = searchFields(picture, { ...settings, minFaceSize: 300 });
    const small = searchFields(picture, { ...settings, maxFaceSize: 90 });
    expect(large.length).toBeLessThan(small.length);
    expect(small.length).toBeLessThan(all.length);
    expect(large.every(({ part, width, search }) => (search.smallest! * part.width) / width > 260)).toBe(
      true,
    );
    expect(small.every(({ part, width, search }) => (search.largest! * part.width) / width < 95)).toBe(true);
  });

  it('has none in a picture that is smaller than the window', () => {
    expect(searchFields({ width: 19, height: 300 }, settings)).toEqual([]);
  });
});

describe('fieldLook()', () => {
  it('is at the size of the field, and every other time smaller by half a step of a quick look', () => {
    const picture = { data: new Uint8Array(1920 * 1080).fill(90), width: 1920, height: 1080 };
    const [field] = searchFields(picture, { ...settings, minFaceSize: 60, maxFaceSize: 90 });
    const [first, second, third] = [1, 2, 3].map((turn) => fieldLook(picture, field!, turn));
    expect([first!.image.width, first!.image.height]).toEqual([field!.width, field!.height]);
    expect(first!.search).toEqual(field!.search);
    expect((field!.width / second!.image.width) ** 2).toBeCloseTo(1.2, 1);
    expect(second!.part).toEqual(first!.part);
    // The same faces, in pixels of the picture.
    const { smallest = 0, largest = 0 } = second!.search;
    expect(smallest).toBe(Math.floor(field!.search.smallest! / Math.sqrt(1.2)));
    expect(largest).toBe(Math.ceil(field!.search.largest! / Math.sqrt(1.2)));
    expect(third!.image.width).toBe(first!.image.width);
  });
});

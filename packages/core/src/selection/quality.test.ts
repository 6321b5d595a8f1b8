import { readFile } from 'node:fs/promises';
import fc from 'fast-check';
import sharp, { type Sharp } from 'sharp';
import { describe, expect, it } from 'vitest';
import { photos } from '../../test/photos';
import { decode } from '../codec';
import type { Box } from '../face';
import type { RawImage } from '../image';
import { greyPatch, PATCH_SIDE } from './grey-patch';
import {
  bestQualityOf,
  type Measures,
  measureInside,
  measureOutside,
  qualityOf,
  ScoreScale,
} from './quality';
import { differenceOf, thumbnailOf } from './thumbnail';

const photo = await decode(await readFile(photos.three), { stage: 'test', name: 'three' });
const faces: Box[] = [
  { x: 41, y: 79, width: 107, height: 107 },
  { x: 451, y: 55, width: 102, height: 102 },
];
const [face] = faces as [Box];
const picture = () => sharp(photo.data, { raw: { width: photo.width, height: photo.height, channels: 3 } });
const frame = { width: 1920, height: 1080 };

async function rawOf(changed: Sharp): Promise<RawImage> {
  const { data, info } = await changed.removeAlpha().raw().toBuffer({ resolveWithObject: true });
  return { format: 'rgb', data, width: info.width, height: info.height };
}

const share = fc.double({ min: 0, max: 1, noNaN: true });
const anyMeasures: fc.Arbitrary<Measures> = fc.record({
  size: share,
  sharpness: share,
  exposure: share,
  edge: share,
  score: share,
  steadiness: share,
});

describe('quality', () => {
  it('lies between 0 and 1, and no measure that is better makes it worse', () => {
    const name = fc.constantFrom('size', 'sharpness', 'exposure', 'edge', 'score', 'steadiness');
    fc.assert(
      fc.property(anyMeasures, name, share, (measures, changed, value) => {
        const quality = qualityOf(measures);
        expect(quality).toBeGreaterThan(0);
        expect(quality).toBeLessThanOrEqual(1 + 1e-9);
        const better = qualityOf({ ...measures, [changed]: Math.max(value, measures[changed as 'size']) });
        expect(better).toBeGreaterThanOrEqual(quality - 1e-12);
        expect(bestQualityOf(measures)).toBeGreaterThanOrEqual(quality - 1e-12);
      }),
    );
  });

  it('is spoilt by one measure more than mended by the others', () => {
    const all = { size: 0.7, sharpness: 0.7, exposure: 0.7, edge: 0.7, score: 0.7, steadiness: 0.7 };
    expect(qualityOf(all)).toBeCloseTo(0.7);
    expect(qualityOf({ ...all, sharpness: 0.05, size: 1 })).toBeLessThan(0.5);
  });
});

describe('what can be measured from outside', () => {
  const measure = (box: Partial<Box>, { score = 0.5, speed = 0 } = {}) =>
    measureOutside({ x: 500, y: 500, width: 100, height: 100, ...box }, frame, { score, speed });

  it('is the size, from 16 to 256 pixels', () => {
    const sizes = [8, 16, 64, 256, 400].map((width) => measure({ width }).size);
    expect(sizes).toEqual([0, 0, 0.5, 1, 1]);
  });

  it('is the distance from each edge of the frame', () => {
    expect(measure({}).edge).toBe(1);
    for (const box of [{ x: 0 }, { y: 0 }, { x: 1820 }, { y: 980 }]) expect(measure(box).edge).toBe(0);
    expect(measure({ x: 1920 - 100 - 20 }).edge).toBeCloseTo(0.6);
    expect(measure({ x: -20 }).edge).toBe(0);
  });

  it('is how little it moves', () => {
    const steady = [0, 3, 9].map((speed) => measure({}, { speed }).steadiness);
    expect(steady).toEqual([1, 0.5, 0.1]);
  });
});

describe('what can be measured inside', () => {
  it('tells a sharp face from a blurred one, the more so the more it is blurred', async () => {
    for (const box of faces) {
      const values: number[] = [];
      for (const sigma of [0, 1.5, 3, 6]) {
        const image = await rawOf(sigma === 0 ? picture() : picture().blur(sigma));
        values.push(measureInside(greyPatch(image, box)).sharpness);
      }
      expect(values).toEqual(values.toSorted((a, b) => b - a));
      expect(values[0]).toBeGreaterThan(2 * values[2]!);
    }
  });

  it('says the same of a face whatever its size, and less where pixels are missing', async () => {
    const { sharpness } = measureInside(greyPatch(photo, face));
    const scaled = async (factor: number) => {
      const image = await rawOf(picture().resize(Math.round(photo.width * factor)));
      const [x, y, width, height] = [face.x, face.y, face.width, face.height].map((value) => value * factor);
      return measureInside(greyPatch(image, { x: x!, y: y!, width: width!, height: height! })).sharpness;
    };
    expect(Math.abs((await scaled(3)) - sharpness)).toBeLessThan(0.2);
    expect(await scaled(0.2)).toBeLessThan(sharpness - 0.2);
  });

  it('tells a well-lit face from a dark, a glaring and a burnt-out one', async () => {
    const exposureOf = async (gain: number, offset: number) =>
      measureInside(greyPatch(await rawOf(picture().linear(gain, offset)), face)).exposure;
    const good = await exposureOf(1, 0);
    expect(good).toBeGreaterThan(0.8);
    expect(await exposureOf(0.1, 0)).toBeLessThan(0.4);
    expect(await exposureOf(1, 110)).toBeLessThan(good / 2);
    expect(await exposureOf(4, 0)).toBeLessThan(good / 2);
  });

  it('is the same of a grey and of a YUV frame, limited or full', async () => {
    const luma = await picture().greyscale().toColourspace('b-w').raw().toBuffer();
    const chroma = new Uint8Array(2 * Math.ceil(photo.width / 2) * Math.ceil(photo.height / 2)).fill(128);
    const size = { width: photo.width, height: photo.height };
    const limited = luma.map((value) => Math.round(16 + (value * 219) / 255));
    const patches = [
      greyPatch({ format: 'grey', data: luma, ...size }, face),
      greyPatch({ format: 'yuv420p', range: 'full', data: Buffer.concat([luma, chroma]), ...size }, face),
      greyPatch({ format: 'yuv420p', data: Buffer.concat([limited, chroma]), ...size }, face),
    ];
    for (const patch of patches) {
      const off = Math.max(...patch.map((value, at) => Math.abs(value - patches[0]![at]!)));
      expect(off).toBeLessThan(1.5);
    }
  });
});

describe('a patch', () => {
  it('shows what is under the box, whatever its size and wherever it lies', () => {
    // Grey rises from left to right, so each value tells where it was read.
    const width = 400;
    const data = Uint8Array.from({ length: width * 100 }, (_, at) =>
      Math.round(((at % width) * 255) / width),
    );
    const image: RawImage = { format: 'grey', data, width, height: 100 };
    for (const box of [
      { x: 10, y: 5, width: 20, height: 20 },
      { x: 200, y: 0, width: 90, height: 90 },
      { x: 40, y: 0, width: 300, height: 100 },
    ]) {
      const patch = greyPatch(image, box);
      for (const [at, value] of patch.entries()) {
        const place = box.x + (((at % PATCH_SIDE) + 0.5) / PATCH_SIDE) * box.width - 0.5;
        expect(Math.abs(value - (place * 255) / width)).toBeLessThan(1.5);
      }
    }
    expect(greyPatch(image, { x: 380, y: -30, width: 80, height: 80 }).every(Number.isFinite)).toBe(true);
  });
});

describe('thumbnails', () => {
  it('differ between people, and hardly by light, noise and a box that trembles', async () => {
    const at = (image: RawImage, { x, y, width, height }: Box) =>
      thumbnailOf(greyPatch(image, { x, y, width, height }));
    const one = at(photo, face);
    expect(differenceOf(one, one)).toBeCloseTo(0);
    expect(differenceOf(one, at(photo, faces[1]!))).toBeGreaterThan(0.1);
    expect(differenceOf(one, at(await rawOf(picture().linear(0.5, 20)), face))).toBeLessThan(0.02);
    const { x, y, width, height } = face;
    expect(differenceOf(one, at(photo, { x: x + 2, y: y - 2, width, height }))).toBeLessThan(0.1);
    const flat = { ...photo, data: new Uint8Array(photo.data.length).fill(90) };
    expect(differenceOf(one, at(flat, face))).toBeCloseTo(1);
  });
});

describe('the scale of scores', () => {
  it('learns what is usual, on any scale', () => {
    for (const [low, high] of [
      [50, 57],
      [0.3, 0.9],
    ] as const) {
      const scale = new ScoreScale();
      expect(scale.place(low)).toBe(0.5);
      for (let index = 0; index < 100; index += 1) scale.place(index % 2 === 0 ? low : high);
      expect(scale.place((low + high) / 2)).toBeCloseTo(0.5, 1);
      expect(scale.place(high)).toBeGreaterThan(0.7);
      expect(scale.place(low)).toBeLessThan(0.3);
    }
  });
});

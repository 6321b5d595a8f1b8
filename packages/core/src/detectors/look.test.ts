import { expect, it } from 'vitest';
import { closeLook, withoutDoubles } from './look';

const picture = { data: new Uint8Array(640 * 480), width: 640, height: 480 };
const settings = { minFaceSize: 0, maxFaceSize: 0, window: { width: 20, height: 20 } };
const face = (width: number) => ({ x: 200, y: 150, width, height: width });

it('asks for more of a new face only where the look is fine enough to show more', () => {
  expect(closeLook(picture, face(32), settings, 'new').search.fine).toBe(false);
  expect(closeLook(picture, face(32), settings, 'young').search.fine).toBe(false);
  expect(closeLook(picture, face(45), settings, 'new').search.fine).toBe(true);
  expect(closeLook(picture, face(200), settings, 'young').search.fine).toBe(true);
  expect(closeLook(picture, face(200), settings, 'steady').search.fine).toBe(false);
  expect(closeLook(picture, face(200), settings, 'expected').search).toMatchObject({
    fine: false,
    expected: true,
  });
});

it('looks for no face that is smaller or larger than what is wanted, and not beyond the picture', () => {
  const sizes = { ...settings, minFaceSize: 95, maxFaceSize: 105 };
  const { search, part } = closeLook(picture, face(100), sizes, 'expected');
  // Two windows wide, a face of 100 pixels is looked at as one of 40.
  expect(search).toMatchObject({ smallest: 38, largest: 42 });
  expect(part).toEqual({ x: 150, y: 100, width: 200, height: 200 });
  const corner = closeLook(picture, { x: 600, y: 440, width: 60, height: 60 }, settings, 'new');
  expect(corner.part).toEqual({ x: 570, y: 410, width: 70, height: 70 });
});

it('keeps the surest of the boxes of one face', () => {
  const faces = [40, 90, 60].map((score, index) => ({ box: { ...face(50), x: 200 + index }, score }));
  expect(withoutDoubles(faces).map(({ score }) => score)).toEqual([90]);
});

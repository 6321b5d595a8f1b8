import { expect, it } from 'vitest';
import { closeLook } from './look';

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

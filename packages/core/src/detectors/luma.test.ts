import { createHash } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { greyOf } from './luma';

describe('greyOf()', () => {
  it("makes OpenCV's luma of RGB, to the bit", () => {
    const steps = Array.from({ length: 52 }, (_, index) => index * 5);
    const colours = steps.flatMap((red) => steps.flatMap((green) => steps.map((blue) => [red, green, blue])));
    const image = {
      format: 'rgb',
      data: Uint8Array.from(colours.flat()),
      width: 52,
      height: 52 * 52,
    } as const;
    const { data } = greyOf(image);
    // Of what cv2.cvtColor(colours, cv2.COLOR_RGB2GRAY) of OpenCV 4.6 gives.
    expect(createHash('sha256').update(data).digest('hex')).toBe(
      '71b3852e20c0decfe0932a2cc050f68ea51f4a6e27bf62bfcac651a468319b4f',
    );
  });

  it('takes the luma plane of YUV where it lies', () => {
    const data = Uint8Array.from([16, 235, 80, 81, 120, 130]);
    const grey = greyOf({ format: 'yuv420p', data, width: 2, height: 2 });
    expect(grey).toEqual({ data: Uint8Array.from([16, 235, 80, 81]), width: 2, height: 2 });
    expect(grey.data.buffer).toBe(data.buffer);
  });

  it('refuses an image that is shorter than it says', () => {
    expect(() => greyOf({ format: 'grey', data: new Uint8Array(3), width: 2, height: 2 })).toThrow(TypeError);
  });
});

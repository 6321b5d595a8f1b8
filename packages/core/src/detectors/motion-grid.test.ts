import { describe, expect, it } from 'vitest';
import type { Box } from '../face';
import { SeededRandom } from '../testing/seeded-random';
import type { GreyImage } from './model';
import { MotionGrid, movementOf } from './motion-grid';

const [width, height] = [1920, 1080];
const whole = { x: 0, y: 0, width, height };
const random = new SeededRandom(11);

/** A wall with stripes, the noise of a camera and, where it is said, a disc as large as a small face. */
function scene({
  noise = 0,
  light = 0,
  disc,
  grey: shade = 170,
}: {
  noise?: number;
  light?: number;
  disc?: [number, number];
  grey?: number;
}): GreyImage {
  const data = new Uint8Array(width * height);
  for (let y = 0; y < height; y += 1) {
    for (let x = 0; x < width; x += 1) {
      const isDisc = disc && (x - disc[0]) ** 2 + (y - disc[1]) ** 2 < 24 ** 2;
      const grey = (isDisc ? shade : 90 + 40 * ((x >> 6) % 2)) + light + noise * bell();
      data[y * width + x] = Math.max(0, Math.min(255, Math.round(grey)));
    }
  }
  return { data, width, height };
}

/** About a normal distribution of deviation 1. */
function bell(): number {
  return (random.next() + random.next() + random.next() + random.next() - 2) * Math.sqrt(3);
}

const cells = (picture: GreyImage) => new MotionGrid(picture).part(whole);
const before = scene({ noise: 6 });

const hasMoved = (before: Float32Array, now: Float32Array) => movementOf(before, now) !== 'none';

describe('movementOf()', () => {
  it('does not take the noise of a camera for movement', () => {
    for (const noise of [0, 2, 6, 12]) {
      expect(hasMoved(cells(scene({ noise })), cells(scene({ noise })))).toBe(false);
    }
  });

  it('does not take a change of the light for movement', () => {
    const quiet = cells(scene({ noise: 1 }));
    expect(hasMoved(quiet, cells(scene({ noise: 1, light: 5 })))).toBe(false);
    expect(hasMoved(quiet, cells(scene({ noise: 1, light: -5 })))).toBe(false);
  });

  it('sees a small face that came, in the noise', () => {
    expect(hasMoved(cells(before), cells(scene({ noise: 6, disc: [800, 500] })))).toBe(true);
    expect(hasMoved(cells(before), cells(scene({ noise: 6, light: 5, disc: [803, 517] })))).toBe(true);
  });

  it('sees a pale one also while the light changes', () => {
    const pale = scene({ noise: 1, light: 5, disc: [800, 500], grey: 98 });
    expect(hasMoved(cells(scene({ noise: 1 })), cells(pale))).toBe(true);
  });

  it('sees one that moved by half its size, and only where it was and is', () => {
    const [here, there] = [scene({ noise: 6, disc: [800, 500] }), scene({ noise: 6, disc: [824, 500] })];
    const moved = (part: typeof whole) =>
      hasMoved(new MotionGrid(here).part(part), new MotionGrid(there).part(part));
    expect(moved(whole)).toBe(true);
    expect(moved({ x: 700, y: 400, width: 200, height: 200 })).toBe(true);
    expect(moved({ x: 0, y: 0, width: 700, height: 1080 })).toBe(false);
  });

  it('sees a light that is switched on', () => {
    expect(hasMoved(cells(scene({ light: -80 })), cells(before))).toBe(true);
  });

  it('tells those who are known from somebody new', () => {
    const part = { x: 600, y: 300, width: 600, height: 500 };
    const grid = new MotionGrid(scene({ noise: 6, disc: [800, 500] }));
    const seen = new MotionGrid(before).part(part);
    const movement = (...known: Box[]) => movementOf(seen, grid.part(part), grid.outside(part, known));
    expect(movement({ x: 760, y: 460, width: 80, height: 80 })).toBe('known');
    expect(movement({ x: 0, y: 0, width: 5000, height: 5000 })).toBe('known');
    expect(movement({ x: -300, y: -300, width: 1101, height: 2000 })).toBe('new');
    expect(movement({ x: 760, y: 500, width: 80, height: 500 })).toBe('new');
    expect(movement({ x: 860, y: 460, width: 80, height: 80 })).toBe('new');
    expect(movement()).toBe('new');
    const quiet = new MotionGrid(scene({ noise: 6 })).part(part);
    expect(movementOf(seen, quiet, grid.outside(part, []))).toBe('none');
  });
});

describe('MotionGrid', () => {
  it.each([
    [1, 1],
    [20, 20],
    [159, 3],
    [640, 361],
    [4000, 3000],
  ])('can be made of a picture of %i x %i', (across, down) => {
    const picture = { data: new Uint8Array(across * down).fill(77), width: across, height: down };
    const grid = new MotionGrid(picture);
    const all = grid.part({ x: 0, y: 0, width: across, height: down });
    expect(all).toHaveLength(grid.columns * grid.rows);
    expect(all.every((value) => value === 77)).toBe(true);
  });
});

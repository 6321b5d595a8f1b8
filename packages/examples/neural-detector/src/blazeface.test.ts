import { execFileSync } from 'node:child_process';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { FaceDetector } from 'edge-relay';
import { modelSuite } from 'edge-relay/testing';
import sharp from 'sharp';
import { describe, expect, it } from 'vitest';
import { BlazeFace } from './blazeface';

const folder = dirname(createRequire(import.meta.url).resolve('tracking/package.json'));
const photo = join(folder, 'examples', 'assets', 'faces.jpg');
/** Where a Haar cascade sees the three faces of the photo. */
const boxes = [
  { x: 41, y: 79, width: 107, height: 107 },
  { x: 220, y: 127, width: 112, height: 112 },
  { x: 451, y: 55, width: 102, height: 102 },
];
const modules = new URL('../dist/blazeface.js', import.meta.url);

modelSuite({
  describe,
  it,
  name: 'BlazeFace',
  create: () => BlazeFace.load(),
  picture: async () => {
    const { data, info } = await sharp(photo).greyscale().raw().toBuffer({ resolveWithObject: true });
    return { image: { data, width: info.width, height: info.height }, boxes };
  },
});

describe('BlazeFace in FaceDetector', () => {
  it.each([
    ['in the thread of the program', async () => ({ model: await BlazeFace.load() })],
    ['in threads of its own, by the URL of its module', async () => ({ model: modules, workers: 1 })],
  ])('finds the faces of a photo, %s', async (_, options) => {
    const detector = new FaceDetector({ ...(await options()), name: 'blazeface' });
    try {
      const faces = await detector.detect(photo);
      expect(faces).toHaveLength(3);
      for (const { x, width } of boxes) {
        expect(faces.some(({ box }) => Math.abs(box.x + box.width / 2 - x - width / 2) < width / 3)).toBe(
          true,
        );
      }
      expect(detector.name).toBe('detector blazeface');
    } finally {
      await detector.close();
    }
  });

  it('is an app that says what it finds', () => {
    const main = new URL('../dist/main.js', import.meta.url).pathname;
    expect(execFileSync(process.execPath, [main, photo], { encoding: 'utf8' })).toMatch(
      /faces\.jpg: 3 faces\n/,
    );
  });
});

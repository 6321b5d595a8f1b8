import { createHash } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { photos } from '../../test/photos';
import { available, describeWith, opencvData } from '../../test/requirements';
import { cascadeWindow } from './cascade-window';
import { FaceDetector } from './face-detector';

const cascade = (name: string) => join(opencvData, name);

describeWith('opencv-data', 'The cascades that Debian ships', () => {
  const folders = available('opencv-data') ? ['haarcascades', 'lbpcascades'] : [];
  const files = folders.flatMap((folder) =>
    readdirSync(join(opencvData, folder)).map((name) => join(folder, name)),
  );

  it.each(files)('%s can be used', async (name) => {
    const { width, height } = cascadeWindow(readFileSync(cascade(name)));
    await using detector = new FaceDetector({ workers: 1, cascade: cascade(name), minFaceSize: 100 });
    for (const { box } of await detector.detect(photos.three)) {
      // Of the shape of the window, but for rounding.
      expect(Math.abs(box.height - (box.width * height) / width)).toBeLessThan(3);
      expect(box.width).toBeGreaterThanOrEqual(98);
    }
  });

  // How many boxes native OpenCV 4.6 gives for the same pixels, and the beginning of their hash.
  it.each([
    ['haarcascades/haarcascade_frontalcatface.xml', 2, '53809a7c19c7'],
    ['haarcascades/haarcascade_fullbody.xml', 9, '04bce391eade'],
    ['haarcascades/haarcascade_upperbody.xml', 10, 'e0998bce23e5'],
    ['haarcascades/haarcascade_russian_plate_number.xml', 25, '915d3b86d758'],
    ['haarcascades/haarcascade_licence_plate_rus_16stages.xml', 11, '82b7407b2d35'],
    ['lbpcascades/lbpcascade_frontalface.xml', 28, 'e1b2aa09c325'],
    ['lbpcascades/lbpcascade_profileface.xml', 1, '56240d567e86'],
    ['lbpcascades/lbpcascade_silverware.xml', 2, '37ca090c154c'],
  ])("%s finds native OpenCV's boxes", async (name, count, hash) => {
    await using detector = new FaceDetector({
      workers: 1,
      cascade: cascade(name),
      minNeighbors: 1,
      detectionWidth: 0,
    });
    const boxes = (await detector.detect(photos.album))
      .map(({ box: { x, y, width, height } }) => [x, y, width, height])
      .toSorted(
        (a, b) => a.map((value, index) => value - b[index]!).find((difference) => difference !== 0) ?? 0,
      );
    expect(boxes).toHaveLength(count);
    expect(createHash('sha1').update(JSON.stringify(boxes)).digest('hex').slice(0, 12)).toBe(hash);
  });

  it('of the older format has its window in another place', () => {
    const older = readFileSync(cascade('haarcascades/haarcascade_licence_plate_rus_16stages.xml'));
    expect(cascadeWindow(older)).toEqual({ width: 64, height: 16 });
    const newer = readFileSync(cascade('haarcascades/haarcascade_fullbody.xml'));
    expect(cascadeWindow(newer)).toEqual({ width: 14, height: 28 });
  });
});

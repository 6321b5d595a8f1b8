import { readFile } from 'node:fs/promises';
import { expect, it } from 'vitest';
import { photos } from '../../test/photos';
import { decode } from '../codec';
import { type CascadeName, cascadePath } from './assets';
import { greyOf } from './luma';
import type { ModelFinding } from './model';
import { OpencvCascade, type OpencvCascadeSettings } from './opencv-cascade';

const grey = greyOf(await decode(await readFile(photos.album), { stage: 'test', name: 'album' }));

async function load(name: CascadeName, settings: Partial<OpencvCascadeSettings> = {}) {
  const cascade = await readFile(cascadePath(name));
  const defaults = { scaleFactor: 1.1, minNeighbors: 4, minFaceSize: 0, maxFaceSize: 0, detectionWidth: 0 };
  return OpencvCascade.load({ cascade, ...defaults, ...settings });
}

function rows(findings: readonly ModelFinding[]) {
  return findings
    .map(({ box, score }) => [box.x, box.y, box.width, box.height, Math.round(score * 1e4) / 1e4])
    .toSorted(([a], [b]) => a! - b!);
}

// What native OpenCV 4.6 gives for the same pixels: the boxes of detectMultiScale(), and beside them the
// weights of detectMultiScale3().
it("finds native OpenCV's boxes and scores with frontalface_alt2", async () => {
  const model = await load('frontalface_alt2');
  expect(rows(model.detect(grey))).toEqual([
    [47, 529, 48, 48, 55.2027],
    [229, 494, 48, 48, 56.533],
    [288, 483, 55, 55, 55.8891],
    [431, 528, 53, 53, 55.3452],
    [434, 175, 45, 45, 55.7619],
    [495, 1627, 44, 44, 55.0138],
    [509, 499, 46, 46, 54.7503],
    [612, 493, 50, 50, 56.1233],
    [627, 744, 43, 43, 55.0728],
    [672, 483, 54, 54, 55.389],
    [678, 1622, 50, 50, 55.617],
  ]);
  model.close();
});

it("finds native OpenCV's boxes and scores with frontalface_default", async () => {
  const model = await load('frontalface_default', { scaleFactor: 1.3, minNeighbors: 5 });
  expect(rows(model.detect(grey))).toEqual([
    [47, 527, 54, 54, 4.3751],
    [228, 493, 51, 51, 6.7649],
    [289, 484, 54, 54, 4.553],
    [429, 527, 55, 55, 3.8242],
    [572, 171, 50, 50, 4.1856],
    [612, 494, 50, 50, 7.2637],
    [673, 482, 54, 54, 3.0313],
  ]);
  model.close();
});

it("searches the smaller picture that native OpenCV's INTER_AREA makes", async () => {
  const model = await load('frontalface_alt2', { detectionWidth: 700 });
  const native = [
    [35, 409, 42],
    [52, 683, 57],
    [60, 508, 44],
    [177, 382, 40],
    [222, 373, 45],
    [228, 1256, 41],
    [333, 409, 42],
    [345, 679, 71],
    [475, 383, 39],
    [520, 374, 44],
    [526, 1258, 40],
  ];
  const [across, down] = [902 / 700, 1830 / 1420];
  const expected = native.map(([x, y, size]) => [
    Math.round(x! * across),
    Math.round(y! * down),
    Math.round((x! + size!) * across) - Math.round(x! * across),
    Math.round((y! + size!) * down) - Math.round(y! * down),
  ]);
  expect(rows(model.detect(grey)).map((row) => row.slice(0, 4))).toEqual(expected);
  model.close();
});

it('asks for twice the neighbours in a fine look', async () => {
  const top = { data: grey.data.subarray(0, grey.width * 700), width: grey.width, height: 700 };
  const four = await load('frontalface_alt2', { detectionWidth: 600 });
  const eight = await load('frontalface_alt2', { detectionWidth: 600, minNeighbors: 8 });
  expect(rows(four.detect(top, { fine: true }))).toEqual(rows(eight.detect(top)));
  expect(rows(four.detect(top)).length).toBeGreaterThan(rows(eight.detect(top)).length);
  four.close();
  eight.close();
});

it('gives the same for pictures of changing sizes', async () => {
  const model = await load('frontalface_alt2', { detectionWidth: 600 });
  const top = { data: grey.data.subarray(0, grey.width * 700), width: grey.width, height: 700 };
  const [whole, part] = [model.detect(grey), model.detect(top)];
  expect(part.length).toBeGreaterThan(0);
  expect(model.detect(grey)).toEqual(whole);
  expect(model.detect(top)).toEqual(part);
  model.close();
  model.close();
});

it('leaves the process its own handling of uncaught failures', async () => {
  const counts = () =>
    ['uncaughtException', 'unhandledRejection'].map((event) => process.listenerCount(event));
  const before = counts();
  const model = await load('frontalface_alt2');
  expect(counts()).toEqual(before);
  model.close();
});

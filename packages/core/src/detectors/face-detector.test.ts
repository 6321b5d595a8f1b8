import { mkdtemp, readFile, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import sharp from 'sharp';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { photos } from '../../test/photos';
import { decode } from '../codec';
import type { Detection, Face } from '../face';
import type { Frame } from '../frame';
import type { Image } from '../image';
import { pipeline } from '../pipeline';
import { cascadePath } from './assets';
import { FaceDetector } from './face-detector';
import { overlap } from './look';

let folder: string;
const detector = new FaceDetector({ workers: 1 });

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'detector-'));
});
afterAll(() => detector.close());

function frameOf(image: Image, sequence = 0): Frame {
  return { camera: 'test', sequence, capturedAt: 0, clock: 'file', readAt: 0, image };
}

/** Whether some face lies around this point and is about as wide. */
function isAround(faces: readonly Face[], x: number, y: number, width: number): boolean {
  return faces.some(
    ({ box }) =>
      box.x < x &&
      x < box.x + box.width &&
      box.y < y &&
      y < box.y + box.height &&
      Math.abs(box.width - width) < width / 4,
  );
}

describe('FaceDetector', () => {
  it('finds the three people of a photo, with scores, in whole pixels', async () => {
    const faces = await detector.detect(photos.three);
    expect(faces).toHaveLength(3);
    for (const { box, score } of faces) {
      expect(Object.values(box).every(Number.isInteger)).toBe(true);
      expect(score).toBeGreaterThan(0);
    }
  });

  it('finds the same in a path, its bytes, and frames of RGB, grey and JPEG', async () => {
    const bytes = await readFile(photos.three);
    const rgb = await decode(bytes, { stage: 'test', name: 'three' });
    const fromPath = await detector.detect(photos.three);
    expect(await detector.detect(bytes)).toEqual(fromPath);
    expect(await detector.detect(frameOf(rgb))).toEqual(fromPath);
    const encoded: Image = { format: 'jpeg', data: bytes, width: rgb.width, height: rgb.height };
    expect(await detector.detect(frameOf(encoded))).toEqual(fromPath);
  });

  it('leaves the frame whole, for the stages behind it', async () => {
    const rgb = await decode(await readFile(photos.three), { stage: 'test', name: 'three' });
    const luma = await sharp(rgb.data, { raw: { width: rgb.width, height: rgb.height, channels: 3 } })
      .greyscale()
      .raw()
      .toBuffer();
    const chroma = new Uint8Array((rgb.width * rgb.height) / 2).fill(128);
    const yuv: Image = { ...rgb, format: 'yuv420p', data: Buffer.concat([luma, chroma]) };
    const grey: Image = { ...rgb, format: 'grey', data: luma };
    for (const image of [rgb, yuv, grey]) {
      const before = Buffer.from(image.data);
      const faces = await detector.detect(frameOf(image));
      expect(faces).toHaveLength(3);
      expect(before.equals(image.data)).toBe(true);
    }
  });

  it('finds nothing on a page without faces, and nothing in a single pixel', async () => {
    expect(await detector.detect(photos.page)).toEqual([]);
    expect(
      await detector.detect(frameOf({ format: 'grey', data: new Uint8Array(1), width: 1, height: 1 })),
    ).toEqual([]);
  });

  it('gives boxes in pixels of the full frame also when it searches a smaller picture', async () => {
    const [painted] = await detector.detect(photos.painting);
    const { width } = await sharp(photos.painting).metadata();
    await using narrow = new FaceDetector({ workers: 1, detectionWidth: Math.round(width / 3) });
    const faces = await narrow.detect(photos.painting);
    const { box } = painted!;
    expect(faces).toHaveLength(1);
    expect(isAround(faces, box.x + box.width / 2, box.y + box.height / 2, box.width)).toBe(true);
  });

  it('gives boxes in pixels of the full frame of a camera whose pictures are wide', async () => {
    await using wide = new FaceDetector({ workers: 1 });
    const data = await sharp(photos.three).resize(1800).jpeg().toBuffer();
    const { width = 0, height = 0 } = await sharp(data).metadata();
    const frame = (still: boolean) => ({ ...frameOf({ format: 'jpeg', data, width, height }), still });
    const whole = await wide.detect(data);
    expect(whole).toHaveLength(3);
    const [photo] = await wide.transform(frame(true));
    expect(photo!.faces).toEqual(whole);
    const [video] = await wide.transform(frame(false));
    expect(video!.faces).toHaveLength(3);
    for (const { box } of whole) {
      const same = video!.faces.filter((face) => overlap(face.box, box) > 0.7);
      expect(same).toHaveLength(1);
    }
  });

  it('keeps boxes at the edge inside the frame', async () => {
    const [{ box }] = (await detector.detect(photos.painting)) as [Face];
    const edge = await sharp(photos.painting)
      .extract({ left: box.x, top: box.y, width: box.width, height: box.height })
      .png()
      .toBuffer();
    await using narrow = new FaceDetector({ workers: 1, detectionWidth: 61, minNeighbors: 0 });
    const faces = await narrow.detect(edge);
    expect(faces.length).toBeGreaterThan(0);
    for (const { box: found } of faces) {
      expect(found.x >= 0 && found.y >= 0).toBe(true);
      expect(found.x + found.width).toBeLessThanOrEqual(box.width);
      expect(found.y + found.height).toBeLessThanOrEqual(box.height);
    }
  });

  it('looks only for faces between minFaceSize and maxFaceSize', async () => {
    const widths = (await detector.detect(photos.people)).map(({ box }) => box.width);
    const middle = Math.round((Math.min(...widths) + Math.max(...widths)) / 2);
    await using large = new FaceDetector({ workers: 1, minFaceSize: middle });
    await using small = new FaceDetector({ workers: 1, maxFaceSize: middle });
    const found = await large.detect(photos.people);
    expect(Math.min(...widths)).toBeLessThan(Math.max(...widths));
    expect(found.every(({ box }) => box.width >= middle * 0.95)).toBe(true);
    expect(found.length).toBeGreaterThan(0);
    expect((await small.detect(photos.people)).every(({ box }) => box.width <= middle * 1.05)).toBe(true);
  });

  it("takes the homework's parameters as a preset, over the full picture, and any single one on top", async () => {
    await using preset = new FaceDetector({ workers: 1, preset: 'homework' });
    await using spelled = new FaceDetector({
      workers: 1,
      cascade: cascadePath('frontalface_default'),
      scaleFactor: 1.3,
      minNeighbors: 5,
      detectionWidth: 0,
    });
    await using finer = new FaceDetector({ workers: 1, preset: 'homework', scaleFactor: 1.05 });
    const faces = await preset.detect(photos.people);
    expect(faces).toEqual(await spelled.detect(photos.people));
    expect(await finer.detect(photos.people)).not.toEqual(faces);
  });

  it('is a stage that keeps the order of the frames and names itself in each detection', async () => {
    await using pair = new FaceDetector({ workers: 2, name: 'front' });
    const { data, width, height } = await decode(await readFile(photos.three), {
      stage: 'test',
      name: 'three',
    });
    const three: Image = { format: 'rgb', data, width, height };
    const empty: Image = { format: 'grey', data: new Uint8Array(64 * 64), width: 64, height: 64 };
    const found: [number, number, string][] = [];
    await pipeline(
      (async function* () {
        for (let sequence = 0; sequence < 8; sequence += 1)
          yield frameOf(sequence % 2 ? empty : three, sequence);
      })(),
      pair,
      { write: ({ frame, faces, detector }) => found.push([frame.sequence, faces.length, detector]) },
    );
    expect(found).toEqual(
      [0, 1, 2, 3, 4, 5, 6, 7].map((sequence) => [sequence, sequence % 2 ? 0 : 3, 'front']),
    );
    expect(pair.stats).toMatchObject({ frames: 8, faces: 12, restarts: 0 });
    expect(pair.stats.milliseconds).toBeGreaterThan(0);
  });

  it('finishes what is in flight when it is closed, and takes nothing after', async () => {
    const closing = new FaceDetector({ workers: 1 });
    await closing.open();
    const frame = frameOf(await decode(await readFile(photos.three), { stage: 'test', name: 'three' }));
    const searches = [1, 2, 3].map(() => closing.detect(frame));
    await Promise.all([closing.close(), closing.close()]);
    expect((await Promise.all(searches)).map((faces) => faces.length)).toEqual([3, 3, 3]);
    await expect(closing.detect(photos.three)).rejects.toMatchObject({ code: 'CLOSED' });
    await expect(closing.open()).rejects.toMatchObject({ code: 'CLOSED' });
  });

  it('can be closed without ever having been opened', async () => {
    await new FaceDetector().close();
  });
});

describe('What FaceDetector cannot use', () => {
  it.each([
    ['a truncated JPEG', (bytes: Buffer) => bytes.subarray(0, 20_000), 'PICTURE_DAMAGED'],
    ['no bytes at all', () => Buffer.alloc(0), 'PICTURE_DAMAGED'],
    ['a text', () => Buffer.from('hello, face detector'), 'PICTURE_DAMAGED'],
  ])('rejects %s and goes on with the next picture', async (_, make, code) => {
    const bytes = make(await readFile(photos.three));
    await expect(detector.detect(bytes)).rejects.toMatchObject({
      name: 'RelayError',
      code,
      stage: 'detector frontalface_alt2',
    });
    expect(await detector.detect(photos.three)).toHaveLength(3);
  });

  it('passes over a camera picture that cannot be decoded, whole as it seems, and tells of it', async () => {
    await using passing = new FaceDetector({ workers: 1 });
    const whole = await sharp(photos.three).resize(320).jpeg().toBuffer();
    const damaged = Buffer.from(whole);
    // A Huffman table that cannot be: the markers are all in their places.
    damaged.fill(
      0xff,
      damaged.indexOf(Buffer.from([0xff, 0xc4])) + 5,
      damaged.indexOf(Buffer.from([0xff, 0xc4])) + 21,
    );
    const frames = [whole, damaged, whole].map((data, sequence) => ({
      ...({ camera: 'door', sequence, capturedAt: 0, clock: 'arrival', readAt: 0 } as const),
      image: { format: 'jpeg', data, width: 320, height: 240 } as const,
    }));
    const told: object[] = [];
    passing.on('damaged', (event) => told.push(event));
    const seen: number[] = [];
    await pipeline(
      (async function* () {
        yield* frames;
      })(),
      passing,
      { write: ({ frame }: Detection) => void seen.push(frame.sequence) },
    );
    expect(seen).toEqual([0, 2]);
    expect(told).toMatchObject([{ camera: 'door', sequence: 1, error: { code: 'PICTURE_DAMAGED' } }]);
    expect(passing.stats).toMatchObject({ frames: 2, damaged: 1, restarts: 0 });
  });

  it('names a picture file that is not there', async () => {
    const path = join(folder, 'nobody.jpg');
    await expect(detector.detect(path)).rejects.toMatchObject({
      code: 'SOURCE_NOT_FOUND',
      message: expect.stringContaining(path),
    });
  });

  it('refuses a picture of more pixels than maxPixels', async () => {
    await using modest = new FaceDetector({ workers: 1, maxPixels: 1000 });
    await expect(modest.detect(photos.three)).rejects.toMatchObject({ code: 'PICTURE_TOO_LARGE' });
  });

  it('refuses pixels that are fewer than the frame says', async () => {
    const short: Image = { format: 'rgb', data: new Uint8Array(100), width: 64, height: 64 };
    await expect(detector.detect(frameOf(short))).rejects.toThrow(TypeError);
  });

  it.each([
    ['a text', 'not a cascade'],
    ['an empty file', ''],
    ['another XML', '<?xml version="1.0"?><opencv_storage><a>1</a></opencv_storage>'],
  ])('says at open() that %s is no cascade, which file it was and what would be one', async (_, content) => {
    const path = join(folder, 'other.xml');
    await writeFile(path, content);
    await using broken = new FaceDetector({ cascade: path });
    const failure = await broken.open().catch((error) => error);
    expect(failure).toMatchObject({ name: 'RelayError', code: 'MODEL_INVALID', retryable: false });
    expect(failure.message).toMatch(/other\.xml is not a cascade.*Give the path of/s);
  });

  it('says that half a cascade is no cascade', async () => {
    const path = join(folder, 'half.xml');
    await writeFile(path, (await readFile(cascadePath('frontalface_alt2'))).subarray(0, 100_000));
    await using broken = new FaceDetector({ cascade: path });
    await expect(broken.detect(photos.three)).rejects.toMatchObject({ code: 'MODEL_INVALID' });
  });

  it('can open once the cascade is there', async () => {
    const path = join(folder, 'later.xml');
    await using patient = new FaceDetector({ workers: 1, cascade: path });
    await expect(patient.open()).rejects.toMatchObject({ code: 'MODEL_NOT_FOUND' });
    await writeFile(path, await readFile(cascadePath('frontalface_alt2')));
    expect(await patient.detect(photos.three)).toHaveLength(3);
  });

  it('says where it looked for a worker that is not there', async () => {
    await using lost = new FaceDetector({ workers: 1, workerUrl: new URL('file:///nowhere/worker.js') });
    await expect(lost.open()).rejects.toMatchObject({
      code: 'DETECTOR_FAILED',
      retryable: false,
      message: expect.stringMatching(/nowhere\/worker\.js.*workerUrl/s),
    });
  });
});

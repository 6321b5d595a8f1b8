import { readFile } from 'node:fs/promises';
import { describe, expect, it } from 'vitest';
import { photos } from '../../test/photos';
import { decode } from '../codec';
import type { Detection } from '../face';
import type { Frame } from '../frame';
import { pipeline } from '../pipeline';
import { branch, tee } from '../tee';
import { modelSuite } from '../testing/model-suite';
import { cascadePath } from './assets';
import { FaceDetector } from './face-detector';
import { greyOf } from './luma';
import type { GreyImage, Model, ModelFinding } from './model';
import { OpencvCascade } from './opencv-cascade';

const rgb = await decode(await readFile(photos.three), { stage: 'test', name: 'three' });
const three = { image: greyOf(rgb), boxes: await boxesOf() };

async function boxesOf() {
  await using detector = new FaceDetector({ workers: 1 });
  return (await detector.detect(photos.three)).map(({ box }) => box);
}

modelSuite({
  describe,
  it,
  name: 'OpencvCascade',
  create: async () => {
    const cascade = await readFile(cascadePath('frontalface_alt2'));
    return OpencvCascade.load({ cascade, scaleFactor: 1.1, minNeighbors: 4, detectionWidth: 0 });
  },
  picture: () => three,
});

/** A stand-in: the bright spot of a picture. */
class BrightSpot implements Model {
  readonly window = { width: 16, height: 16 };
  closed = 0;

  detect({ data, width, height }: GreyImage): ModelFinding[] {
    const at = data.findIndex((value) => value > 250);
    if (at < 0) return [];
    const [x, y] = [at % width, Math.floor(at / width)];
    return [{ box: { x, y, width: Math.min(16, width - x), height: Math.min(16, height - y) }, score: 1 }];
  }

  close(): void {
    this.closed += 1;
  }
}

function spotted(sequence: number, x: number): Frame {
  const data = new Uint8Array(320 * 240).fill(100);
  for (let row = 50; row < 66; row += 1) data.fill(255, row * 320 + x, row * 320 + x + 16);
  const image = { format: 'grey', data, width: 320, height: 240 } as const;
  return { camera: 'test', sequence, capturedAt: sequence * 40, clock: 'file', readAt: 0, image };
}

describe('A model of one’s own', () => {
  it('is followed through a video, and closed with the detector', async () => {
    const model = new BrightSpot();
    const detector = new FaceDetector({ model, name: 'spot', workers: 1 });
    const found: [string, number][] = [];
    async function* frames() {
      for (let sequence = 0; sequence < 10; sequence += 1) yield spotted(sequence, 40 + 4 * sequence);
    }
    await pipeline(frames(), detector, {
      write: ({ detector: name, faces }: Detection) => void found.push([name, faces[0]?.box.x ?? -1]),
    });
    expect(found).toEqual(Array.from({ length: 10 }, (_, index) => ['spot', 40 + 4 * index]));
    expect(detector.stats).toMatchObject({ frames: 10, wholeLooks: 1 });
    expect(detector.stats.closeLooks).toBeGreaterThan(5);
    await detector.close();
    await detector.close();
    expect(model.closed).toBe(1);
  });

  it('looks at no frame in which nothing moved, and at all of each picture that stands alone', async () => {
    await using detector = new FaceDetector({ model: new BrightSpot() });
    const [first] = await detector.transform(spotted(0, 40));
    const [second] = await detector.transform(spotted(1, 40));
    expect(first!.looked).toBeUndefined();
    expect(second).toMatchObject({ looked: false, faces: first!.faces });
    await detector.transform({ ...spotted(2, 40), still: true });
    expect(detector.stats).toMatchObject({ wholeLooks: 2, unchanged: 1 });
  });

  it('is told of by the detection where there was no time for it', async () => {
    const spots: Model = {
      window: { width: 16, height: 16 },
      detect: ({ data, width }) =>
        [...data.keys()]
          .filter((at) => data[at] === 255 && data[at - 1] !== 255 && data[at - width] !== 255)
          .map((at) => ({
            box: { x: at % width, y: Math.floor(at / width), width: 16, height: 16 },
            score: 1,
          })),
    };
    await using detector = new FaceDetector({ model: spots, detectionWidth: 0, budgetMs: 0.001 });
    const two = (sequence: number): Frame => {
      const data = new Uint8Array(320 * 240).fill(90);
      for (const left of [40 + sequence, 200 + sequence])
        for (let y = 100; y < 116; y += 1) data.fill(255, y * 320 + left, y * 320 + left + 16);
      return { ...spotted(sequence, 0), image: { format: 'grey', data, width: 320, height: 240 } };
    };
    expect((await detector.transform(two(0)))[0]!.faces).toHaveLength(2);
    const [{ faces, waiting = [] }] = (await detector.transform(two(6))) as [Detection];
    expect([faces.length, waiting.length]).toEqual([1, 1]);
    expect([...faces, ...waiting].map(({ box }) => Math.round(box.x / 100)).sort()).toEqual([0, 2]);
  });

  it('that fails fails its picture only', async () => {
    const model: Model = {
      window: { width: 16, height: 16 },
      detect: ({ width }) => {
        if (width === 1) throw new Error('too small for me');
        return [];
      },
    };
    await using detector = new FaceDetector({ model });
    const tiny = { format: 'grey', data: new Uint8Array(1), width: 1, height: 1 } as const;
    await expect(detector.detect({ ...spotted(0, 5), image: tiny })).rejects.toMatchObject({
      code: 'DETECTOR_FAILED',
      message: expect.stringContaining('too small for me'),
    });
    expect(await detector.detect(spotted(1, 5))).toEqual([]);
  });

  it.each([
    [
      'a function that makes one',
      'export default () => ({ window: { width: 9, height: 9 }, detect: () => [] });',
      undefined,
    ],
    ['nothing', 'export const model = 1;', 'MODEL_INVALID'],
  ])('can be a module that exports %s', async (_, text, code) => {
    const model = new URL(`data:text/javascript,${encodeURIComponent(text)}`);
    await using detector = new FaceDetector({ workers: 1, model, name: 'own' });
    const outcome = await detector.detect(spotted(0, 5)).catch((error) => error.code);
    expect(outcome).toEqual(code ?? []);
  });

  it('stands beside a cascade on one source, each with its name', async () => {
    await using faces = new FaceDetector({ workers: 1 });
    await using spots = new FaceDetector({ model: new BrightSpot(), name: 'spot' });
    const seen: string[] = [];
    const note = () => ({
      write: ({ detector, faces: found }: Detection) => void seen.push(`${detector}: ${found.length}`),
    });
    async function* frames() {
      yield { ...spotted(0, 0), image: rgb, still: true };
      yield { ...spotted(1, 60), still: true };
    }
    await pipeline(frames(), tee(branch(faces, note()), branch(spots, note())));
    expect(seen.toSorted()).toEqual(['frontalface_alt2: 0', 'frontalface_alt2: 3', 'spot: 1', 'spot: 1']);
  });
});

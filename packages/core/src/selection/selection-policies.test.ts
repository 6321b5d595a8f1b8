import { readFile } from 'node:fs/promises';
import sharp, { type Sharp } from 'sharp';
import { describe, expect, it, onTestFinished, vi } from 'vitest';
import { photos } from '../../test/photos';
import { decode } from '../codec';
import type { Box, Detection, Face } from '../face';
import type { RawImage } from '../image';
import type { Message } from '../message';
import { pipeline } from '../pipeline';
import { branch, tee } from '../tee';
import { FaceSelector, type FaceSelectorEvents } from './face-selector';
import type { FaceSelectorOptions } from './selector-options';

const photo = await decode(await readFile(photos.three), { stage: 'test', name: 'three' });
const blurred = await changed((picture) => picture.blur(6));
const dark = await changed((picture) => picture.linear(0.15, 0));
const person: Box = { x: 41, y: 79, width: 107, height: 107 };
const other: Box = { x: 451, y: 55, width: 102, height: 102 };
const third: Box = { x: 240, y: 60, width: 100, height: 100 };
const FRAME_MS = 40;

async function changed(change: (picture: Sharp) => Sharp): Promise<RawImage> {
  const { width, height } = photo;
  const data = await change(sharp(photo.data, { raw: { width, height, channels: 3 } }))
    .removeAlpha()
    .raw()
    .toBuffer();
  return { format: 'rgb', data, width, height };
}

/** One person who looks different every 12 frames: three faces of the photo at one place. */
const poses = await Promise.all(
  [person, other, third].map(async (box) => {
    const region = { left: box.x, top: box.y, width: box.width, height: box.height };
    const face = await sharp(photos.three).extract(region).resize(person.width, person.height).toBuffer();
    return changed((picture) => picture.composite([{ input: face, left: person.x, top: person.y }]));
  }),
);

interface Scene {
  readonly seconds: number;
  readonly score?: (frame: number) => number;
  readonly waiting?: (frame: number) => readonly Box[];
  readonly camera?: string;
  readonly detector?: string;
  readonly from?: number;
  image?(frame: number): RawImage;
  boxes?(frame: number): readonly Box[];
  looked?(frame: number): boolean;
}

let cameras = 0;

/** 25 frames a second of somebody who stands there, unless the scene tells otherwise. */
function film({
  seconds,
  camera,
  detector = 'alt2',
  from = 0,
  image,
  boxes,
  looked,
  ...scene
}: Scene): Detection[] {
  const facesAt = (places: readonly Box[], score = 50): Face[] => places.map((box) => ({ box, score }));
  cameras += 1;
  const name = camera ?? `camera-${cameras}`;
  return Array.from({ length: Math.round((seconds * 1000) / FRAME_MS) }, (_, index) => {
    const capturedAt = 1_700_000_000_000 + from * 1000 + index * FRAME_MS;
    const faces = facesAt(boxes?.(index) ?? [person], scene.score?.(index));
    const frame = { camera: name, sequence: index, capturedAt, clock: 'file' as const, readAt: capturedAt };
    return {
      frame: { ...frame, image: image?.(index) ?? photo },
      faces,
      detector,
      ...(looked && { looked: looked(index) }),
      ...(scene.waiting && { waiting: facesAt(scene.waiting(index)) }),
    };
  });
}

/** Runs a film through a selector, and gives what came out and what was told. */
async function select(options: FaceSelectorOptions, detections: readonly Detection[]) {
  const selector = new FaceSelector({ format: 'webp', ...options });
  const told: Partial<Record<keyof FaceSelectorEvents, unknown[]>> = {};
  for (const name of ['begin', 'end', 'select', 'refuse'] as const) {
    told[name] = [];
    selector.on(name, (event: unknown) => told[name]!.push(event));
  }
  const messages: Message[] = [];
  await pipeline(
    (async function* () {
      yield* detections;
    })(),
    selector,
    { write: (message) => void messages.push(message) },
  );
  const pictures = messages.map(({ properties }) => properties as Record<string, string>);
  expect(selector.stats).toMatchObject({ held: 0, heldBytes: 0, selected: messages.length });
  expect(told.select).toHaveLength(messages.length);
  return { selector, messages, pictures, told, sequences: pictures.map(({ sequence }) => Number(sequence)) };
}

describe('best', () => {
  it('is the default: one picture of a visit, the sharp one, when the person has left', async () => {
    const detections = film({
      seconds: 8,
      image: (frame) => (frame === 31 ? photo : blurred),
      boxes: (frame) => (frame < 60 ? [person] : []),
    });
    const { pictures, sequences, told, selector } = await select({}, detections);
    expect(sequences).toEqual([31]);
    expect(pictures[0]).toMatchObject({ policy: 'best', reason: 'left', subject: expect.any(String) });
    expect(pictures[0]!.id).toMatch(/-track\d+$/);
    expect(pictures[0]!.subject).toBe(told.select![0] && (told.select![0] as { track: string }).track);
    expect(selector.stats).toMatchObject({ people: 1, flickers: 0, frames: 200 });
    expect(told.begin).toEqual([expect.objectContaining({ track: pictures[0]!.subject, box: person })]);
    expect(told.end).toEqual([expect.objectContaining({ track: pictures[0]!.subject, looks: 60 })]);
  });

  it('gives one of each of several people', async () => {
    const { pictures } = await select({}, film({ seconds: 2, boxes: () => [person, other, third] }));
    expect(new Set(pictures.map(({ subject }) => subject)).size).toBe(3);
    expect(pictures).toHaveLength(3);
  });

  it('waits no longer than it may, and sends nothing more of that visit', async () => {
    const detections = film({ seconds: 8, image: (frame) => (frame < 60 ? blurred : photo) });
    const { pictures, sequences } = await select({ latestSeconds: 2 }, detections);
    expect(pictures.map(({ reason }) => reason)).toEqual(['latest']);
    expect(sequences[0]).toBeLessThanOrEqual(2000 / FRAME_MS);
  });

  it('prefers a larger, a well-lit and a whole face', async () => {
    const small: Box = { x: 58, y: 96, width: 73, height: 73 };
    const cutOff: Box = { x: 0, y: 79, width: 107, height: 107 };
    const one = (usual: Box, special: Box) => (frame: number) => [frame === 20 ? special : usual];
    expect((await select({}, film({ seconds: 1.2, boxes: one(small, person) }))).sequences).toEqual([20]);
    expect((await select({}, film({ seconds: 1.2, boxes: one(cutOff, person) }))).sequences).toEqual([20]);
    const lit = film({ seconds: 1.2, image: (frame) => (frame === 20 ? photo : dark) });
    expect((await select({}, lit)).sequences).toEqual([20]);
  });

  it('prefers a face of which the detector is surer, and one that does not move', async () => {
    const sure = film({ seconds: 1.2, score: (frame) => (frame === 20 ? 90 : 50) });
    expect((await select({}, sure)).sequences).toEqual([20]);
    const measuresOf = async (step: number) => {
      const boxes = (frame: number) => [{ ...person, x: 30 + step * frame }];
      const { pictures } = await select({ policy: 'all' }, film({ seconds: 1, boxes }));
      return Number(/steadiness=([\d.]+)/.exec(pictures.at(-1)!.measures!)![1]);
    };
    expect(await measuresOf(0)).toBe(1);
    expect(await measuresOf(12)).toBeLessThan(0.9);
  });

  it('takes the first of two boxes on one person, which is the surer one', async () => {
    const small: Box = { x: 58, y: 96, width: 73, height: 73 };
    const { pictures } = await select({}, film({ seconds: 1, boxes: () => [small, person] }));
    expect(pictures.map(({ box }) => box)).toEqual(['58,96,73,73']);
  });

  it('misses nobody whom the detector had no time for, and confirms nobody by frames without a look', async () => {
    const isSeen = (frame: number) => frame % 3 === 0;
    const busy = (waits: boolean) =>
      film({
        seconds: 2,
        boxes: (frame) => (isSeen(frame) ? [person] : []),
        waiting: (frame) => (waits && !isSeen(frame) ? [person] : []),
      });
    expect((await select({}, busy(true))).messages).toHaveLength(1);
    expect((await select({}, busy(false))).messages).toHaveLength(0);
    const unchanged = film({ seconds: 2, looked: (frame) => frame === 0 });
    expect((await select({}, unchanged)).told.begin).toEqual([]);
  });

  it('sends what is the best so far when the source ends', async () => {
    const { pictures } = await select({}, film({ seconds: 1 }));
    expect(pictures.map(({ reason }) => reason)).toEqual(['end']);
  });

  it('sends nothing of what flickers', async () => {
    const detections = film({ seconds: 4, boxes: (frame) => (frame % 20 < 2 ? [person] : []) });
    const { messages, selector, told } = await select({}, detections);
    expect(messages).toEqual([]);
    expect(told.begin).toEqual([]);
    expect(selector.stats.flickers).toBeGreaterThan(0);
  });

  it('counts somebody who was hidden for a second as one person, and as no flicker', async () => {
    const isHidden = (frame: number) => frame >= 30 && frame < 55;
    const detections = film({ seconds: 3, boxes: (frame) => (isHidden(frame) ? [] : [person]) });
    const { pictures, selector, told } = await select({}, detections);
    expect(pictures).toHaveLength(1);
    expect(selector.stats).toMatchObject({ people: 1, flickers: 0 });
    expect(told.end).toEqual([expect.objectContaining({ track: pictures[0]!.subject, looks: 50 })]);
  });

  it('takes every photo for a visit of its own', async () => {
    const stills = film({ seconds: 0.2, boxes: () => [person, other] }).map((detection) => ({
      ...detection,
      frame: { ...detection.frame, still: true },
    }));
    const { pictures } = await select({}, stills);
    expect(pictures).toHaveLength(10);
    expect(new Set(pictures.map(({ subject }) => subject)).size).toBe(10);
  });

  it('looks at no pixels of a frame that the detector took for unchanged', async () => {
    const detections = film({
      seconds: 2,
      looked: (frame) => frame < 20,
      image: (frame) => (frame < 20 ? blurred : photo),
    });
    expect((await select({}, detections)).sequences[0]).toBeLessThan(20);
  });

  it('keeps copies of faces, and no frames', async () => {
    const selector = new FaceSelector({ margin: 0 });
    const changing = { ...photo, data: new Uint8Array(photo.data) };
    for (const detection of film({ seconds: 1, image: () => changing })) await selector.transform(detection);
    expect(selector.stats).toMatchObject({ held: 1, heldBytes: person.width * person.height * 3 });
    changing.data.fill(0);
    const [message] = (await selector.end()) as Message[];
    expect((await sharp(message!.payload).stats()).channels[0]!.mean).toBeGreaterThan(50);
    await selector.close();
  });
});

describe('first', () => {
  it('sends the first face as soon as it is clear that somebody is there', async () => {
    const detections = film({
      seconds: 4,
      boxes: (frame) => (frame < 10 ? [] : [person]),
      image: (frame) => (frame === 10 ? blurred : photo),
    });
    const selector = new FaceSelector({ policy: 'first' });
    const sentAt: number[] = [];
    const messages: Message[] = [];
    for (const [index, detection] of detections.entries()) {
      const selected = await selector.transform(detection);
      messages.push(...selected);
      if (selected.length > 0) sentAt.push(index);
    }
    expect(messages.map(({ properties }) => properties.sequence)).toEqual(['10']);
    expect(messages[0]!.properties).toMatchObject({ policy: 'first', reason: 'begun' });
    // 0.3 seconds are 8 frames.
    expect(sentAt).toEqual([18]);
    expect(await selector.end()).toEqual([]);
  });
});

describe('best-every', () => {
  it('sends the best of each period, and of what is left at the end', async () => {
    const sharpAt = [10, 40, 70];
    const detections = film({ seconds: 4, image: (frame) => (sharpAt.includes(frame) ? photo : blurred) });
    const { sequences, pictures } = await select({ policy: 'best-every', everySeconds: 1.2 }, detections);
    expect(sequences.slice(0, 3)).toEqual(sharpAt);
    expect(pictures.map(({ reason }) => reason)).toEqual(['period', 'period', 'period', 'end']);
    expect(new Set(pictures.map(({ subject }) => subject)).size).toBe(1);
    expect(new Set(pictures.map(({ id }) => id)).size).toBe(4);
  });
});

describe('top-k', () => {
  it('sends so many that differ, in the order of time', async () => {
    const detections = film({ seconds: 2, image: (frame) => poses[Math.floor(frame / 12) % 3]! });
    const { sequences, pictures } = await select({ policy: 'top-k', count: 3 }, detections);
    expect(sequences.map((frame) => Math.floor(frame / 12) % 3)).toHaveLength(3);
    expect(new Set(sequences.map((frame) => Math.floor(frame / 12) % 3)).size).toBe(3);
    expect(sequences).toEqual([...sequences].sort((a, b) => a - b));
    expect(pictures.map(({ reason }) => reason)).toEqual(['end', 'end', 'end']);
    const two = await select(
      { policy: 'top-k', count: 2 },
      film({ seconds: 2, image: (frame) => poses[Math.floor(frame / 12) % 3]! }),
    );
    expect(two.sequences).toHaveLength(2);
  });

  it('leaves the worst one out', async () => {
    const poor = await sharp(poses[1]!.data, {
      raw: { width: photo.width, height: photo.height, channels: 3 },
    })
      .blur(3)
      .raw()
      .toBuffer();
    const looks: RawImage[] = [poses[0]!, { ...photo, data: poor }, poses[2]!];
    const detections = film({ seconds: 1.44, image: (frame) => looks[Math.floor(frame / 12)]! });
    const { sequences } = await select({ policy: 'top-k', count: 2 }, detections);
    expect(sequences.map((frame) => Math.floor(frame / 12))).toEqual([0, 2]);
  });

  it('sends one of somebody who does not move, however many there may be', async () => {
    const boxes = (frame: number) => [{ ...person, x: person.x + (frame % 3) }];
    const { messages } = await select({ policy: 'top-k', count: 5 }, film({ seconds: 2, boxes }));
    expect(messages).toHaveLength(1);
  });
});

describe('all', () => {
  it('sends every face of every frame, with its track', async () => {
    const { pictures } = await select({ policy: 'all' }, film({ seconds: 1, boxes: () => [person, other] }));
    expect(pictures).toHaveLength(50);
    expect(new Set(pictures.map(({ subject }) => subject)).size).toBe(2);
  });
});

describe('the budget', () => {
  it('refuses pictures beyond it, and tells of each', async () => {
    const detections = film({ seconds: 20 });
    const { messages, told, selector, pictures } = await select(
      { policy: 'all', budget: { picturesPerMinute: 30 } },
      detections,
    );
    // A minute's at once, and half a picture a second in the 20 seconds.
    expect(messages).toHaveLength(39);
    expect(selector.stats).toMatchObject({ selected: 39, refused: detections.length - 39 });
    expect(told.refuse).toHaveLength(detections.length - 39);
    expect(told.refuse![0]).toMatchObject({ reason: 'pictures', track: pictures[0]!.subject });
    // What was refused has no number: there are no gaps.
    expect(pictures.map(({ number }) => Number(number))).toEqual(pictures.map((_, index) => index));
  });

  it('refuses bytes beyond it, as soon as it is used up', async () => {
    const { messages } = await select({ policy: 'all' }, film({ seconds: 0.1 }));
    const size = messages[0]!.payload.length;
    const { messages: some, told } = await select(
      { policy: 'all', budget: { bytesPerMinute: size * 4 } },
      film({ seconds: 1 }),
    );
    expect(some.length).toBeGreaterThanOrEqual(4);
    expect(some.length).toBeLessThanOrEqual(5);
    expect(told.refuse![0]).toMatchObject({ reason: 'bytes' });
  });

  it('is each camera’s own', async () => {
    const budget = { picturesPerMinute: 1 };
    const both = [film({ seconds: 1 }), film({ seconds: 1 })].flat();
    const { pictures } = await select({ policy: 'all', budget }, both);
    expect(pictures).toHaveLength(2);
  });

  it('keeps poor pictures back where that is wanted', async () => {
    const poor = film({ seconds: 1, image: () => blurred });
    const { messages, told } = await select({ minimumQuality: 0.6 }, poor);
    expect(messages).toEqual([]);
    expect(told.refuse).toEqual([expect.objectContaining({ reason: 'quality' })]);
    expect((await select({ minimumQuality: 0.6 }, film({ seconds: 1 }))).messages).toHaveLength(1);
  });
});

describe('acknowledgement', () => {
  it('waits for the picture that was made of a frame, and for no other frame', async () => {
    const acknowledged: number[] = [];
    const written: string[] = [];
    const detections = film({
      seconds: 3.2,
      boxes: (frame) => (frame < 20 ? [person] : []),
      image: (frame) => (frame === 12 ? photo : blurred),
    }).map((detection) => ({ ...detection, ack: () => acknowledged.push(detection.frame.sequence) }));
    await pipeline(
      (async function* () {
        yield* detections;
      })(),
      new FaceSelector(),
      {
        write: ({ properties }) => {
          written.push(String(properties.sequence));
          expect(acknowledged).not.toContain(12);
          // Those that it bettered are through already.
          expect(acknowledged).toContain(11);
        },
      },
    );
    expect(written).toEqual(['12']);
    expect(acknowledged.toSorted((a, b) => a - b)).toEqual(detections.map((_, index) => index));
  });

  it('comes for every frame in the end, with top-k as well', async () => {
    const acknowledged: number[] = [];
    const detections = film({
      seconds: 2,
      image: (frame) => (frame % 5 === 0 ? blurred : poses[Math.floor(frame / 12) % 3]!),
    }).map((detection) => ({ ...detection, ack: () => acknowledged.push(detection.frame.sequence) }));
    const source = async function* () {
      yield* detections;
    };
    await pipeline(source(), new FaceSelector({ policy: 'top-k', count: 3 }), { write: () => {} });
    expect(acknowledged.toSorted((a, b) => a - b)).toEqual(detections.map((_, index) => index));
  });

  it.each([
    ['is no person', {}, { boxes: (frame: number) => (frame === 5 ? [person] : []) }],
    ['is too poor to be sent', { minimumQuality: 0.9 }, { image: () => blurred }],
    ['is beyond the budget', { budget: { picturesPerMinute: 1 } }, { boxes: () => [person, other] }],
  ])('comes for what %s', async (_, options, scene) => {
    const acknowledged: number[] = [];
    const detections = film({ seconds: 1, ...scene }).map((detection) => ({
      ...detection,
      ack: () => acknowledged.push(detection.frame.sequence),
    }));
    const source = async function* () {
      yield* detections;
    };
    await pipeline(source(), new FaceSelector(options), { write: () => {} });
    expect(acknowledged.toSorted((a, b) => a - b)).toEqual(detections.map((_, index) => index));
  });

  it('does not come for what is held when the pipeline is stopped at once', async () => {
    const acknowledged: number[] = [];
    const controller = new AbortController();
    const detections = film({ seconds: 1, image: (frame) => (frame === 3 ? photo : blurred) });
    const source = async function* () {
      for (const detection of detections) {
        yield { ...detection, ack: () => acknowledged.push(detection.frame.sequence) };
      }
      await vi.waitFor(() => expect(acknowledged.length).toBe(detections.length - 1));
      controller.abort(new Error('stopped'));
    };
    const run = pipeline(source(), new FaceSelector(), { write: () => {} }, { signal: controller.signal });
    await expect(run).rejects.toThrow('stopped');
    expect(acknowledged).not.toContain(3);
  });
});

describe('a camera that stops', () => {
  it('does not keep a picture back: the wall clock goes on', async () => {
    const selector = new FaceSelector({ latestSeconds: 1 });
    onTestFinished(() => selector.close());
    const messages: Message[] = [];
    const source = async function* () {
      yield* film({ seconds: 0.6 });
      await vi.waitFor(() => expect(messages).toHaveLength(1), { timeout: 20_000 });
    };
    await pipeline(source(), selector, { write: (message) => void messages.push(message) });
    expect(messages.map(({ properties }) => properties.reason)).toEqual(['latest']);
  });
});

describe('several detectors', () => {
  it('are followed apart by one selector', async () => {
    const [faces, cats] = ['faces', 'cats'].map((detector) => film({ seconds: 1, camera: 'one', detector }));
    const both = faces!.flatMap((detection, index) => [detection, cats![index]!]);
    const { pictures } = await select({}, both);
    expect(pictures.map(({ detector }) => detector)).toEqual(['faces', 'cats']);
    expect(new Set(pictures.map(({ subject }) => subject)).size).toBe(2);
  });
});

describe('several selectors', () => {
  it('give different ids: two detectors on one camera, two policies on one detector', async () => {
    const frames = film({ seconds: 1, camera: 'shared' });
    const messages: Message[] = [];
    const write = (message: Message) => void messages.push(message);
    const named = (detector: string) => ({
      transform: (detection: Detection) => [{ ...detection, detector }],
    });
    await pipeline(
      (async function* () {
        yield* frames;
      })(),
      tee<Detection>(
        branch(named('faces'), new FaceSelector(), { write }),
        branch(named('cats'), new FaceSelector(), { write }),
        branch(named('cats'), new FaceSelector({ policy: 'all' }), { write }),
      ),
    );
    expect(messages).toHaveLength(2 + frames.length);
    expect(new Set(messages.map(({ id }) => id)).size).toBe(messages.length);
    expect(new Set(messages.map(({ properties }) => properties.subject)).size).toBe(3);
    const numbers = messages.map(({ properties }) => Number(properties.number)).sort((a, b) => a - b);
    expect(numbers).toEqual(numbers.map((_, index) => index));
  });
});

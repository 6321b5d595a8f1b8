import { readFile } from 'node:fs/promises';
import exifReader from 'exif-reader';
import sharp from 'sharp';
import { describe, expect, it } from 'vitest';
import { photos } from '../../test/photos';
import { decode, sniff } from '../codec';
import type { Detection, Face } from '../face';
import { bootId } from '../identity';
import type { Image } from '../image';
import type { Message } from '../message';
import { pipeline } from '../pipeline';
import { FaceSelector } from './face-selector';
import type { FaceSelectorOptions } from './selector-options';

const capturedAt = Date.UTC(2024, 1, 29, 23, 59, 58, 7);
const rgb = await decode(await readFile(photos.three), { stage: 'test', name: 'three' });
const left: Face = { box: { x: 41, y: 79, width: 107, height: 107 }, score: 56.64070045 };
const right: Face = { box: { x: 451, y: 55, width: 102, height: 102 }, score: 57.2 };

function detectionOf(faces: readonly Face[], camera = 'test', sequence = 7, image: Image = rgb): Detection {
  const frame = { camera, sequence, capturedAt, clock: 'file' as const, readAt: capturedAt + 1500, image };
  return { frame, faces, detector: 'alt2' };
}

async function messageOf(options: FaceSelectorOptions, detection: Detection): Promise<Message> {
  const [message] = await new FaceSelector({ policy: 'all', ...options }).transform(detection);
  return message!;
}

describe('FaceSelector', () => {
  it('makes a message of each face, which says all that is known of it and names no topic', async () => {
    const messages = await new FaceSelector({ policy: 'all' }).transform(
      detectionOf([left, { ...right, track: 'visit-3' }], 'door'),
    );
    expect(messages).toHaveLength(2);
    const id = `door-20240229T235958.007Z-${bootId()}-7-alt2-0-track0`;
    const { payload, ...rest } = messages[0]!;
    expect(sniff(payload)).toBe('jpeg');
    expect(rest).toEqual({
      id,
      contentType: 'image/jpeg',
      properties: {
        specversion: '1.0',
        id,
        source: '/door',
        type: 'dev.edge-relay.face.v1',
        time: '2024-02-29T23:59:58.007Z',
        subject: `door-${bootId()}-alt2-track0`,
        camera: 'door',
        boot: bootId(),
        sequence: '7',
        number: '0',
        detector: 'alt2',
        box: '41,79,107,107',
        framesize: '600x346',
        score: '56.641',
        quality: expect.stringMatching(/^0\.\d{1,3}$/),
        measures: expect.stringMatching(
          /^size=0\.69,edge=1,score=0\.5,steadiness=1,sharpness=0\.\d+,exposure=0\.\d+$/,
        ),
        policy: 'all',
        reason: 'seen',
        clock: 'file',
        readat: '2024-02-29T23:59:59.507Z',
      },
    });
    expect(messages[1]).toMatchObject({
      id: id.replace('0-track0', '1-track1'),
      properties: { subject: 'visit-3', number: '1', score: '57.2' },
    });
  });

  it.each(['png', 'jpeg', 'webp'] as const)('puts the same into the EXIF of a %s picture', async (format) => {
    const { payload, properties, contentType } = await messageOf(
      { format },
      detectionOf([{ ...left, track: 'Zoë € 😀' }]),
    );
    const { exif, format: written } = await sharp(payload).metadata();
    const { Photo } = exifReader(exif!);
    expect(written).toBe(format);
    expect(contentType).toBe(`image/${format}`);
    expect(Photo?.DateTimeOriginal?.toISOString()).toBe('2024-02-29T23:59:58.000Z');
    expect(Photo?.SubSecTimeOriginal).toBe('007');
    expect(Photo?.OffsetTimeOriginal).toBe('+00:00');
    const comment = Buffer.from(Photo?.UserComment as Uint8Array);
    expect(comment.toString('latin1', 0, 8)).toBe('ASCII\0\0\0');
    expect(JSON.parse(comment.toString('latin1', 8))).toEqual(properties);
  });

  it('cuts exactly the pixels of the face, with the margin that was asked for', async () => {
    const exact = await messageOf({ margin: 0, format: 'png' }, detectionOf([left]));
    const pixels = await sharp(exact.payload).raw().toBuffer();
    const expected = await sharp(photos.three)
      .extract({ left: 41, top: 79, width: 107, height: 107 })
      .raw()
      .toBuffer();
    expect(pixels.equals(expected)).toBe(true);
    const wide = await sharp((await messageOf({ margin: 0.5 }, detectionOf([left]))).payload).metadata();
    // 41 - 53.5 is outside: the left edge of the frame cuts it off.
    expect([wide.width, wide.height]).toEqual([202, 215]);
  });

  it('cuts the same from a frame that comes encoded, turned as its EXIF says', async () => {
    const data = await sharp(photos.three).rotate(90).withMetadata({ orientation: 8 }).png().toBuffer();
    const image: Image = { format: 'png', data, width: rgb.width, height: rgb.height };
    const turned = await messageOf({ margin: 0 }, detectionOf([left], 'test', 7, image));
    const straight = await messageOf({ margin: 0 }, detectionOf([left]));
    const [a, b] = await Promise.all(
      [turned, straight].map(({ payload }) => sharp(payload).raw().toBuffer()),
    );
    expect(a!.equals(b!)).toBe(true);
  });

  it('takes grey and YUV frames, and leaves every frame as it was', async () => {
    const { width, height } = rgb;
    const luma = new Uint8Array(width * height).fill(120);
    const chroma = new Uint8Array((width * height) / 2).fill(128);
    const grey: Image = { format: 'grey', data: luma, width, height };
    const yuv: Image = { ...grey, format: 'yuv420p', data: Buffer.concat([luma, chroma]) };
    for (const [image, value] of [
      [grey, 120],
      [yuv, 121],
    ] as const) {
      const before = Buffer.from(image.data);
      const { payload } = await messageOf({}, detectionOf([left], 'test', 7, image));
      expect((await sharp(payload).stats()).channels[0]!.mean).toBeCloseTo(value, 0);
      expect(before.equals(image.data)).toBe(true);
    }
  });

  it('makes smaller pictures of lower quality', async () => {
    const good = await messageOf({ format: 'jpeg', quality: 95 }, detectionOf([left]));
    const poor = await messageOf({ format: 'jpeg', quality: 20 }, detectionOf([left]));
    expect(poor.payload.length).toBeLessThan(good.payload.length / 2);
  });

  it('numbers the pictures of a camera without gaps and in order, whichever selector makes them', async () => {
    const detections = Array.from({ length: 12 }, (_, index) =>
      detectionOf(index % 3 === 0 ? [] : [left, right].slice(index % 2), index % 4 === 1 ? 'b' : 'a', index),
    );
    const numbers: Record<string, number[]> = { a: [], b: [] };
    const events: string[] = [];
    for (const half of [detections.slice(0, 6), detections.slice(6)]) {
      const selector = new FaceSelector({ policy: 'all', format: 'webp' });
      selector.on('select', ({ id }) => events.push(id));
      await pipeline(
        (async function* () {
          yield* half;
        })(),
        selector,
        { write: ({ properties }) => numbers[properties.camera as string]!.push(Number(properties.number)) },
      );
    }
    expect(numbers.a!.length).toBeGreaterThan(5);
    expect(numbers.a).toEqual(numbers.a!.map((_, index) => index));
    expect(numbers.b).toEqual(numbers.b!.map((_, index) => index));
    expect(new Set(events).size).toBe(numbers.a!.length + numbers.b!.length);
  });

  it('counts frames, faces and bytes', async () => {
    const selector = new FaceSelector({ policy: 'all' });
    const messages = await selector.transform(detectionOf([left, right]));
    expect(await selector.transform(detectionOf([]))).toEqual([]);
    const bytes = messages[0]!.payload.length + messages[1]!.payload.length;
    expect(selector.stats).toMatchObject({ frames: 2, faces: 2, selected: 2, bytes });
    await selector.close();
    await selector.close();
  });

  it('passes over a frame that is damaged, and names it', async () => {
    const image: Image = {
      format: 'jpeg',
      data: (await readFile(photos.three)).subarray(0, 9000),
      width: 600,
      height: 346,
    };
    const selector = new FaceSelector({ policy: 'all' });
    const told: unknown[] = [];
    selector.on('damaged', (event) => told.push(event));
    expect(await selector.transform(detectionOf([left, right], 'gate', 9, image))).toEqual([]);
    expect(await selector.transform(detectionOf([left, right], 'gate', 10))).toHaveLength(2);
    const error = expect.objectContaining({
      code: 'PICTURE_DAMAGED',
      stage: 'selector',
      message: expect.stringContaining('Frame 9 of camera gate'),
    });
    expect(told).toEqual([{ camera: 'gate', sequence: 9, error }]);
    expect(selector.stats).toMatchObject({ damaged: 1, selected: 2 });
  });

  it.each([
    ['policy', { policy: 'some' as 'all' }, 'all, first, best'],
    ['latestSeconds', { policy: 'first', latestSeconds: 3 }, 'is for policy best and top-k'],
    ['latestSeconds', { latestSeconds: 0 }, 'above 0'],
    ['everySeconds', { everySeconds: 3 }, 'is for policy best-every'],
    ['count', { policy: 'top-k', count: 0 }, '1 to 20'],
    ['minimumQuality', { minimumQuality: 2 }, '0 to 1'],
    ['gapSeconds', { gapSeconds: -1 }, 'above 0'],
    ['budget.picturesPerMinute', { budget: { picturesPerMinute: 0 } }, 'above 0'],
    ['budget.bytesPerMinute', { budget: { bytesPerMinute: Number.NaN } }, 'above 0'],
    ['margin', { margin: -0.1 }, 'fraction'],
    ['format', { format: 'gif' as 'png' }, 'png, jpeg, webp'],
    ['quality', { format: 'jpeg', quality: 101 }, '1 to 100'],
    ['quality', { format: 'png', quality: 80 }, 'png loses nothing'],
    ['type', { type: 'a face' }, 'ASCII'],
    ['name', { name: 'my selector' }, 'letters'],
    ['maxPixels', { maxPixels: 0.5 }, 'above 0'],
  ] as const)('throws a TypeError for a wrong %s', (option, options, allowed) => {
    expect(() => new FaceSelector(options)).toThrow(TypeError);
    expect(() => new FaceSelector(options)).toThrow(option);
    expect(() => new FaceSelector(options)).toThrow(allowed);
  });
});

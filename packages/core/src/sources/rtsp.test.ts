import { spawnSync } from 'node:child_process';
import { type AddressInfo, connect } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { createServer } from 'node:tls';
import { describe, expect, it, onTestFinished, vi } from 'vitest';
import { numberOf } from '../../test/coded-picture';
import { packagedFfmpeg } from '../../test/media';
import { commandsWith } from '../../test/processes';
import { describeWith } from '../../test/requirements';
import { RtspServer, type RtspServerOptions } from '../../test/rtsp-server';
import type { Frame } from '../frame';
import { captureSuite } from '../testing/capture-suite';
import { makeSelfSignedCertificate } from '../testing/certificates';
import { FrameSource } from './frame-source';
import type { FrameSourceOptions } from './frame-source-events';
import { VideoCapture } from './video-capture';

const LOGIN = { user: 'anna', password: 'se@cret' };
const IN_URL = 'anna:se%40cret@';
const FRAME_MS = 40;
const quick = { retry: { firstDelayMs: 10, longestDelayMs: 50 } };

async function serve(options: RtspServerOptions = {}): Promise<RtspServer> {
  const server = await RtspServer.start(options);
  onTestFinished(() => server.close());
  return server;
}

async function take(source: FrameSource, count: number, delayMs = 0): Promise<Frame[]> {
  const frames: Frame[] = [];
  for await (const frame of source) {
    frames.push(frame);
    if (frames.length === count) break;
    if (delayMs > 0) await sleep(delayMs);
  }
  return frames;
}

function suite(ffmpegPath: string, hidesPasswords: boolean) {
  const open = (url: string, options: FrameSourceOptions = {}) =>
    new FrameSource(url, { ffmpegPath, highWaterMark: 200, ...quick, ...options });

  it.each([
    ['H.264', { codec: 'h264' }, {}, 0],
    ['H.264 with B-frames', { codec: 'h264-b' }, {}, 0],
    ['JPEGs', { codec: 'mjpeg' }, {}, 0],
    ['H.264 over UDP', { codec: 'h264' }, { transport: 'udp' }, 0],
    ['H.264 with a slow consumer', { codec: 'h264' }, { highWaterMark: 2 }, 130],
  ] as const)(
    'gives each frame of %s its own time, not that of its neighbour',
    async (_, stream, options, delayMs) => {
      const server = await serve(stream);
      const source = open(server.url(), options);
      const dropped: number[] = [];
      source.on('drop', ({ sequence }) => dropped.push(sequence));
      const frames = await take(source, 25, delayMs);
      const numbers = await Promise.all(frames.map(({ image }) => numberOf(image)));
      expect(frames[0]).toMatchObject({
        clock: 'stream',
        image: { format: 'yuv420p', width: 320, height: 240 },
      });
      // The camera's numbers are ours, from its first frame on, and behind what was dropped.
      expect(numbers).toEqual(frames.map(({ sequence }) => sequence));
      if (delayMs > 0) expect(dropped.at(-1)).toBeGreaterThan(frames[0]!.sequence);
      // Each was given, or told as dropped.
      const last = frames.at(-1)!.sequence;
      const told = [...dropped, ...numbers].filter((one) => one <= last);
      expect(told.sort((left, right) => left - right)).toEqual(
        Array.from({ length: last + 1 }, (__, n) => n),
      );
      expect(source.stats).toMatchObject({ dropped: dropped.length });
      // Once the clock has settled, the distances are the camera's.
      const late = frames.map(({ capturedAt }, index) => capturedAt - numbers[index]! * FRAME_MS);
      for (const one of late.slice(-10)) expect(Math.abs(one - late.at(-1)!)).toBeLessThan(FRAME_MS / 2);
      // And none was taken before its time in the camera's beat (a busy machine hands it over later), or after it came.
      const begin = Math.min(...[...server.times].map(([number, at]) => at - number * FRAME_MS));
      for (const [index, { capturedAt, readAt }] of frames.entries()) {
        expect(capturedAt).toBeGreaterThan(begin + numbers[index]! * FRAME_MS - 1);
        expect(capturedAt).toBeLessThanOrEqual(readAt);
      }
    },
  );

  it.each([false, true])('has no password in processes, events and errors (digest: %o)', async (digest) => {
    const server = await serve({ ...LOGIN, digest });
    const source = open(server.url(IN_URL));
    const told: string[] = [];
    for (const name of ['offline', 'restart', 'damaged'] as const) {
      source.on(name, (event) => told.push(JSON.stringify([event, event.error.message, event.error.cause])));
    }
    const iterator = source[Symbol.asyncIterator]();
    await iterator.next();
    if (hidesPasswords) expect(commandsWith(`@127.0.0.1:${server.port}`)).toEqual([]);
    await server.close();
    // That it is away, and that it is tried again.
    await vi.waitFor(() => expect(told.length).toBeGreaterThan(1), 45_000);
    await iterator.return?.();
    expect(told.join()).toContain('SOURCE_');
    expect(told.join()).not.toMatch(/se%40cret|se@cret/);
    expect(source.camera).toBe('127.0.0.1-live');
  });

  it('reads a stream over TLS', async () => {
    const server = await serve(LOGIN);
    const { cert, key } = makeSelfSignedCertificate({ name: 'camera', hosts: ['127.0.0.1'] });
    const front = createServer({ cert, key }, (client) => {
      const camera = connect(server.port, '127.0.0.1');
      client.pipe(camera).pipe(client);
      client.on('error', () => camera.destroy());
      camera.on('error', () => client.destroy());
    });
    onTestFinished(() => void front.close());
    await new Promise<void>((resolve) => front.listen(0, '127.0.0.1', resolve));
    const { port } = front.address() as AddressInfo;
    const frames = await take(open(`rtsps://${IN_URL}127.0.0.1:${port}/live`), 5);
    const numbers = await Promise.all(frames.map(({ image }) => numberOf(image)));
    expect(numbers).toEqual(frames.map(({ sequence }) => sequence));
  });

  it('says that a password is wrong or missing, and does not try again', async () => {
    const server = await serve(LOGIN);
    for (const login of ['', 'anna:wr0ng@']) {
      const error = await take(open(server.url(login)), 1).catch((caught) => caught);
      expect(error).toMatchObject({
        code: 'SOURCE_DENIED',
        message: expect.stringContaining('user and a password'),
      });
      expect(error.message).not.toContain('wr0ng');
    }
  });

  it('waits for a camera that is not there yet, and says so once', async () => {
    const first = await serve();
    await first.close();
    const source = open(first.url());
    const offline: string[] = [];
    source.on('offline', ({ error }) => offline.push(error.code));
    const running = take(source, 3);
    await vi.waitFor(() => expect(source.stats.restarts).toBeGreaterThan(3), 45_000);
    await serve({ port: first.port });
    expect(await running).toHaveLength(3);
    expect(offline).toEqual(['SOURCE_UNREACHABLE']);
  });

  it('opens a stream again that stalls, or whose server is killed', async () => {
    const server = await serve();
    const source = open(server.url(), { stallMs: 500 });
    const events: string[] = [];
    for (const name of ['open', 'stall'] as const) source.on(name, () => events.push(name));
    const iterator = source[Symbol.asyncIterator]();
    await iterator.next();
    server.stall();
    await vi.waitFor(() => expect(events).toEqual(['open', 'stall']), 20_000);
    await server.close();
    await serve({ port: server.port });
    for (let result = await iterator.next(); events.length < 3; result = await iterator.next()) {
      expect(result.done).toBe(false);
    }
    expect(events).toEqual(['open', 'stall', 'open']);
    await iterator.return?.();
    expect(commandsWith(`127.0.0.1:${server.port}`)).toEqual([]);
  });

  it('tells of another size than is expected, or refuses it', async () => {
    const server = await serve();
    const size = { width: 1920, height: 1080 };
    const source = open(server.url(), size);
    const heard: object[] = [];
    source.on('mismatch', (event) => heard.push(event));
    await take(source, 2);
    expect(heard).toMatchObject([{ requested: size, got: { width: 320, height: 240 } }]);
    await expect(take(open(server.url(), { ...size, exact: true }), 1)).rejects.toMatchObject({
      code: 'SOURCE_UNSUITABLE',
    });
    await expect(take(open(server.url(), { maxPixels: 1000 }), 1)).rejects.toMatchObject({
      code: 'PICTURE_TOO_LARGE',
    });
  });
}

describeWith('rtsp', 'An RTSP camera', () => {
  describe('with the ffmpeg of the npm package', () => suite(packagedFfmpeg, false));
  describeWith('ffmpeg', 'with the ffmpeg of the system', () => {
    suite(spawnSync('which', ['ffmpeg'], { encoding: 'utf8' }).stdout.trim(), true);
  });

  let server: RtspServer | undefined;
  captureSuite({
    describe,
    it,
    name: 'VideoCapture of a stream',
    create: async () => {
      server ??= await RtspServer.start();
      return new VideoCapture(server.url(), { ffmpegPath: packagedFfmpeg });
    },
  });
  it('ends with its server', () => server?.close());
});

import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { codedJpeg, numberOf } from '../../test/coded-picture';
import { makeVideo, temporaryFolder } from '../../test/media';
import { descriptors } from '../../test/processes';
import type { Frame } from '../frame';
import { captureSuite } from '../testing/capture-suite';
import { FrameSource } from './frame-source';
import type { FrameSourceOptions } from './frame-source-events';
import { MjpegCapture } from './mjpeg-capture';

const temporary = temporaryFolder();
const quick = { stallMs: 2_000, retry: { firstDelayMs: 1, longestDelayMs: 10 } };
const USER = 'anna';
const PASSWORD = 'se@cret:1';
const LOGIN = `${USER}:${encodeURIComponent(PASSWORD)}@`;

interface Part {
  /** The line before a part; the header names the boundary as `name`. */
  readonly line?: string;
  readonly name?: string;
  readonly headers?: (data: Buffer, number: number) => string;
  readonly newline?: string;
  readonly pictures?: number;
  readonly damage?: boolean;
}

const lengthOf = (data: Buffer) => `Content-Type: image/jpeg\r\nContent-Length: ${data.length}\r\n`;

/** How cameras write their streams, each in its own way. */
const dialects: Readonly<Record<string, Part>> = {
  '/plain': {},
  '/dashes-in-the-name': { name: '--frame', line: '--frame' },
  '/dashes-missing': { name: 'frame', line: 'frame' },
  '/quoted': { name: '"frame"' },
  '/no-length': { headers: () => 'Content-Type: image/jpeg\r\n' },
  '/no-headers': { headers: () => '' },
  '/wrong-length': { headers: () => 'Content-Type: image/jpeg\r\nContent-Length: 17\r\n' },
  '/bare-newlines': { newline: '\n' },
  '/another-boundary': { line: '--other' },
  '/timed': {
    headers: (data, number) => `${lengthOf(data)}X-Timestamp: ${(5 + number / 10).toFixed(6)}\r\n`,
  },
  '/damaged': { damage: true },
  '/breaks-off': { pictures: 3 },
};

let pictures: Buffer[];
let video: Buffer;
let origin: string;
let host: string;
const requests: string[] = [];
const server = createServer((request, response) => {
  requests.push(request.url!);
  const { pathname } = new URL(request.url!, origin);
  const dialect = dialects[pathname];
  if (dialect) void stream(response, dialect);
  else if (pathname === '/moved') response.writeHead(302, { location: '/plain' }).end();
  else if (pathname === '/round') response.writeHead(302, { location: '/round' }).end();
  else if (pathname === '/basic') guard(request, response, 'Basic realm="camera"', isBasic);
  else if (pathname === '/digest')
    guard(request, response, `Digest realm="cam, 1", nonce="n0", qop="auth,auth-int", opaque="o"`, isDigest);
  else if (pathname === '/old-digest')
    guard(request, response, 'Digest realm="cam, 1", nonce="n0"', isDigest);
  else if (pathname === '/busy') response.writeHead(503).end();
  else if (pathname === '/page') response.writeHead(200, { 'content-type': 'text/html' }).end('<p>');
  else if (/video/.test(pathname)) response.writeHead(200, { 'content-type': 'video/x-matroska' }).end(video);
  else if (pathname === '/silent')
    response.writeHead(200, { 'content-type': 'multipart/x-mixed-replace; boundary=x' }).write(' ');
  else response.writeHead(404).end();
});

async function stream(response: ServerResponse, dialect: Part): Promise<void> {
  const {
    name = 'frame',
    line = '--frame',
    headers = lengthOf,
    newline = '\r\n',
    pictures: count = 1e9,
    damage,
  } = dialect;
  response.writeHead(200, { 'content-type': `multipart/x-mixed-replace;boundary=${name}` });
  for (let number = 0; number < count && !response.destroyed; number += 1) {
    const data = pictures[number % pictures.length]!;
    const head = `${newline}${line}${newline}${headers(data, number)}${newline}`.replaceAll('\r\n', newline);
    response.write(head);
    // In pieces, so that nothing is whole where it arrives.
    const end = damage && number % 2 === 1 ? data.length >> 1 : data.length;
    for (let at = 0; at < end; at += 300) response.write(data.subarray(at, Math.min(end, at + 300)));
    await sleep(10);
  }
  response.end();
}

function guard(
  request: IncomingMessage,
  response: ServerResponse,
  challenge: string,
  accepts: (authorization: string) => boolean,
): void {
  if (accepts(request.headers.authorization ?? '')) void stream(response, {});
  else response.writeHead(401, { 'www-authenticate': challenge }).end();
}

const isBasic = (text: string) => text === `Basic ${Buffer.from(`${USER}:${PASSWORD}`).toString('base64')}`;

/** RFC 7616, section 3.4.1, in the words of a server. */
function isDigest(text: string): boolean {
  const field = (name: string) => new RegExp(`\\b${name}="?([^",]*)"?`).exec(text)?.[1] ?? '';
  const md5 = (value: string) => createHash('md5').update(value).digest('hex');
  const first = md5(`${USER}:cam, 1:${PASSWORD}`);
  const second = md5(`GET:${field('uri')}`);
  const middle = text.includes('qop=auth') ? `n0:${field('nc')}:${field('cnonce')}:auth` : 'n0';
  return text.startsWith('Digest ') && field('response') === md5(`${first}:${middle}:${second}`);
}

beforeAll(async () => {
  pictures = await Promise.all(Array.from({ length: 16 }, (_, number) => codedJpeg(number)));
  const file = `${temporary.path}/clip.mkv`;
  await makeVideo('-f', 'lavfi', '-i', 'testsrc=size=160x120:rate=25:duration=8', '-c:v', 'libx264', file);
  video = await readFile(file);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  host = `127.0.0.1:${(server.address() as AddressInfo).port}`;
  origin = `http://${host}`;
});
afterAll(() => {
  server.closeAllConnections();
  server.close();
});

const open = (path: string, options: FrameSourceOptions = {}, login = '') =>
  new FrameSource(`http://${login}${host}${path}`, { ...quick, highWaterMark: 50, ...options });

async function take(source: FrameSource, count: number): Promise<Frame[]> {
  const frames: Frame[] = [];
  for await (const frame of source) {
    frames.push(frame);
    if (frames.length === count) break;
  }
  return frames;
}

const numbers = (frames: readonly Frame[]) => Promise.all(frames.map(({ image }) => numberOf(image)));

captureSuite({ describe, it, name: 'MjpegCapture', create: () => new MjpegCapture(`${origin}/plain`) });

describe('MjpegCapture', () => {
  it.each(Object.keys(dialects).filter((path) => !/damaged|breaks/.test(path)))(
    'reads a stream as of %s',
    async (path) => {
      const frames = await take(open(path), 6);
      expect(await numbers(frames)).toEqual([0, 1, 2, 3, 4, 5]);
      for (const [index, { image }] of frames.entries()) {
        expect(Buffer.compare(image.data, pictures[index]!)).toBe(0);
        expect(image).toMatchObject({ format: 'jpeg', width: 320, height: 240 });
      }
      const isTimed = path === '/timed';
      expect(frames.map(({ clock }) => clock)).toEqual(Array(6).fill(isTimed ? 'stream' : 'arrival'));
      // The camera says 100 ms, and nobody needs to wait for that.
      if (isTimed) expect(frames[5]!.capturedAt - frames[4]!.capturedAt).toBeLessThanOrEqual(100);
    },
  );

  it('follows redirects, and answers with Basic and Digest', async () => {
    expect(await numbers(await take(open('/moved'), 2))).toEqual([0, 1]);
    for (const path of ['/basic', '/digest', '/old-digest']) {
      expect(await numbers(await take(open(path, {}, LOGIN), 2)), path).toEqual([0, 1]);
    }
  });

  it.each([
    ['/basic', '', 'SOURCE_DENIED'],
    ['/digest', `${USER}:wrong@`, 'SOURCE_DENIED'],
    ['/page', LOGIN, 'SOURCE_UNSUITABLE'],
  ])('says that %s with the login %o is %s, without a password', async (path, login, code) => {
    const capture = new MjpegCapture(`http://${login}${host}${path}`);
    const error = await capture
      .frames(new AbortController().signal)
      .next()
      .catch((caught) => caught);
    expect(error).toMatchObject({ code, retryable: false });
    expect(JSON.stringify([error, error.message, error.cause])).not.toMatch(/wrong|se%40cret|se@cret/);
  });

  it.each([
    ['/gone', 'SOURCE_NOT_FOUND'],
    ['/busy', 'SOURCE_BUSY'],
    ['/round', 'SOURCE_FAILED'],
    ['/breaks-off', 'SOURCE_FAILED'],
    ['http://127.0.0.1:1/', 'SOURCE_UNREACHABLE'],
    ['http://camera.invalid/', 'SOURCE_UNREACHABLE'],
  ])('can wait for %s: %s', async (path, code) => {
    const capture = new MjpegCapture(path.startsWith('http') ? path : `${origin}${path}`);
    const read = async () => {
      for await (const _ of capture.frames(new AbortController().signal));
    };
    await expect(read()).rejects.toMatchObject({ code, retryable: true });
  });

  it('passes over pictures that are cut off, and counts them', async () => {
    const source = open('/damaged');
    expect(await numbers(await take(source, 4))).toEqual([0, 2, 4, 6]);
    expect(source.stats.damaged).toBe(3);
  });

  it('opens a stream again that breaks off or falls silent', async () => {
    const broken = open('/breaks-off');
    expect(await numbers(await take(broken, 7))).toEqual([0, 1, 2, 0, 1, 2, 0]);
    expect(broken.stats).toMatchObject({ captured: 7, restarts: 2 });
    const silent = open('/silent', { openMs: 50 });
    const stalled = new Promise((resolve) => silent.once('stall', resolve));
    const iterator = silent[Symbol.asyncIterator]();
    void iterator.next();
    expect(await stalled).toMatchObject({ error: { code: 'SOURCE_STALLED' } });
    await iterator.return?.();
  });

  it('leaves no connection behind', async () => {
    await take(open('/plain'), 2);
    const before = descriptors();
    for (let round = 0; round < 5; round += 1) await take(open('/plain'), 2);
    // Both ends of a connection are ours.
    await expect.poll(descriptors).toBeLessThanOrEqual(before);
  });
});

describe('An address of HTTP', () => {
  it('gives video where it is none of JPEGs, and a file where it ends like one', async () => {
    const stream = await take(open('/video?id=1'), 3);
    expect(stream[0]).toMatchObject({ clock: 'stream', image: { format: 'yuv420p', width: 160 } });
    const file = new FrameSource(`${origin}/video.mkv`, { startTime: 1_700_000_000_000 });
    const frames = await take(file, 1000);
    expect(frames.length).toBe(200);
    expect(frames[1]).toMatchObject({ clock: 'file', capturedAt: 1_700_000_000_040 });
  });

  it.each([
    ['http://user:pass word@:x', {}, /is not a URL/],
    ['http://host/stream', { loop: true }, /loop does not go with a stream/],
    ['http://host/stream', { transport: 'udp' }, /transport does not go with/],
    ['rtsp://host/stream', { loop: true }, /loop does not go with an RTSP stream/],
    ['rtsp://host/stream', { transport: 'sctp' }, /transport must be tcp or udp/],
    ['http://host/stream', { width: 640 }, /width and height go together/],
    ['ftp://host/stream', {}, /not supported/],
  ] as const)('is refused with the options that do not go with it: %s %o', (url, options, message) => {
    const create = () => new FrameSource(url, options as FrameSourceOptions);
    expect(create).toThrow(TypeError);
    expect(create).toThrow(message);
  });
});

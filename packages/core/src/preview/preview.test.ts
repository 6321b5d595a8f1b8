import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import { createServer, request } from 'node:http';
import { type AddressInfo, connect } from 'node:net';
import { EventEmitter } from 'eventemitter3';
import sharp from 'sharp';
import { describe, expect, it, onTestFinished, vi } from 'vitest';
import { photos } from '../../test/photos';
import { decode } from '../codec';
import type { Image } from '../image';
import type { Look, SeenFace } from '../look';
import { Preview, type PreviewOptions } from './preview';

const photo = await decode(await readFile(photos.people), { stage: 'test', name: 'people' });
const face: SeenFace = {
  box: { x: 900, y: 300, width: 200, height: 200 },
  score: 55.123,
  track: 'door-0a1b2c3d-alt2-track7',
  isPerson: true,
  quality: 0.7123,
};

/** Something that sees, as a FaceSelector does. */
class Watched extends EventEmitter<{ look: [Look] }> {
  stats = { people: 2, selected: 1, name: 'not a number' };
  sequence = 0;

  see({ camera = 'door', image = photo as Image, faces = [face] } = {}): void {
    const now = Date.now();
    const frame = { camera, sequence: this.sequence, capturedAt: now, clock: 'device', readAt: now } as const;
    this.sequence += 1;
    this.emit('look', { frame: { ...frame, image }, detector: 'alt2', faces });
  }

  /** Sees until the test is over. */
  keepSeeing(what?: Parameters<Watched['see']>[0]): void {
    const timer = setInterval(() => this.see(what), 5);
    onTestFinished(() => clearInterval(timer));
  }
}

async function started(options: PreviewOptions = {}) {
  const watched = new Watched();
  const camera = { stats: { captured: 100, dropped: 3 } };
  const preview = new Preview({ port: 0, ...options });
  const [door, yard] = [1, 9].map((restarts, index) => ({
    camera: ['door', 'yard'][index]!,
    stats: { restarts },
  }));
  preview.watch(watched, camera, door!, yard!);
  await preview.open();
  onTestFinished(() => preview.close());
  const get = (path: string, init?: RequestInit) => fetch(new URL(path, preview.url), init);
  return { preview, watched, camera, get };
}

/** The views that there are, as soon as there is one. */
async function viewsOf(get: (path: string) => Promise<Response>): Promise<string[]> {
  return vi.waitFor(async () => {
    const names = (await (await get('views')).json()) as string[];
    expect(names.length).toBeGreaterThan(0);
    return names;
  });
}

async function lookOf(response: Response) {
  const bytes = Buffer.from(await response.arrayBuffer());
  const end = bytes.indexOf('\n');
  return { told: JSON.parse(bytes.toString('utf8', 0, end)), picture: bytes.subarray(end + 1) };
}

describe('Preview', () => {
  it('gives the frames of a view with all that was seen, made smaller', async () => {
    const { watched, get } = await started({ width: 640 });
    watched.keepSeeing();
    expect(await viewsOf(get)).toEqual(['door alt2']);
    const { told, picture } = await lookOf(await get('look?view=door%20alt2'));
    expect(told).toMatchObject({ camera: 'door', width: 1920, height: 1280, faces: [face] });
    expect(told.stats).toEqual({ people: 2, selected: 1, captured: 100, dropped: 3, restarts: 1 });
    expect(told.framesPerSecond).toBeGreaterThan(0);
    const { format, width, height } = await sharp(picture).metadata();
    expect([format, width, height]).toEqual(['jpeg', 640, 427]);
    // The same picture, though smaller.
    const small = (data: Buffer | Uint8Array, raw?: { width: number; height: number; channels: 3 }) =>
      sharp(data, raw && { raw })
        .resize(32, 21, { fit: 'fill' })
        .raw()
        .toBuffer();
    const expected = await small(photo.data, { width: photo.width, height: photo.height, channels: 3 });
    const got = await small(picture);
    const off = got.reduce((sum, value, at) => sum + Math.abs(value - expected[at]!), 0) / got.length;
    expect(off).toBeLessThan(6);
  });

  it.each(['grey', 'yuv420p', 'jpeg'] as const)('shows %s frames', async (format) => {
    const { watched, get } = await started({ width: 400 });
    const [width, height] = [801, 601];
    const flat = new Uint8Array(width * height).fill(235);
    const chroma = new Uint8Array(2 * Math.ceil(width / 2) * Math.ceil(height / 2)).fill(128);
    const data = {
      grey: flat,
      yuv420p: Buffer.concat([flat, chroma]),
      jpeg: await sharp(flat, { raw: { width, height, channels: 1 } })
        .jpeg()
        .toBuffer(),
    }[format];
    watched.keepSeeing({ image: { format, data, width, height } as Image });
    const [view] = await viewsOf(get);
    const { picture } = await lookOf(await get(`look?view=${view}`));
    const { channels, isOpaque } = await sharp(picture).stats();
    expect(isOpaque).toBe(true);
    expect(channels[0]!.mean).toBeGreaterThan(format === 'yuv420p' ? 253 : 233);
    expect((await sharp(picture).metadata()).width).toBeLessThanOrEqual(400);
  });

  it('listens to nothing until somebody looks, and to nothing when they have gone', async () => {
    const { preview, watched, get } = await started();
    expect(watched.listenerCount('look')).toBe(0);
    expect(preview.isWatched).toBe(false);
    await get('views');
    expect(watched.listenerCount('look')).toBe(1);
    watched.see();
    const leaving = new AbortController();
    const waiting = get('look?view=door%20alt2', { signal: leaving.signal });
    await new Promise((resolve) => setTimeout(resolve, 20));
    leaving.abort();
    await expect(waiting).rejects.toThrow();
    await vi.waitFor(() => expect(watched.listenerCount('look')).toBe(0), { timeout: 20_000 });
    expect(preview.isWatched).toBe(false);
  });

  it('gives all who wait the same frame, encoded once, and so many a second at the most', async () => {
    const { watched, get } = await started({ framesPerSecond: 4 });
    watched.keepSeeing();
    const [view] = await viewsOf(get);
    const look = async () => (await lookOf(await get(`look?view=${view}`))).told.sequence as number;
    const startedAt = performance.now();
    const together = await Promise.all([look(), look(), look()]);
    expect(new Set(together).size).toBe(1);
    const later = [await look(), await look()];
    expect(new Set([...together, ...later]).size).toBe(3);
    expect(performance.now() - startedAt).toBeGreaterThan(2 * 240);
  });

  it('is held up by nobody who does not read, and ends in spite of them', async () => {
    const { preview, watched, get } = await started();
    watched.keepSeeing();
    const [view] = await viewsOf(get);
    const { port, hostname } = new URL(preview.url);
    const idle = connect(Number(port), hostname);
    onTestFinished(() => void idle.destroy());
    idle.pause();
    idle.write(
      `GET /look?view=${encodeURIComponent(view!)} HTTP/1.1\r\nHost: ${hostname}\r\n\r\n`.repeat(20),
    );
    const undecided = connect(Number(port), hostname);
    onTestFinished(() => void undecided.destroy());
    undecided.on('error', () => {});
    undecided.write('GET / HTTP');
    for (let count = 0; count < 5; count += 1) expect((await get(`look?view=${view}`)).status).toBe(200);
    const waiting = get('look?view=door%20alt2').catch(() => 'cut off');
    await preview.close();
    await preview.close();
    await waiting;
    await expect(get('views')).rejects.toThrow();
    expect(watched.listenerCount('look')).toBe(0);
    await expect(preview.open()).rejects.toMatchObject({ code: 'CLOSED' });
  });

  it('keeps the views of several cameras apart', async () => {
    const { watched, get } = await started();
    watched.keepSeeing();
    watched.keepSeeing({ camera: 'yard', faces: [] });
    await vi.waitFor(async () => expect(await viewsOf(get)).toHaveLength(2));
    const { told } = await lookOf(await get('look?view=yard%20alt2'));
    expect(told).toMatchObject({ camera: 'yard', faces: [], stats: { dropped: 3, restarts: 9 } });
    expect((await get('look?view=attic')).status).toBe(404);
  });

  it('answers with nothing where a frame is damaged, and goes on', async () => {
    const { watched, get } = await started();
    const damaged: Image = { format: 'jpeg', data: new Uint8Array(20), width: 10, height: 10 };
    await get('views');
    watched.see();
    const waiting = get('look?view=door%20alt2');
    await vi.waitFor(() => {
      watched.see({ image: damaged });
      return Promise.race([waiting, Promise.reject(new Error('not yet'))]);
    });
    expect((await waiting).status).toBe(204);
    watched.keepSeeing();
    expect((await get('look?view=door%20alt2')).status).toBe(200);
  });

  it('is for this machine only, even where another name was made to point at it', async () => {
    const { preview } = await started();
    const { port } = new URL(preview.url);
    const status = (host: string) =>
      new Promise((resolve) => {
        const asked = request({ port, host: '127.0.0.1', path: '/', headers: { host } }, (response) => {
          response.resume();
          resolve(response.statusCode);
        });
        asked.end();
      });
    expect(await status(`evil.example:${port}`)).toBe(403);
    expect(await status(`localhost:${port}`)).toBe(200);
    expect(await status(`127.0.0.1:${port}`)).toBe(200);
    const open = await started({ host: '0.0.0.0' });
    const response = await fetch(`http://127.0.0.1:${new URL(open.preview.url).port}/`);
    expect(response.status).toBe(200);
    expect(preview.url).toMatch(/^http:\/\/127\.0\.0\.1:\d+\/$/);
  });

  it('gives a page without anything from elsewhere, and nothing else', async () => {
    const { get } = await started();
    const response = await get('');
    expect(response.headers.get('content-security-policy')).toContain("default-src 'self'");
    expect(await response.text()).toContain('src="preview.js"');
    expect((await get('preview.js')).headers.get('content-type')).toContain('javascript');
    expect((await get('preview.css')).headers.get('content-type')).toContain('css');
    expect((await get('etc/passwd')).status).toBe(404);
    expect((await get('', { method: 'POST' })).status).toBe(405);
  });

  it('says that its port is taken, and what to do', async () => {
    const other = createServer().listen(0, '127.0.0.1');
    await once(other, 'listening');
    onTestFinished(() => void other.close());
    const { port } = other.address() as AddressInfo;
    const preview = new Preview({ port });
    onTestFinished(() => preview.close());
    await expect(preview.open()).rejects.toMatchObject({
      code: 'PREVIEW_FAILED',
      stage: 'preview',
      message: expect.stringMatching(new RegExp(`port ${port}.*EADDRINUSE.*another port`)),
    });
  });

  it.each([
    [{ port: 70_000 }, 'port'],
    [{ host: '' }, 'host'],
    [{ width: 0 }, 'width'],
    [{ framesPerSecond: 0 }, 'framesPerSecond'],
    [{ name: 'a b' }, 'name'],
  ])('throws a TypeError for %j', (options, name) => {
    expect(() => new Preview(options)).toThrow(TypeError);
    expect(() => new Preview(options)).toThrow(name);
  });
});

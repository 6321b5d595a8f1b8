import { spawnSync } from 'node:child_process';
import { describe, expect, it, onTestFinished, vi } from 'vitest';
import { photos } from '../../test/photos';
import type { Frame } from '../frame';
import { defaultWorkerUrl } from './assets';
import { FaceDetector } from './face-detector';

function greyFrame(data: Uint8Array, width: number, height: number): Frame {
  const image = { format: 'grey', data, width, height } as const;
  return { camera: 'test', sequence: 0, capturedAt: 0, clock: 'file', readAt: 0, image };
}

describe('A detection thread', () => {
  // Answers like the real one, but ends over a picture of one pixel.
  const program = `
    import { parentPort } from 'node:worker_threads';
    parentPort.postMessage({ kind: 'ready', window: { width: 20, height: 20 }, heapBytes: 1 });
    parentPort.on('message', ({ looks: [{ image: { width } }] }) => {
      if (width === 1) process.exit(3);
      if (width === 2) throw new Error('out of luck');
      const heapBytes = width === 9 ? 1000 : 10;
      const findings = width === 5 || width === 6 ? [{ box: { x: 0, y: 0, width, height: 1 }, score: 1 }] : [];
      parentPort.postMessage({ kind: 'findings', findings: [findings], milliseconds: [1], heapBytes });
    });
    new BroadcastChannel('threads').onmessage = ({ data, target }) => data === 'who?' && target.postMessage('I');`;
  const picture = (width: number) => greyFrame(new Uint8Array(width), width, 1);

  it('that dies fails its own picture only, and is replaced', async () => {
    const workerUrl = new URL(`data:text/javascript,${encodeURIComponent(program)}`);
    await using fragile = new FaceDetector({ workers: 1, workerUrl });
    const news: string[] = [];
    fragile.on('restart', ({ error }) => news.push(error.message));
    const outcomes = await Promise.allSettled([1, 3, 2, 4].map((width) => fragile.detect(picture(width))));
    expect(outcomes.map(({ status }) => status)).toEqual(['rejected', 'fulfilled', 'rejected', 'fulfilled']);
    expect(outcomes[0]).toMatchObject({ reason: { code: 'DETECTOR_FAILED', retryable: true } });
    expect(news).toEqual([expect.stringContaining('code 3'), expect.stringContaining('out of luck')]);
    expect(fragile.stats).toMatchObject({ frames: 2, restarts: 2 });
  });

  it('gives each picture its own answer, also to one that comes while another one waits', async () => {
    const workerUrl = new URL(`data:text/javascript,${encodeURIComponent(program)}`);
    await using pool = new FaceDetector({ workers: 1, workerUrl });
    const first = pool.detect(picture(5));
    const second = pool.detect(picture(6));
    await first;
    const third = pool.detect(picture(5));
    const widths = (await Promise.all([first, second, third])).map((faces) =>
      faces.map(({ box }) => box.width),
    );
    expect(widths).toEqual([[5], [6], [5]]);
  });

  it('is one of as many as there are workers, and one frame more is under way', async () => {
    const workerUrl = new URL(`data:text/javascript,${encodeURIComponent(program)}`);
    await using pool = new FaceDetector({ workers: 3, workerUrl });
    await pool.open();
    expect(pool.concurrency).toBe(4);
    expect(pool.stats.heapBytes).toBe(3);
  });

  it('that has grown too large gives way to a fresh one, and no picture fails', async () => {
    const workerUrl = new URL(`data:text/javascript,${encodeURIComponent(program)}`);
    await using large = new FaceDetector({ workers: 1, workerUrl, maxThreadBytes: 999 });
    await large.detect(picture(3));
    expect(large.stats).toMatchObject({ recycled: 0, heapBytes: 10 });
    await Promise.all([9, 9, 3].map((width) => large.detect(picture(width))));
    expect(large.stats).toMatchObject({ frames: 4, recycled: 2, restarts: 0, heapBytes: 10 });
    await using roomy = new FaceDetector({ workers: 1, workerUrl, maxThreadBytes: 1000 });
    await roomy.detect(picture(9));
    expect(roomy.stats.recycled).toBe(0);
  });

  it('that has given way is gone', async () => {
    const workerUrl = new URL(`data:text/javascript,${encodeURIComponent(program)}`);
    await using large = new FaceDetector({ workers: 1, workerUrl, maxThreadBytes: 999 });
    for (const width of [9, 9, 9, 3]) await large.detect(picture(width));
    expect(large.stats.recycled).toBe(3);
    const channel = new BroadcastChannel('threads');
    onTestFinished(() => channel.close());
    let answers = 0;
    channel.onmessage = () => {
      answers += 1;
    };
    await vi.waitFor(async () => {
      answers = 0;
      channel.postMessage('who?');
      await new Promise((resolve) => setTimeout(resolve, 100));
      expect(answers).toBe(1);
    });
  });

  it('remembers 64 cameras, and begins anew with the one that was unseen for longest', async () => {
    const workerUrl = new URL(`data:text/javascript,${encodeURIComponent(program)}`);
    await using many = new FaceDetector({ workers: 1, workerUrl });
    const show = (camera: number, capturedAt: number) =>
      many.transform({ ...picture(40), camera: `camera-${camera}`, capturedAt });
    for (let camera = 0; camera < 65; camera += 1) await show(camera, 0);
    expect(many.stats.wholeLooks).toBe(65);
    await show(64, 40);
    await show(1, 40);
    expect(many.stats.wholeLooks).toBe(65);
    await show(0, 40);
    expect(many.stats.wholeLooks).toBe(66);
  });

  it('that is being replaced keeps nobody from a look at another camera', async () => {
    const workerUrl = new URL(`data:text/javascript,${encodeURIComponent(program)}`);
    await using large = new FaceDetector({ workers: 1, workerUrl, maxThreadBytes: 999 });
    for (const camera of ['door', 'yard', 'gate']) {
      const detections = await large.transform({ ...picture(9), camera });
      expect(detections).toMatchObject([{ frame: { camera }, faces: [] }]);
    }
    expect(large.stats).toMatchObject({ frames: 3, recycled: 3 });
  });

  it('gives back the pixels that it has looked at, but leaves alone what a model of somebody may keep', async () => {
    // The thread's own program, with a look at what is left of each request.
    const watched = `
      import { parentPort } from 'node:worker_threads';
      const left = new BroadcastChannel('left over');
      const on = parentPort.on.bind(parentPort);
      parentPort.on = (name, listener) => on(name, async (request) => {
        await listener(request);
        left.postMessage(request.looks.map(({ image }) => image.data.byteLength));
      });
      await import('${defaultWorkerUrl()}');`;
    const workerUrl = new URL(`data:text/javascript,${encodeURIComponent(watched)}`);
    const model = new URL(
      `data:text/javascript,${encodeURIComponent('export default () => ({ window: { width: 1, height: 1 }, detect: () => [] })')}`,
    );
    const channel = new BroadcastChannel('left over');
    onTestFinished(() => channel.close());
    const leftOver = () =>
      new Promise((resolve) => {
        channel.onmessage = ({ data }) => resolve(data);
      });
    for (const [options, left] of [
      [{}, 0],
      [{ model }, 900],
    ] as const) {
      await using detector = new FaceDetector({ workers: 1, workerUrl, detectionWidth: 0, ...options });
      const told = leftOver();
      await detector.detect(greyFrame(new Uint8Array(900), 30, 30));
      expect(await told).toEqual([left]);
    }
  });

  it('keeps its memory over 500 pictures of a megapixel and of changing size', async () => {
    // Only the coarsest looks, which take little time: what a picture leaves behind would be its megapixel.
    await using steady = new FaceDetector({ workers: 1, minFaceSize: 900, detectionWidth: 0 });
    const pixels = new Uint8Array(1_000_000);
    const search = async (count: number) => {
      for (let done = 0; done < count; done += 1) {
        await steady.detect(greyFrame(pixels, 1000 - (done % 2), 1000));
      }
    };
    await search(20);
    const { heapBytes } = steady.stats;
    expect(heapBytes).toBeGreaterThan(0);
    await search(480);
    expect(steady.stats.heapBytes).toBe(heapBytes);
  });

  it('lets the process end, also when nobody closes the detector', () => {
    const library = new URL('../../dist/index.js', import.meta.url).href;
    const source = `import { FaceDetector } from '${library}';
      console.log((await new FaceDetector().detect(${JSON.stringify(photos.three)})).length);
      await new FaceDetector({ cascade: ${JSON.stringify(photos.three)} }).open().catch((error) => console.log(error.code));`;
    const { stdout, status } = spawnSync(process.execPath, ['--input-type=module', '-e', source], {
      encoding: 'utf8',
      timeout: 30_000,
    });
    expect(stdout.split('\n')).toEqual(['3', 'MODEL_INVALID', '']);
    expect(status).toBe(0);
  });
});

/** What FaceDetector holds over 20,000 detections (or as many as you say), in MiB; fails where OpenCV's heap grows. */
import { FaceDetector, type Frame } from 'edge-relay';
import sharp from 'sharp';
import { gallery } from '../test/photos';

const detections = Number(process.argv[2] ?? 20_000);
const lines = 20;
const mebibyte = 1024 * 1024;

const frames = await Promise.all(gallery.map(frameOf));
const detector = new FaceDetector({ workers: 2 });
await detector.open();
await search(200);
const warm = report(0);
for (let line = 1; line <= lines; line += 1) {
  await search(Math.round(detections / lines));
  report(Math.round((detections * line) / lines));
}
const grown = detector.stats.heapBytes - warm;
await detector.close();
if (grown > 0) {
  console.error(`OpenCV's heap grew by ${grown} bytes.`);
  process.exitCode = 1;
}

/** Pictures of several sizes, in colour, so that nothing stays in place by luck. */
async function frameOf(path: string, sequence: number): Promise<Frame> {
  const { data, info } = await sharp(path)
    .resize(200)
    .removeAlpha()
    .raw()
    .toBuffer({ resolveWithObject: true });
  const image = { format: 'rgb', data, width: info.width, height: info.height } as const;
  return { camera: 'bench', sequence, capturedAt: 0, clock: 'file', readAt: 0, image };
}

async function search(count: number): Promise<void> {
  let started = 0;
  const next = async () => {
    while (started < count) await detector.detect(frames[started++ % frames.length]!);
  };
  await Promise.all([next(), next()]);
}

function report(done: number): number {
  globalThis.gc?.();
  const { rss, heapUsed } = process.memoryUsage();
  const { heapBytes, faces } = detector.stats;
  const mebibytes = (bytes: number) => Math.round(bytes / mebibyte);
  console.log(
    JSON.stringify({
      benchmark: 'detect-memory',
      detections: done,
      faces,
      residentMiB: mebibytes(rss),
      javascriptMiB: mebibytes(heapUsed),
      opencvMiB: mebibytes(heapBytes),
    }),
  );
  return heapBytes;
}

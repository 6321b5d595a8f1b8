/** FaceDetector's plain looks beside native OpenCV, on the same pictures: milliseconds a frame, and how many frames have the same boxes. */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Box, type Detection, FaceDetector, type Frame, pipeline } from 'edge-relay';
import sharp from 'sharp';
import { gallery } from '../test/photos';

const sizes = [
  { width: 640, height: 360 },
  { width: 1920, height: 1080 },
];
const settings = {
  default: { cascade: 'frontalface_alt2', scaleFactor: 1.1, minNeighbors: 4, detectionWidth: 800 },
  full: { cascade: 'frontalface_alt2', scaleFactor: 1.1, minNeighbors: 4, detectionWidth: 0 },
  homework: { cascade: 'frontalface_default', scaleFactor: 1.3, minNeighbors: 5, detectionWidth: 0 },
};

interface Picture {
  readonly path: string;
  readonly frame: Frame;
}

interface Measured {
  /** Wall time, all frames together. */
  readonly milliseconds: number;
  /** Time of all processor cores; other programs on the machine change it little. */
  readonly processorMilliseconds: number;
  /** By frame. */
  readonly boxes: readonly Box[][];
}

const folder = mkdtempSync(join(tmpdir(), 'edge-relay-bench-'));
const python = ['python3', '/usr/bin/python3'].find(
  (program) => spawnSync(program, ['-c', 'import cv2']).status === 0,
);
if (!python) console.error('Without python3-opencv there is nothing to compare with.');

try {
  for (const size of sizes) {
    const pictures = await Promise.all(gallery.map((path, index) => prepare(path, index, size)));
    const repeat = size.width < 1000 ? 3 : 1;
    for (const [name, setting] of Object.entries(settings)) {
      if (size.width <= setting.detectionWidth) continue;
      for (const workers of [1, 2]) {
        const ours = await measure(pictures, repeat, setting, workers);
        const native = python ? measureNative(python, pictures, repeat, setting, workers) : undefined;
        report({ size: `${size.width}x${size.height}`, setting: name, ...setting, workers }, ours, native);
      }
    }
  }
} finally {
  rmSync(folder, { recursive: true });
}

/** A photo cut to the size of a camera's frame, as a frame and as a file for native OpenCV. */
async function prepare(photo: string, index: number, { width, height }: (typeof sizes)[0]): Promise<Picture> {
  const path = join(folder, `${index}-${width}.png`);
  await sharp(photo).resize(width, height, { fit: 'cover' }).removeAlpha().png().toFile(path);
  const data = await sharp(path).raw().toBuffer();
  const frame = { camera: 'bench', sequence: index, capturedAt: 0, clock: 'file', readAt: 0 } as const;
  return { path, frame: { ...frame, image: { format: 'rgb', data, width, height } } };
}

async function measure(
  pictures: readonly Picture[],
  repeat: number,
  setting: (typeof settings)['default'],
  workers: number,
): Promise<Measured> {
  const detector = new FaceDetector({ ...setting, workers, motionGate: false, closeLooks: false });
  await detector.open();
  await Promise.all(Array.from({ length: workers }, () => detector.detect(pictures[0]!.frame)));
  const boxes: Box[][] = [];
  const source = async function* () {
    for (let round = 0; round < repeat; round += 1) yield* pictures.map(({ frame }) => frame);
  };
  const startedAt = performance.now();
  const processor = process.cpuUsage();
  await pipeline(source(), detector, {
    write: ({ faces }: Detection) => void boxes.push(faces.map(({ box }) => box)),
  });
  const milliseconds = performance.now() - startedAt;
  const { user, system } = process.cpuUsage(processor);
  await detector.close();
  return { milliseconds, processorMilliseconds: (user + system) / 1000, boxes };
}

function measureNative(
  program: string,
  pictures: readonly Picture[],
  repeat: number,
  { cascade, ...parameters }: (typeof settings)['default'],
  threads: number,
): Measured & { readonly version: string } {
  const core = join('packages', 'core');
  const job = {
    ...parameters,
    cascade: join(core, 'cascades', `haarcascade_${cascade}.xml`),
    paths: pictures.map(({ path }) => path),
    repeat,
    threads,
  };
  const { status, stdout, stderr } = spawnSync(program, [join(core, 'bench', 'native-detect.py')], {
    input: JSON.stringify(job),
    encoding: 'utf8',
  });
  if (status !== 0) throw new Error(`native-detect.py failed: ${stderr}`);
  return JSON.parse(stdout);
}

function report(what: object, ours: Measured, native: ReturnType<typeof measureNative> | undefined): void {
  const frames = ours.boxes.length;
  const perFrame = (milliseconds: number) => Math.round((milliseconds / frames) * 10) / 10;
  const comparison = native && {
    nativeMillisecondsPerFrame: perFrame(native.milliseconds),
    nativeProcessorMillisecondsPerFrame: perFrame(native.processorMilliseconds),
    timesNative: ratio(ours.milliseconds, native.milliseconds),
    processorTimesNative: ratio(ours.processorMilliseconds, native.processorMilliseconds),
    identicalFrames: ours.boxes.filter((boxes, index) => isSame(boxes, native.boxes[index]!)).length,
    nativeVersion: native.version,
  };
  const millisecondsPerFrame = perFrame(ours.milliseconds);
  const processorMillisecondsPerFrame = perFrame(ours.processorMilliseconds);
  const faces = ours.boxes.flat().length;
  console.log(
    JSON.stringify({
      benchmark: 'detect',
      ...what,
      frames,
      faces,
      millisecondsPerFrame,
      processorMillisecondsPerFrame,
      ...comparison,
    }),
  );
}

function ratio(ours: number, native: number): number {
  return Math.round((ours / native) * 100) / 100;
}

/** Native OpenCV gives the boxes of a frame in the order in which its threads finish. */
function isSame(ours: readonly Box[], theirs: readonly Box[]): boolean {
  const sorted = (boxes: readonly Box[]) =>
    boxes.map(({ x, y, width, height }) => [x, y, width, height].join()).toSorted();
  return sorted(ours).join(' ') === sorted(theirs).join(' ');
}

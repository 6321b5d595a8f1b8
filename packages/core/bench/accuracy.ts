/** Precision, recall and F1 of presets on labelled photos, with intervals: those of npm packages, and of the folders that are given. */
import { basename } from 'node:path';
import { type Box, FaceDetector, type FaceDetectorOptions } from 'edge-relay';
import { randomFrom } from '../test/face-world';
import { type LabelledPhoto, photosOf, shippedPhotos } from './lib/labelled-photos';

/** A find counts for a face of which it shares so much (intersection over union). */
const SAME = 0.5;
const RESAMPLES = 2000;
/** What the others are compared with: what a program with native OpenCV would do. */
const REFERENCE = 'alt2 at 1.1 and 4, in full';

const presets: Readonly<Record<string, FaceDetectorOptions>> = {
  [REFERENCE]: { detectionWidth: 0 },
  default: {},
  homework: { preset: 'homework' },
  'homework, 1.1': { preset: 'homework', scaleFactor: 1.1 },
  'default at 1.1 and 5, small': { cascade: 'frontalface_default', minNeighbors: 5 },
  'coarser steps': { scaleFactor: 1.2, minNeighbors: 3 },
  'fewer neighbours': { minNeighbors: 3 },
  'more neighbours': { minNeighbors: 6 },
  smaller: { detectionWidth: 640 },
  larger: { detectionWidth: 1200 },
};

/** Of one photo. */
interface Tally {
  readonly right: number;
  readonly found: number;
  readonly faces: number;
}

interface Measured {
  readonly tallies: readonly Tally[];
  readonly processorMilliseconds: number;
}

const folders = process.argv.slice(2);
const shipped = await shippedPhotos();
const sets: [string, readonly LabelledPhoto[]][] = [['npm packages', shipped]];
for (const folder of folders) sets.push([basename(folder), await photosOf(folder)]);
if (folders.length > 0) sets.push(['all', sets.flatMap(([, photos]) => photos)]);

const measured = new Map<string, Measured>();
for (const [name, options] of Object.entries(presets)) {
  measured.set(name, await measure(options, sets.at(-1)![1]));
}
let from = 0;
for (const [name, photos] of sets) {
  const [start, end] = name === 'all' ? [0, photos.length] : [from, from + photos.length];
  from = end;
  for (const [preset, { tallies, processorMilliseconds }] of measured) {
    const own = tallies.slice(start, end);
    const reference = measured.get(REFERENCE)!.tallies.slice(start, end);
    report({ set: name, photos: photos.length, preset }, own, reference, {
      processorMillisecondsPerPhoto: round(processorMilliseconds / tallies.length, 1),
    });
  }
}

/** One thread, so that the times of presets can be compared; photos are decoded before. */
async function measure(options: FaceDetectorOptions, photos: readonly LabelledPhoto[]): Promise<Measured> {
  const detector = new FaceDetector({ ...options, workers: 1 });
  await detector.detect(photos[0]!.frame);
  const tallies: Tally[] = [];
  const before = process.cpuUsage();
  for (const { frame, faces } of photos) {
    const found = await detector.detect(frame);
    const boxes = found.map(({ box }) => box);
    tallies.push({ right: matches(boxes, faces), found: found.length, faces: faces.length });
  }
  const { user, system } = process.cpuUsage(before);
  await detector.close();
  return { tallies, processorMilliseconds: (user + system) / 1000 };
}

function report(what: object, own: readonly Tally[], reference: readonly Tally[], times: object): void {
  const random = randomFrom(1);
  const samples: Record<'precision' | 'recall' | 'f1' | 'f1Gain', number[]> = {
    precision: [],
    recall: [],
    f1: [],
    f1Gain: [],
  };
  for (let round = 0; round < RESAMPLES; round += 1) {
    const chosen = own.map(() => Math.floor(random() * own.length));
    const ours = scores(chosen.map((index) => own[index]!));
    const theirs = scores(chosen.map((index) => reference[index]!));
    for (const name of ['precision', 'recall', 'f1'] as const) samples[name].push(ours[name]);
    samples.f1Gain.push(ours.f1 - theirs.f1);
  }
  const { precision, recall, f1 } = scores(own);
  const gain = f1 - scores(reference).f1;
  const value = (mean: number, name: keyof typeof samples) => [round(mean), ...interval(samples[name])];
  console.log(
    JSON.stringify({
      benchmark: 'accuracy',
      ...what,
      faces: own.reduce((sum, { faces }) => sum + faces, 0),
      precision: value(precision, 'precision'),
      recall: value(recall, 'recall'),
      f1: value(f1, 'f1'),
      f1Gain: value(gain, 'f1Gain'),
      ...times,
    }),
  );
}

function scores(tallies: readonly Tally[]): Record<'precision' | 'recall' | 'f1', number> {
  const sum = (of: (tally: Tally) => number) => tallies.reduce((total, tally) => total + of(tally), 0);
  const [right, found, faces] = [sum((t) => t.right), sum((t) => t.found), sum((t) => t.faces)];
  return {
    precision: found === 0 ? 1 : right / found,
    recall: faces === 0 ? 1 : right / faces,
    f1: found + faces === 0 ? 1 : (2 * right) / (found + faces),
  };
}

/** The middle 95 % of the resamples. */
function interval(values: readonly number[]): [number, number] {
  const sorted = values.toSorted((a, b) => a - b);
  const at = (share: number) => round(sorted[Math.floor(share * (sorted.length - 1))]!);
  return [at(0.025), at(0.975)];
}

/** How many of the faces are found: the best pair first, each face and each find once. */
function matches(found: readonly Box[], faces: readonly Box[]): number {
  const pairs = found
    .flatMap((box, i) => faces.map((face, j) => ({ i, j, shared: shared(box, face) })))
    .filter((pair) => pair.shared >= SAME)
    .toSorted((a, b) => b.shared - a.shared);
  const [taken, seen] = [new Set<number>(), new Set<number>()];
  for (const { i, j } of pairs) {
    if (taken.has(i) || seen.has(j)) continue;
    taken.add(i);
    seen.add(j);
  }
  return taken.size;
}

/** Intersection over union. */
function shared(a: Box, b: Box): number {
  const width = Math.min(a.x + a.width, b.x + b.width) - Math.max(a.x, b.x);
  const height = Math.min(a.y + a.height, b.y + b.height) - Math.max(a.y, b.y);
  if (width <= 0 || height <= 0) return 0;
  return (width * height) / (a.width * a.height + b.width * b.height - width * height);
}

function round(value: number, digits = 3): number {
  return Number(value.toFixed(digits));
}

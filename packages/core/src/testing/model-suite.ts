import assert from 'node:assert/strict';
import type { GreyImage, Model, ModelFinding, Search } from '../detectors/model';
import type { Box } from '../face';
import type { TestFunctions } from './suite';

/** What `modelSuite()` needs to know of a model. */
export interface ModelSuiteOptions extends TestFunctions {
  /** What the model is called in the names of the tests. */
  readonly name: string;
  /** Makes a model of its own for each test; the suite closes it. */
  create(): Model | Promise<Model>;
  /** A picture with things that the model finds, each at least one and a half of its windows wide, and where they are. */
  picture(): Example | Promise<Example>;
}

interface Example {
  readonly image: GreyImage;
  readonly boxes: readonly Box[];
}

const EVERYWHERE: readonly Search[] = [{}, { quick: true }, { expected: true }, { smallest: 0, largest: 0 }];

/** What every detection model promises: run it with your own in one line. */
export function modelSuite(options: ModelSuiteOptions): void {
  const { describe, it, name, create, picture } = options;

  describe(`${name} as a model`, () => {
    const withModel = (body: (model: Model, example: Example) => Promise<void>) => async () => {
      const model = await create();
      try {
        await body(model, await picture());
      } finally {
        await model.close?.();
      }
    };

    it(
      'says how small a thing it finds',
      withModel(async ({ window, heapBytes = 0 }) => {
        for (const pixels of [window.width, window.height]) {
          assert.ok(Number.isInteger(pixels) && pixels > 0, `a window of ${window.width} x ${window.height}`);
        }
        assert.ok(heapBytes >= 0, `heapBytes ${heapBytes}`);
      }),
    );

    it(
      'finds what is in a picture, in its pixels, and is sure of it by a number',
      withModel(async (model, { image, boxes }) => {
        for (const search of EVERYWHERE) {
          const findings = await model.detect(image, search);
          for (const box of boxes) assertFound(findings, box, JSON.stringify(search));
          assertSound(findings, image);
        }
      }),
    );

    it(
      'finds nothing where there is nothing',
      withModel(async (model) => {
        for (const grey of [0, 128, 255])
          assert.deepEqual([...(await model.detect(flat(200, 120, grey)))], []);
      }),
    );

    it(
      'can be given a picture of any size',
      withModel(async (model, { image }) => {
        for (const [width, height] of [
          [1, 1],
          [3, 200],
          [200, 3],
          [model.window.width, model.window.height],
          [641, 359],
        ] as const) {
          assertSound(await model.detect(flat(width, height, 90)), { width, height });
        }
        assertSound(await model.detect(image, { smallest: 10_000 }), image);
        assertSound(await model.detect(image, { largest: 1 }), image);
      }),
    );

    it(
      'leaves the picture as it is',
      withModel(async (model, { image }) => {
        const before = Uint8Array.from(image.data);
        await model.detect(image);
        assert.deepEqual(image.data.length, before.length);
        assert.ok(
          before.every((value, index) => value === image.data[index]),
          'the pixels were changed',
        );
      }),
    );

    it(
      'gives the same for the same picture, whatever came between',
      withModel(async (model, { image }) => {
        const first = copy(await model.detect(image));
        await model.detect(flat(50, 70, 30), { quick: true });
        await model.detect(image, { expected: true, smallest: 40 });
        assert.deepEqual(copy(await model.detect(image)), first);
      }),
    );

    it(
      'finds the same in a part of the picture',
      withModel(async (model, { image, boxes }) => {
        for (const box of boxes) {
          const part = around(box, image);
          const moved = { ...box, x: box.x - part.x, y: box.y - part.y };
          assertFound(await model.detect(cut(image, part)), moved, 'a part');
        }
      }),
    );

    it('can be closed twice', async () => {
      const model = await create();
      await model.close?.();
      await model.close?.();
    });
  });
}

function assertFound(findings: readonly ModelFinding[], wanted: Box, how: string): void {
  const isFound = findings.some(({ box }) => sharedOf(box, wanted) > 0.3);
  assert.ok(
    isFound,
    `nothing was found at ${JSON.stringify(wanted)} with ${how}, but ${JSON.stringify(findings)}`,
  );
}

function assertSound(findings: readonly ModelFinding[], image: { width: number; height: number }): void {
  for (const { box, score } of findings) {
    assert.ok(Number.isFinite(score), `score ${score}`);
    assert.ok(box.width > 0 && box.height > 0, `a box of ${box.width} x ${box.height}`);
    const isInside =
      box.x >= 0 && box.y >= 0 && box.x + box.width <= image.width && box.y + box.height <= image.height;
    assert.ok(isInside, `${JSON.stringify(box)} lies outside of ${image.width} x ${image.height}`);
  }
}

/** Intersection over union. */
function sharedOf(a: Box, b: Box): number {
  const width = Math.min(a.x + a.width, b.x + b.width) - Math.max(a.x, b.x);
  const height = Math.min(a.y + a.height, b.y + b.height) - Math.max(a.y, b.y);
  if (width <= 0 || height <= 0) return 0;
  return (width * height) / (a.width * a.height + b.width * b.height - width * height);
}

function around({ x, y, width, height }: Box, image: GreyImage): Box {
  const [left, top] = [Math.max(0, Math.floor(x - width / 2)), Math.max(0, Math.floor(y - height / 2))];
  const right = Math.min(image.width, Math.ceil(x + width * 1.5));
  const bottom = Math.min(image.height, Math.ceil(y + height * 1.5));
  return { x: left, y: top, width: right - left, height: bottom - top };
}

function cut({ data, width: stride }: GreyImage, { x, y, width, height }: Box): GreyImage {
  const part = new Uint8Array(width * height);
  for (let row = 0; row < height; row += 1) {
    const from = (y + row) * stride + x;
    part.set(data.subarray(from, from + width), row * width);
  }
  return { data: part, width, height };
}

function flat(width: number, height: number, grey: number): GreyImage {
  return { data: new Uint8Array(width * height).fill(grey), width, height };
}

function copy(findings: readonly ModelFinding[]): unknown {
  return JSON.parse(JSON.stringify(findings));
}

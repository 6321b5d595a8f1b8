import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { byteLengthOf, isRaw } from '../image';
import type { Capture, CapturedFrame } from '../sources/capture';
import type { TestFunctions } from './suite';

/** What `captureSuite()` needs to know of a capture. */
export interface CaptureSuiteOptions extends TestFunctions {
  /** What the capture is called in the names of the tests. */
  readonly name: string;
  /** Makes a capture of an input without damage that has at least three different frames. */
  create(): Capture | Promise<Capture>;
  /** How many frames it gives. @default what `describe()` says; leave it out for one without an end */
  readonly frames?: number;
}

/** How many frames of a capture without an end are looked at. */
const SAMPLE = 5;

/** What every capture promises: run it with your own in one line. */
export function captureSuite(options: CaptureSuiteOptions): void {
  const { describe, it, name, create } = options;

  describe(`${name} as a capture`, () => {
    it('has a name that may stand in ids and keys', async () => {
      assert.match((await create()).name, /^[A-Za-z0-9_][A-Za-z0-9._-]{0,63}$/);
    });

    it('describes itself truly, and consumes nothing by it', async () => {
      const capture = await create();
      const described = await capture.describe();
      assert.deepEqual(await capture.describe(), described);
      const frames = await read(capture, options);
      if (described.frames !== undefined) assert.equal(frames.length, described.frames);
      if (options.frames !== undefined) assert.equal(frames.length, options.frames);
      if (described.width !== undefined) assert.equal(frames[0]?.image.width, described.width);
      if (described.height !== undefined) assert.equal(frames[0]?.image.height, described.height);
    });

    it('gives its frames in the order of their times, each once', async () => {
      const before = Date.now();
      const frames = await read(await create(), options);
      assert.ok(frames.length >= 3, `${frames.length} frames are too few to see anything`);
      assert.ok(frames[0]!.readAt >= before);
      frames.slice(1).forEach((frame, index) => {
        assert.ok(frame.capturedAt >= frames[index]!.capturedAt, `capturedAt of frame ${index + 1}`);
        assert.ok(frame.readAt >= frames[index]!.readAt, `readAt of frame ${index + 1}`);
      });
      assert.ok(frames.at(-1)!.readAt <= Date.now());
      assert.equal(new Set(frames.map((frame) => frame.image.data)).size, frames.length);
      assert.ok(new Set(frames.map(fingerprint)).size >= 3, 'frames are repeated');
    });

    it('gives images whose data hold exactly their pixels', async () => {
      for (const { image } of await read(await create(), options)) {
        assert.ok(Number.isInteger(image.width) && image.width > 0, `width ${image.width}`);
        assert.ok(Number.isInteger(image.height) && image.height > 0, `height ${image.height}`);
        assert.ok(image.data.length > 0);
        if (isRaw(image)) assert.equal(image.data.length, byteLengthOf(image));
      }
    });

    it('does not touch a frame that it has given', async () => {
      const capture = await create();
      const seen: { readonly frame: CapturedFrame; readonly fingerprint: string }[] = [];
      for await (const frame of capture.frames(new AbortController().signal)) {
        seen.push({ frame, fingerprint: fingerprint(frame) });
        if (seen.length === SAMPLE) break;
      }
      for (const { frame, fingerprint: before } of seen) assert.equal(fingerprint(frame), before);
    });

    it('starts from the beginning when it is iterated again, also after it was given up', async () => {
      const capture = await create();
      for await (const _ of capture.frames(new AbortController().signal)) break;
      const first = await read(capture, options);
      const second = await read(capture, options);
      if (capture.live) return;
      assert.deepEqual(second.map(fingerprint), first.map(fingerprint));
    });

    it('ends without an error when it is aborted between two frames', async () => {
      const capture = await create();
      const controller = new AbortController();
      let frames = 0;
      for await (const _ of capture.frames(controller.signal)) {
        frames += 1;
        controller.abort(new Error('enough'));
      }
      assert.equal(frames, 1);
    });

    it('ends without an error when it is aborted while a frame is awaited', async () => {
      const capture = await create();
      const controller = new AbortController();
      const iterator = capture.frames(controller.signal)[Symbol.asyncIterator]();
      const pending = iterator.next();
      controller.abort(new Error('enough'));
      await pending;
      assert.equal((await iterator.next()).done, true);
    });

    it('gives nothing when it is aborted already', async () => {
      const capture = await create();
      for await (const _ of capture.frames(AbortSignal.abort())) assert.fail('a frame came');
    });
  });
}

/** All frames, or the first few of a capture without an end. */
async function read(capture: Capture, options: CaptureSuiteOptions): Promise<CapturedFrame[]> {
  const isEndless = (options.frames ?? (await capture.describe()).frames) === undefined;
  const frames: CapturedFrame[] = [];
  for await (const frame of capture.frames(new AbortController().signal)) {
    frames.push(frame);
    if (isEndless && frames.length === SAMPLE) break;
  }
  return frames;
}

function fingerprint({ image }: CapturedFrame): string {
  return createHash('sha1').update(image.data).digest('hex');
}

import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, it, vi } from 'vitest';
import { RelayError, type RelayErrorCode } from '../errors';
import type { Frame } from '../frame';
import type { Capture, CapturedFrame, CaptureListener } from './capture';
import { FrameSource } from './frame-source';
import type { FrameSourceEvents, FrameSourceOptions } from './frame-source-events';

/** What a live camera does each time it is opened; the last again and again. */
type Opening = (signal: AbortSignal, listener: CaptureListener) => AsyncIterable<CapturedFrame>;

class ScriptedCapture implements Capture {
  readonly name = 'scripted';
  readonly live = true;
  opened = 0;
  open = 0;
  readonly #openings: readonly Opening[];

  constructor(...openings: Opening[]) {
    this.#openings = openings;
  }

  async describe() {
    return {};
  }

  async *frames(signal: AbortSignal, listener: CaptureListener) {
    const opening = this.#openings[Math.min(this.opened, this.#openings.length - 1)]!;
    this.opened += 1;
    this.open += 1;
    try {
      yield* opening(signal, listener);
    } finally {
      this.open -= 1;
    }
  }
}

const image = { format: 'grey', data: new Uint8Array(12), width: 4, height: 3 } as const;

function frame(): CapturedFrame {
  return { image, capturedAt: Date.now(), clock: 'arrival', readAt: Date.now() };
}

const gives = (count: number, then: Opening = async function* () {}): Opening =>
  async function* (signal, listener) {
    for (let given = 0; given < count && !signal.aborted; given += 1) yield frame();
    yield* then(signal, listener);
  };

/** Waits for the end of its signal. */
const stalls: Opening = async function* (signal) {
  if (!signal.aborted)
    await new Promise((resolve) => signal.addEventListener('abort', resolve, { once: true }));
};

const steady: Opening = async function* (signal) {
  for (; !signal.aborted; await sleep(5)) yield frame();
};

const fails = (code: RelayErrorCode, message: string = code, retryable = true): Opening =>
  // biome-ignore lint/correctness/useYield: it fails before its first frame.
  async function* () {
    throw new RelayError(message, { code, stage: 'camera scripted', retryable });
  };

const quick = { stallMs: 50, openMs: 50, retry: { firstDelayMs: 1, longestDelayMs: 4 } };
const names = [
  'open',
  'mismatch',
  'stall',
  'offline',
  'restart',
  'crashloop',
  'drop',
  'damaged',
  'end',
] as const;

function listenTo(source: FrameSource, ...wanted: (keyof FrameSourceEvents)[]) {
  const heard: string[] = [];
  for (const name of names) {
    if (!wanted.includes(name)) continue;
    source.on(name, (event: object) => {
      const { code } = (event as { error?: RelayError }).error ?? {};
      heard.push(code ? `${name} ${code}` : name);
    });
  }
  return heard;
}

/** Takes so many frames, and then has enough. */
async function take(source: FrameSource, count: number): Promise<Frame[]> {
  const frames: Frame[] = [];
  for await (const one of source) {
    frames.push(one);
    if (frames.length === count) break;
  }
  return frames;
}

function open(options: FrameSourceOptions, ...openings: Opening[]) {
  const capture = new ScriptedCapture(...openings);
  return { capture, source: new FrameSource(capture, { ...quick, highWaterMark: 100, ...options }) };
}

describe('A live source', () => {
  it('starts a camera again that ends, fails or stalls, and goes on counting', async () => {
    const { capture, source } = open(
      {},
      gives(2),
      gives(1, fails('SOURCE_FAILED')),
      fails('SOURCE_BUSY'),
      gives(1, stalls),
      stalls,
      gives(1, stalls),
    );
    const heard = listenTo(source, 'open', 'stall', 'restart', 'end');
    expect((await take(source, 5)).map(({ sequence }) => sequence)).toEqual([0, 1, 2, 3, 4]);
    expect(heard).toEqual([
      ...['open', 'restart SOURCE_FAILED', 'open', 'restart SOURCE_FAILED', 'restart SOURCE_BUSY', 'open'],
      ...['stall SOURCE_STALLED', 'restart SOURCE_STALLED', 'stall SOURCE_STALLED', 'restart SOURCE_STALLED'],
      ...['open', 'end'],
    ]);
    expect(source.stats).toEqual({ captured: 5, dropped: 0, damaged: 0, restarts: 5, stalls: 2 });
    expect(capture.open).toBe(0);
  });

  it('does not take a slow consumer, or an event loop that was blocked, for a stall', async () => {
    const { source } = open({ highWaterMark: 1 }, steady);
    let taken = 0;
    for await (const _ of source) {
      const until = performance.now() + 150;
      while (performance.now() < until);
      await sleep(150);
      taken += 1;
      if (taken === 3) break;
    }
    expect(source.stats).toMatchObject({ stalls: 0, restarts: 0 });
    expect(source.stats.dropped).toBeGreaterThan(0);
  });

  it('fails where waiting cannot help, after the frames that could be had', async () => {
    const { capture, source } = open({}, gives(2), gives(1, fails('SOURCE_UNSUITABLE', 'too small', false)));
    const seen: number[] = [];
    const run = (async () => {
      for await (const { sequence } of source) seen.push(sequence);
    })();
    await expect(run).rejects.toMatchObject({ code: 'SOURCE_UNSUITABLE' });
    expect([seen, capture.opened, capture.open]).toEqual([[0, 1, 2], 2, 0]);
  });

  it('tells each change once, whatever the numbers in it, until it gives frames again', async () => {
    const missing = fails('SOURCE_NOT_FOUND', 'There is no /dev/video0.');
    const { source } = open(
      {},
      ...[missing, missing, fails('SOURCE_BUSY', 'used by 17'), fails('SOURCE_BUSY', 'used by 18')],
      ...[gives(1, missing), missing, gives(1)],
    );
    const heard = listenTo(source, 'open', 'offline');
    await take(source, 2);
    expect(heard).toEqual([
      ...['offline SOURCE_NOT_FOUND', 'offline SOURCE_BUSY', 'open', 'offline SOURCE_NOT_FOUND', 'open'],
    ]);
  });

  it('recognises a crash loop, once, and goes on trying', async () => {
    const crash = fails(
      'SOURCE_FAILED',
      'gst-launch-1.0 has ended (exit code 1): no element nvarguscamerasrc',
    );
    const { capture, source } = open({}, crash);
    const crashes: FrameSourceEvents['crashloop'][0][] = [];
    source.on('crashloop', (event) => crashes.push(event));
    const iterator = source[Symbol.asyncIterator]();
    void iterator.next();
    await vi.waitFor(() => expect(capture.opened).toBeGreaterThan(12));
    await iterator.return?.();
    expect(crashes).toHaveLength(1);
    expect(crashes[0]).toMatchObject({ camera: 'scripted', attempts: 5 });
    expect(crashes[0]!.error.message).toContain('no element nvarguscamerasrc');
  });

  it('does not call a camera that is missing a crash loop', async () => {
    const { capture, source } = open({}, fails('SOURCE_NOT_FOUND'));
    const heard = listenTo(source, 'crashloop');
    const iterator = source[Symbol.asyncIterator]();
    void iterator.next();
    await vi.waitFor(() => expect(capture.opened).toBeGreaterThan(8));
    await iterator.return?.();
    expect(heard).toEqual([]);
  });

  it('waits longer each time, by chance, and never longer than it may', async () => {
    const { source } = open({ retry: { firstDelayMs: 2, longestDelayMs: 16 } }, fails('SOURCE_NOT_FOUND'));
    const waits: number[] = [];
    source.on('restart', ({ attempt, inMs }) => {
      expect(attempt).toBe(waits.push(inMs));
    });
    const iterator = source[Symbol.asyncIterator]();
    void iterator.next();
    await vi.waitFor(() => expect(waits.length).toBeGreaterThan(30));
    await iterator.return?.();
    waits.forEach((wait, index) => {
      const whole = Math.min(16, 2 * 2 ** index);
      expect(wait).toBeGreaterThanOrEqual(whole / 2);
      expect(wait).toBeLessThanOrEqual(whole);
    });
    expect(new Set(waits.slice(4)).size).toBeGreaterThan(1);
  });

  it('counts what the capture has passed over as delivered and dropped', async () => {
    const passes = async function* (_: AbortSignal, listener: CaptureListener) {
      for (const capturedAt of [1, 2]) listener.dropped({ capturedAt });
      yield frame();
    };
    const { source } = open({}, passes);
    const drops: object[] = [];
    source.on('drop', (event) => drops.push(event));
    expect((await take(source, 2)).map(({ sequence }) => sequence)).toEqual([2, 5]);
    expect(drops).toEqual(
      [0, 1, 3, 4].map((sequence, index) => ({ camera: 'scripted', sequence, capturedAt: 1 + (index % 2) })),
    );
    expect(source.stats).toMatchObject({ captured: 6, dropped: 4 });
  });

  it('passes on what the capture tells', async () => {
    const { source } = open({}, async function* (_, listener) {
      const error = new RelayError('cut off', { code: 'PICTURE_DAMAGED', stage: 'camera scripted' });
      listener.damaged({ name: 'a JPEG', error });
      const mode = { width: 4, height: 3 };
      listener.mismatched({ requested: { width: 1920, height: 1080 }, got: mode, offers: ['4 x 3'] });
      yield frame();
    });
    const events: object[] = [];
    source.on('damaged', (event) => events.push(event));
    source.on('mismatch', (event) => events.push(event));
    await take(source, 1);
    expect(events).toMatchObject([
      { camera: 'scripted', name: 'a JPEG', error: { code: 'PICTURE_DAMAGED' } },
      { camera: 'scripted', requested: { width: 1920 }, got: { width: 4 }, offers: ['4 x 3'] },
    ]);
    expect(source.stats.damaged).toBe(1);
  });

  it.each([
    ['while it waits for a camera', stalls, { openMs: Number.POSITIVE_INFINITY }],
    ['during a pause', fails('SOURCE_BUSY'), { retry: { firstDelayMs: 60_000, longestDelayMs: 60_000 } }],
    ['in the middle of its frames', steady, {}],
  ])('can be closed %s, and lets go of the camera', async (_, opening, options) => {
    const { capture, source } = open(options, opening);
    const running = (async () => {
      for await (const __ of source) await sleep(1);
    })();
    await vi.waitFor(() => expect(capture.opened).toBe(1));
    await sleep(5);
    await source.close();
    await running;
    expect([capture.opened, capture.open]).toEqual([1, 0]);
  });

  it('does not wait for ever for a capture that does not end', async () => {
    const { capture, source } = open(
      {},
      () => ({
        [Symbol.asyncIterator]: () => ({
          next: () => new Promise<never>(() => {}),
          return: () => new Promise<never>(() => {}),
        }),
      }),
      gives(1),
    );
    expect(await take(source, 1)).toHaveLength(1);
    expect(capture.opened).toBe(2);
  });
});

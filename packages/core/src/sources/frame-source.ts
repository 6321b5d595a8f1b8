import { EventEmitter } from 'eventemitter3';
import { Channel } from '../channel';
import { RelayError } from '../errors';
import type { Frame } from '../frame';
import { assertName } from '../identity';
import { pause } from '../retry';
import type { Capture, CaptureDescription, CapturedFrame, CaptureListener } from './capture';
import { CaptureRun } from './capture-run';
import type { FrameSourceEvents, FrameSourceOptions, FrameSourceStats } from './frame-source-events';
import { liveOptions } from './live-options';
import { type CommandLocation, captureFor } from './location';
import { type Restart, Restarts } from './restarts';
import { watched } from './watchdog';

/**
 * The frames of a camera, a video or a folder of pictures.
 *
 * Iterate it, once at a time; it may be iterated again, and `sequence` goes on counting. A recording
 * waits for whoever iterates; a live camera goes on, and its oldest waiting frame is dropped and counted.
 *
 * ```ts
 * await using source = new FrameSource('./holiday.mp4');
 * for await (const frame of source) console.log(frame.sequence, new Date(frame.capturedAt));
 * ```
 */
export class FrameSource extends EventEmitter<FrameSourceEvents> implements AsyncIterable<Frame> {
  /** The name in errors: `camera` and the camera's name. */
  readonly name: string;
  /** The camera's name, which stands in ids and keys. */
  readonly camera: string;
  readonly #capture: Capture;
  readonly #highWaterMark: number;
  readonly #live: ReturnType<typeof liveOptions>;
  readonly #listener: CaptureListener = {
    damaged: (damage) => {
      this.#damaged += 1;
      this.emit('damaged', { camera: this.camera, ...damage });
    },
    dropped: ({ capturedAt }) => this.#drop(this.#number(), capturedAt),
    mismatched: (mismatch) => this.emit('mismatch', { camera: this.camera, ...mismatch }),
  };
  #run: CaptureRun | undefined;
  #closed = false;
  #captured = 0;
  #dropped = 0;
  #damaged = 0;
  #restarts = 0;
  #stalls = 0;

  /**
   * @param location an `rtsp://`, `rtsps://`, `http://` or `https://` stream, `{ command: [...] }` that writes
   *   JPEGs, a folder, a pattern such as `photos/*.jpg`, a picture, a video file, or a capture of your own
   *   (which has its options already).
   * @throws {TypeError} for an option that cannot be, or that does not go with the location.
   */
  constructor(location: string | CommandLocation | Capture, options: FrameSourceOptions = {}) {
    super();
    const { camera, highWaterMark = 2, stallMs, openMs, retry, ...rest } = options;
    if (!(Number.isInteger(highWaterMark) && highWaterMark > 0)) {
      throw new TypeError(`highWaterMark must be a whole number above 0, not ${highWaterMark}.`);
    }
    this.#capture = captureFor(location, rest);
    this.#live = liveOptions({ stallMs, openMs, retry }, this.#capture.live);
    this.#highWaterMark = highWaterMark;
    this.camera = assertName(camera ?? this.#capture.name, 'camera');
    this.name = `camera ${this.camera}`;
  }

  /** Counters since the source was made, as they are now. */
  get stats(): FrameSourceStats {
    return {
      captured: this.#captured,
      dropped: this.#dropped,
      damaged: this.#damaged,
      restarts: this.#restarts,
      stalls: this.#stalls,
    };
  }

  /**
   * What is known before the first frame; consumes nothing.
   * @throws {RelayError} `SOURCE_NOT_FOUND`, `SOURCE_EMPTY`, `SOURCE_FAILED`, `FFMPEG_MISSING`.
   */
  describe(): Promise<CaptureDescription> {
    return this.#capture.describe();
  }

  /**
   * The frames. The iteration rejects after the frames that could be had, with what `describe()` throws
   * or `PICTURE_DAMAGED`; with a `TypeError` while another one goes on.
   */
  [Symbol.asyncIterator](): AsyncIterator<Frame, undefined> {
    let run: CaptureRun | undefined;
    const isOver = () => {
      if (this.#run === run) this.#run = undefined;
    };
    return {
      next: async () => {
        run ??= this.#start();
        const result = await run.next().catch((error) => {
          isOver();
          throw error;
        });
        if (result.done) isOver();
        return result;
      },
      return: async () => {
        run ??= CaptureRun.over();
        await run.stop();
        isOver();
        return { done: true, value: undefined };
      },
    };
  }

  /** Reads no more: the iteration ends after what is read already, and so does any later one. Idempotent. */
  async close(): Promise<void> {
    this.#closed = true;
    await this.#run?.drain();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  #start(): CaptureRun {
    if (this.#closed) return CaptureRun.over();
    if (this.#run) throw new TypeError(`${this.name} is being iterated already; that goes once at a time.`);
    const channel = new Channel<Frame>({
      highWaterMark: this.#highWaterMark,
      policy: this.#capture.live ? 'drop-oldest' : 'block',
      onDrop: ({ sequence, capturedAt }) => this.#drop(sequence, capturedAt),
    });
    this.#run = new CaptureRun(channel, (signal) => this.#frames(signal));
    void this.#run.ended.then(() => this.emit('end', { camera: this.camera, ...this.stats }));
    return this.#run;
  }

  #frames(signal: AbortSignal): AsyncGenerator<Frame, void> {
    return this.#capture.live ? this.#liveFrames(signal) : this.#recordedFrames(signal);
  }

  async *#recordedFrames(signal: AbortSignal): AsyncGenerator<Frame, void> {
    const { frames } = await this.#capture.describe();
    yield* this.#numbered(this.#capture.frames(signal, this.#listener), frames);
  }

  /** Opens the camera, and again after each failure that can pass. */
  async *#liveFrames(signal: AbortSignal): AsyncGenerator<Frame, void> {
    const restarts = new Restarts(this.#live.retry);
    const context = { signal, stage: this.name, listener: this.#listener };
    while (!signal.aborted) {
      let error = new RelayError(`The ${this.name} has ended. It is started again.`, {
        code: 'SOURCE_FAILED',
        stage: this.name,
        retryable: true,
      });
      try {
        for await (const frame of this.#numbered(watched(this.#capture, this.#live, context))) {
          restarts.delivered();
          yield frame;
        }
      } catch (caught) {
        if (signal.aborted) return;
        if (!(caught instanceof RelayError && caught.retryable)) throw caught;
        error = caught;
      }
      if (signal.aborted) return;
      await pause(this.#report(error, restarts.failed(error)), [signal]);
    }
  }

  /** Tells of a failure; gives how long to wait. */
  #report(error: RelayError, { attempt, inMs, isNews, isCrashLoop }: Restart): number {
    const { camera } = this;
    this.#restarts += 1;
    if (error.code === 'SOURCE_STALLED') {
      this.#stalls += 1;
      this.emit('stall', { camera, error });
    }
    if (isNews) this.emit('offline', { camera, error });
    if (isCrashLoop) this.emit('crashloop', { camera, attempts: attempt, error });
    this.emit('restart', { camera, attempt, inMs, error });
    return inMs;
  }

  async *#numbered(source: AsyncIterable<CapturedFrame>, frames?: number): AsyncGenerator<Frame, void> {
    let isOpen = false;
    for await (const captured of source) {
      const { width, height } = captured.image;
      if (!isOpen) {
        this.emit('open', { camera: this.camera, width, height, ...(frames !== undefined && { frames }) });
      }
      isOpen = true;
      yield { camera: this.camera, sequence: this.#number(), ...captured };
    }
  }

  #number(): number {
    this.#captured += 1;
    return this.#captured - 1;
  }

  #drop(sequence: number, capturedAt: number): void {
    this.#dropped += 1;
    this.emit('drop', { camera: this.camera, sequence, capturedAt });
  }
}

import { EventEmitter } from 'eventemitter3';
import { Channel } from '../channel';
import type { Frame } from '../frame';
import { assertName } from '../identity';
import type { Capture, CaptureDamage, CaptureDescription, CaptureListener, CaptureMismatch } from './capture';
import type { CaptureOptions } from './capture-options';
import { CaptureRun } from './capture-run';
import { captureFor } from './location';

export interface FrameSourceOptions extends CaptureOptions {
  /** The name in ids and object keys: letters, digits, `.`, `_` and `-`. @default from the location */
  readonly camera?: string;
  /** How many frames may wait for the next stage. @default 2 */
  readonly highWaterMark?: number;
}

export interface FrameSourceStats {
  /** Frames that the capture delivered. */
  readonly captured: number;
  /** Frames of a live camera that waited too long and gave way to newer ones. */
  readonly dropped: number;
  /** Parts of the input that could not be read. */
  readonly damaged: number;
}

export interface FrameSourceEvents {
  /** The first frame is here; `width` and `height` in pixels, `frames` where the number is known. */
  open: [opened: { camera: string; width: number; height: number; frames?: number }];
  /** A frame of a live camera gave way to a newer one. */
  drop: [dropped: { camera: string; sequence: number; capturedAt: number }];
  /** A part of the input could not be read; the rest goes on, and the iteration fails at its end. */
  damaged: [damage: CaptureDamage & { camera: string }];
  /** A live camera gives another size or rate than it was asked for; it goes on with that. */
  mismatch: [mismatch: CaptureMismatch & { camera: string }];
  /** The capture has ended, for whatever reason. */
  end: [stats: FrameSourceStats & { camera: string }];
}

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
  readonly name: string;
  readonly camera: string;
  readonly #capture: Capture;
  readonly #highWaterMark: number;
  readonly #listener: CaptureListener = {
    damaged: (damage) => {
      this.#damaged += 1;
      this.emit('damaged', { camera: this.camera, ...damage });
    },
    mismatched: (mismatch) => this.emit('mismatch', { camera: this.camera, ...mismatch }),
  };
  #run: CaptureRun | undefined;
  #closed = false;
  #captured = 0;
  #dropped = 0;
  #damaged = 0;

  /**
   * @param location a folder, a pattern such as `photos/*.jpg`, a picture, a video file, or a capture
   *   of your own (which has its options already).
   */
  constructor(location: string | Capture, options: FrameSourceOptions = {}) {
    super();
    const { camera, highWaterMark = 2, ...recording } = options;
    if (!(Number.isInteger(highWaterMark) && highWaterMark > 0)) {
      throw new TypeError(`highWaterMark must be a whole number above 0, not ${highWaterMark}.`);
    }
    this.#capture = captureFor(location, recording);
    this.#highWaterMark = highWaterMark;
    this.camera = assertName(camera ?? this.#capture.name, 'camera');
    this.name = `camera ${this.camera}`;
  }

  get stats(): FrameSourceStats {
    return { captured: this.#captured, dropped: this.#dropped, damaged: this.#damaged };
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
      onDrop: ({ sequence, capturedAt }) => {
        this.#dropped += 1;
        this.emit('drop', { camera: this.camera, sequence, capturedAt });
      },
    });
    this.#run = new CaptureRun(channel, (signal) => this.#frames(signal));
    void this.#run.ended.then(() => this.emit('end', { camera: this.camera, ...this.stats }));
    return this.#run;
  }

  async *#frames(signal: AbortSignal): AsyncGenerator<Frame, void> {
    const { frames } = await this.#capture.describe();
    let isOpen = false;
    for await (const captured of this.#capture.frames(signal, this.#listener)) {
      const { width, height } = captured.image;
      if (!isOpen) {
        this.emit('open', { camera: this.camera, width, height, ...(frames !== undefined && { frames }) });
      }
      isOpen = true;
      const sequence = this.#captured;
      this.#captured += 1;
      yield { camera: this.camera, sequence, ...captured };
    }
  }
}

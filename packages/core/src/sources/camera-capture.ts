import { RelayError } from '../errors';
import { type CameraModeChoice, chooseModes, completeWish } from './camera-choice';
import { setControls } from './camera-controls';
import { type CameraDevice, describeDevice, nameOfDevice, tryToOpen } from './camera-device';
import { listingFailure, openFailure, streamFailure } from './camera-failures';
import { readModes } from './camera-listing';
import { describeCameraModes } from './camera-modes';
import { CameraStream } from './camera-stream';
import type { Capture, CaptureDescription, CapturedFrame, CaptureListener, CaptureMode } from './capture';
import { checkMode } from './capture-mode';
import { assertCaptureOptions, CAMERA_OPTIONS, type CaptureOptions } from './capture-options';
import { DeviceClock } from './device-clock';
import { findFfmpeg, knowsOption } from './ffmpeg';
import { JpegFrames } from './jpeg-frames';
import { RateMeter } from './rate-meter';

/** What the capture of a camera can be told. */
export type CameraCaptureOptions = Pick<CaptureOptions, (typeof CAMERA_OPTIONS)[number]>;

/** How many modes of a camera are tried where its listing tells no rates. */
const TRIED_MODES = 3;

/**
 * A camera of the system (V4L2, Linux), read through an ffmpeg process.
 *
 * It asks for 1920 x 1080 pixels and 30 frames a second where nothing else is asked for, in the mode that
 * `chooseModes` puts first, and looks whether the driver agrees and the first frames keep it. JPEG comes
 * as the camera made it and is decoded where somebody looks at it; pixels come as planes, luma first.
 * `capturedAt` is the driver's time (clock `device`), also where nobody took the frame for a while.
 *
 * Each opening looks anew whether the device is there, so a camera that was unplugged comes back, with its
 * controls set again.
 */
export class CameraCapture implements Capture {
  readonly name: string;
  readonly live = true;
  readonly #path: string;
  readonly #stage: string;
  readonly #options: CameraCaptureOptions;

  /** @param path such as `/dev/video0`, or better a name that stays: `/dev/v4l/by-id/…-video-index0`. */
  constructor(path: string, options: CameraCaptureOptions = {}) {
    assertCaptureOptions(options, 'a camera', CAMERA_OPTIONS);
    this.#path = path;
    this.#options = { ...options };
    this.name = nameOfDevice(path);
    this.#stage = `camera ${this.name}`;
  }

  /** Nothing is known for certain before the camera is open. */
  async describe(): Promise<CaptureDescription> {
    return {};
  }

  async *frames(signal: AbortSignal, listener?: CaptureListener): AsyncGenerator<CapturedFrame, void> {
    if (signal.aborted) return;
    const ffmpeg = await findFfmpeg(this.#stage, this.#options.ffmpegPath);
    const { busBytesPerSecond } = await this.#inspect();
    if (this.#options.controls) await setControls(this.#path, this.#options.controls, this.#stage);
    const { modes, said } = await readModes(this.#path, ffmpeg);
    const choice = chooseModes(modes, this.#options, busBytesPerSecond);
    if (modes.length === 0) throw await listingFailure(this.#path, this.#stage, said);
    if (choice.length === 0) {
      throw new RelayError(
        `The camera ${this.#path} has no ${this.#options.inputFormat} mode; it offers ${describeCameraModes(modes).join(', ')}. Leave out inputFormat, or take another camera.`,
        { code: 'SOURCE_UNSUITABLE', stage: this.#stage },
      );
    }
    const stream = await this.#open(ffmpeg, choice, signal);
    try {
      yield* this.#read(stream, describeCameraModes(modes), listener);
      const { lastLines } = await stream.exit;
      if (!signal.aborted) throw await streamFailure(this.#path, this.#stage, lastLines);
    } catch (error) {
      if (!signal.aborted) throw error;
    } finally {
      await stream.stop();
    }
  }

  async #inspect(): Promise<CameraDevice> {
    try {
      await tryToOpen(this.#path);
      return await describeDevice(this.#path);
    } catch (error) {
      throw await openFailure(this.#path, this.#stage, error);
    }
  }

  /**
   * Opens the best mode. A listing with rates is trusted; without, a few modes are tried, and the first that
   * gives the rate, else the fastest, is taken.
   */
  async #open(
    ffmpeg: string,
    choice: readonly CameraModeChoice[],
    signal: AbortSignal,
  ): Promise<CameraStream> {
    const passThrough = (await knowsOption(ffmpeg, '-fps_mode')) ? '-fps_mode' : '-vsync';
    const start = (mode: CameraModeChoice) => new CameraStream(ffmpeg, this.#path, mode, passThrough, signal);
    const { framesPerSecond } = completeWish(this.#options);
    const candidates = choice[0]!.rates ? choice.slice(0, 1) : choice.slice(0, TRIED_MODES);
    let best = { mode: candidates[0]!, rate: -1 };
    for (const mode of candidates) {
      const stream = start(mode);
      const { framesPerSecond: rate = 0 } = (await stream.agreed) ?? {};
      const isEnough = rate >= framesPerSecond * 0.99;
      if (isEnough || candidates.length === 1 || !(await stream.agreed)) return stream;
      if (rate > best.rate) best = { mode, rate };
      await stream.stop();
    }
    return start(best.mode);
  }

  async *#read(stream: CameraStream, offers: readonly string[], listener?: CaptureListener) {
    const agreed = await stream.agreed;
    const { exact, framesPerSecond } = this.#options;
    const check = (got: CaptureMode, requested: CaptureMode) =>
      checkMode({ got, requested, exact, offers, stage: this.#stage }, listener);
    const deviceClock = new DeviceClock();
    const meter = new RateMeter();
    const jpegs = new JpegFrames(this.#stage, this.#path, {}, listener);
    let isFirst = true;
    for await (const { image, timeMs } of stream.frames()) {
      const readAt = Date.now();
      const { capturedAt, clock } = deviceClock.date(timeMs, readAt);
      const measured = meter.add(timeMs);
      const frame =
        image.format === 'jpeg'
          ? await jpegs.frame(image.data, capturedAt, clock)
          : { image, capturedAt, clock, readAt };
      if (!frame) continue;
      const size = { width: frame.image.width, height: frame.image.height };
      if (isFirst) {
        const { width, height } = completeWish(this.#options);
        check({ ...agreed, ...size }, { width, height, ...(framesPerSecond && { framesPerSecond }) });
      }
      isFirst = false;
      // Nobody has asked for a rate: then the camera has to keep what its driver has agreed to.
      const promised = Math.min(framesPerSecond ?? (exact ? 0 : Infinity), agreed?.framesPerSecond ?? 0);
      if (measured) check({ ...size, framesPerSecond: measured }, { ...size, framesPerSecond: promised });
      yield frame;
    }
  }
}

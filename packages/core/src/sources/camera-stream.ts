import type { RawImage } from '../image';
import type { CameraModeChoice } from './camera-choice';
import type { CaptureMode } from './capture';
import { type ChildExit, ChildProgram } from './child-program';
import { NUT_TO_PIPE, NutReader, RAW_VIDEO } from './nut-reader';
import { parseVideoHeader, type VideoHeader } from './video-header';

/** A JPEG, of which nobody knows yet whether it is whole. */
export interface UncheckedJpeg {
  readonly format: 'jpeg';
  readonly data: Buffer;
}

/** A camera's frame with the time that its driver gave it. */
export interface CameraStreamFrame {
  readonly image: RawImage | UncheckedJpeg;
  /** By the driver's clock, in milliseconds. */
  readonly timeMs: number;
}

/**
 * A camera opened in one mode by an ffmpeg process. JPEG passes through as the camera made it; pixels
 * become planes (yuv420p, or grey where there is no colour). The driver's times travel along, to the
 * millisecond.
 */
export class CameraStream {
  /** What the driver has agreed to; undefined when the camera could not be opened in this mode. */
  readonly agreed: Promise<CaptureMode | undefined>;
  readonly exit: Promise<ChildExit>;
  readonly #program: ChildProgram;
  readonly #encoding: string;
  #header: VideoHeader | undefined;

  /**
   * @param passThrough ffmpeg's option for "as many frames as come": `-fps_mode` or, before 5.1, `-vsync`.
   * @param signal stops it when aborted.
   */
  constructor(
    ffmpeg: string,
    path: string,
    mode: CameraModeChoice,
    passThrough: string,
    signal: AbortSignal,
  ) {
    this.#encoding = mode.encoding;
    const lines: string[] = [];
    let settle: (agreed: CaptureMode | undefined) => void;
    this.agreed = new Promise((resolve) => {
      settle = resolve;
    });
    this.#program = new ChildProgram(ffmpeg, streamOptions(path, mode, passThrough), {
      onLine: (line) => {
        if (this.#header) return;
        lines.push(line);
        this.#header = parseVideoHeader(lines);
        if (!this.#header) return;
        const { width, height, framesPerSecond } = this.#header;
        settle({ width, height, ...(framesPerSecond && { framesPerSecond }) });
      },
    });
    const stop = () => this.#program.stop();
    if (signal.aborted) stop();
    signal.addEventListener('abort', stop, { once: true });
    this.exit = this.#program.exit.then((exit) => {
      signal.removeEventListener('abort', stop);
      settle(undefined);
      return exit;
    });
  }

  /** The frames as they come, until ffmpeg ends or is stopped. */
  async *frames(): AsyncGenerator<CameraStreamFrame, void> {
    const reader = new NutReader();
    for await (const chunk of this.#program.chunks()) {
      for (const { data, positionMs, width, height } of reader.feed(chunk)) {
        yield { image: this.#imageOf(data, width, height), timeMs: positionMs };
      }
    }
  }

  /** Ends it at once; resolves when the device is free. Idempotent. */
  async stop(): Promise<void> {
    this.#program.stop();
    await this.#program.exit;
  }

  #imageOf(data: Buffer, width: number, height: number): RawImage | UncheckedJpeg {
    if (this.#encoding === 'mjpeg') return { format: 'jpeg', data };
    if (this.#encoding === 'gray') return { format: 'grey', data, width, height };
    const { range = 'limited', matrix = 'bt601' } = this.#header ?? {};
    return { format: 'yuv420p', data, width, height, range, matrix };
  }
}

function streamOptions(path: string, mode: CameraModeChoice, passThrough: string): string[] {
  const { encoding, width, height, framesPerSecond } = mode;
  return [
    // What the driver made of our wishes is said at the level "info".
    ...['-hide_banner', '-nostdin', '-nostats', '-loglevel', 'info'],
    ...['-f', 'v4l2', '-ts', 'default', '-input_format', encoding, '-video_size', `${width}x${height}`],
    ...['-framerate', String(framesPerSecond), '-i', path, '-map', '0:v:0'],
    ...['-copyts', passThrough, 'passthrough'],
    ...(encoding === 'mjpeg'
      ? ['-c:v', 'copy']
      : ['-enc_time_base', '1:1000', ...RAW_VIDEO, '-pix_fmt', encoding === 'gray' ? 'gray' : 'yuv420p']),
    ...NUT_TO_PIPE,
  ];
}

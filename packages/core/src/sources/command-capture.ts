import { inspect } from 'node:util';
import { RelayError } from '../errors';
import type { Capture, CaptureDescription, CapturedFrame, CaptureListener } from './capture';
import { assertCaptureOptions, JPEG_OPTIONS } from './capture-options';
import { type ChildExit, ChildProgram } from './child-program';
import { nameOfPath } from './input-path';
import { JpegFrames } from './jpeg-frames';
import { JpegSplitter } from './jpeg-splitter';
import type { JpegCaptureOptions } from './mjpeg-capture';

/** What a program has written without a picture in it that is no mistake any more. */
const MOST_NOISE_BYTES = 16 * 1024 * 1024;
const NO_PROGRAM = 127;
const NOT_A_PROGRAM = 126;

/**
 * Any command that writes JPEGs to its standard output, one after the other: `gst-launch-1.0 … jpegenc !
 * fdsink`, `rpicam-vid --codec mjpeg -o -`, `v4l2-ctl --stream-to=-`. The pictures stay as they come.
 *
 * The command is started without a shell, and with all that it starts itself it ends when the iteration
 * does (SIGINT, as with Ctrl-C, and after a second SIGKILL), or when our process does. `capturedAt` is when
 * a picture's first bytes were read: a pipe carries no time (`arrival`).
 */
export class CommandCapture implements Capture {
  readonly name: string;
  readonly live = true;
  readonly #command: readonly [string, ...string[]];
  readonly #stage: string;
  readonly #options: JpegCaptureOptions;

  /** @param command the program and its arguments. */
  constructor(command: readonly string[], options: JpegCaptureOptions = {}) {
    if (!isCommand(command)) {
      throw new TypeError(
        `command must be a program and its arguments, such as ['rpicam-vid', '--codec', 'mjpeg'], not ${inspect(command)}.`,
      );
    }
    assertCaptureOptions(options, 'a command', JPEG_OPTIONS);
    this.#command = [...command];
    this.name = nameOfPath(command[0]);
    this.#stage = `camera ${this.name}`;
    this.#options = { ...options };
  }

  async describe(): Promise<CaptureDescription> {
    return {};
  }

  async *frames(signal: AbortSignal, listener?: CaptureListener): AsyncGenerator<CapturedFrame, void> {
    if (signal.aborted) return;
    const [program, ...args] = this.#command;
    const frames = new JpegFrames(this.#stage, program, this.#options, listener);
    const splitter = new JpegSplitter();
    const child = new ChildProgram(program, args, { interrupt: true });
    const stop = () => child.stop();
    signal.addEventListener('abort', stop, { once: true });
    let pictures = 0;
    try {
      for await (const chunk of child.chunks()) {
        for (const { data, startedAt } of splitter.feed(chunk, Date.now())) {
          pictures += 1;
          const frame = await frames.frame(data, startedAt, 'arrival');
          if (frame) yield frame;
          if (signal.aborted) return;
        }
        if (pictures === 0 && splitter.skipped > MOST_NOISE_BYTES) {
          throw this.#failure('writes something, but no JPEG. Have it encode JPEGs, e.g. --codec mjpeg', []);
        }
      }
      if (splitter.waiting > 0) frames.damaged('is cut off, as the command ended');
      const exit = await child.exit;
      if (!signal.aborted) throw this.#ended(exit, pictures);
    } catch (error) {
      if (!signal.aborted) throw error;
    } finally {
      signal.removeEventListener('abort', stop);
      child.stop();
      await child.exit;
    }
  }

  #ended({ code, signal, lastLines }: ChildExit, pictures: number): RelayError {
    const [program] = this.#command;
    if (pictures === 0 && (code === NO_PROGRAM || code === NOT_A_PROGRAM)) {
      return new RelayError(
        `The command ${program} cannot be started (${lastLines.at(-1) ?? `exit code ${code}`}). Check its name, and that it is installed here.`,
        { code: 'SOURCE_UNSUITABLE', stage: this.#stage },
      );
    }
    return this.#failure(`has ended (${signal ?? `exit code ${code}`})`, lastLines);
  }

  #failure(what: string, lastLines: readonly string[]): RelayError {
    const said = lastLines.length > 0 ? ` It says: ${lastLines.join(' / ')}` : '';
    const cure = lastLines.some((line) => line.includes('/dev/stdout'))
      ? ' Have it write to its standard output itself (fdsink): /dev/stdout cannot be opened here.'
      : '';
    return new RelayError(`The command ${this.#command[0]} ${what}.${cure}${said}`, {
      code: 'SOURCE_FAILED',
      stage: this.#stage,
      retryable: true,
    });
  }
}

function isCommand(command: unknown): command is [string, ...string[]] {
  return (
    Array.isArray(command) &&
    command.length > 0 &&
    command.every((word) => typeof word === 'string') &&
    command[0] !== ''
  );
}

import { DEFAULT_MAX_PIXELS } from '../codec';
import { RelayError } from '../errors';
import type { Capture, CaptureDescription, CapturedFrame } from './capture';
import { assertCaptureOptions, type CaptureOptions, startTimeOf, VIDEO_OPTIONS } from './capture-options';
import { type ChildExit, ChildProgram } from './child-program';
import { withoutCredentials } from './credentials';
import { findFfmpeg, knowsOption } from './ffmpeg';
import { isRemoteFile, nameOfPath, nameOfUrl, statInput } from './input-path';
import { NUT_TO_PIPE, NutReader, RAW_VIDEO } from './nut-reader';
import { Pace } from './pace';
import { parseVideoHeader, type VideoHeader } from './video-header';

/** What a video's capture can be told. */
export type VideoFileOptions = Pick<CaptureOptions, (typeof VIDEO_OPTIONS)[number]>;

interface Opened {
  readonly program: string;
  readonly header: VideoHeader;
  /** Milliseconds since 1970 (UTC). */
  readonly startedAt: number;
}

/**
 * What ffmpeg says when a file stops in the middle or its pictures cannot be decoded whole: it ends
 * with exit code 0 all the same. A packet that is merely flagged does not count: recordings that were
 * joined or cut out of a transport stream have those and are sound.
 */
const DAMAGE = [
  /: partial file$/,
  /File ended prematurely/,
  /^\[matroska.*\] Read error$/,
  /Packet corrupt .*dropping it/,
  /Dropped corrupted packet/,
  /error while decoding MB/,
  /Error at MB: /,
  /Invalid NAL unit size/,
];
/** Said of every MJPEG video, and of no use to anybody. */
const NOISE = /deprecated pixel format/;

/**
 * A video file, decoded by an ffmpeg process to yuv420p, upright, with the times of its frames as they
 * are in the container (a variable rate stays variable). `capturedAt` is the start of the recording
 * (`startTime`, else the container's creation time, else the file's date) plus the frame's time in it.
 */
export class VideoFile implements Capture {
  readonly name: string;
  readonly live = false;
  readonly #path: string;
  readonly #stage: string;
  readonly #options: VideoFileOptions;

  constructor(path: string, options: VideoFileOptions = {}) {
    assertCaptureOptions(options, 'a video', VIDEO_OPTIONS);
    this.#path = path;
    this.#options = { ...options };
    this.name = isRemoteFile(path) ? nameOfUrl(path) : nameOfPath(path);
    this.#stage = `camera ${this.name}`;
  }

  async describe(): Promise<CaptureDescription> {
    const { loop: isEndless = false } = this.#options;
    const { width, height, seconds, frames } = (await this.#open()).header;
    return {
      width,
      height,
      ...(!isEndless && frames !== undefined && { frames }),
      ...(!isEndless && seconds !== undefined && { seconds }),
    };
  }

  async *frames(signal: AbortSignal): AsyncGenerator<CapturedFrame, void> {
    const opened = await this.#open();
    const pace = this.#options.realTime ? new Pace(signal) : undefined;
    const { framesPerSecond = 25 } = opened.header;
    let offsetMs = 0;
    do {
      let [last, beforeLast] = [0, -1000 / framesPerSecond];
      for await (const { positionMs, ...frame } of this.#play(opened, signal)) {
        await pace?.until(offsetMs + positionMs);
        if (signal.aborted) return;
        yield { ...frame, capturedAt: opened.startedAt + offsetMs + positionMs };
        [last, beforeLast] = [positionMs, last === positionMs ? beforeLast : last];
      }
      offsetMs += last + (last - beforeLast);
    } while (this.#options.loop && !signal.aborted);
  }

  async *#play({ program, header }: Opened, signal: AbortSignal) {
    const passThrough = (await knowsOption(program, '-fps_mode')) ? '-fps_mode' : '-vsync';
    if (signal.aborted) return;
    const damage: string[] = [];
    const ffmpeg = new ChildProgram(program, decodeOptions(this.#path, header, passThrough), {
      onLine: (line) => {
        if (damage.length < 3 && DAMAGE.some((pattern) => pattern.test(line))) damage.push(line);
      },
    });
    const stop = () => ffmpeg.stop();
    signal.addEventListener('abort', stop, { once: true });
    const reader = new NutReader();
    let frames = 0;
    try {
      for await (const chunk of ffmpeg.chunks()) {
        for (const { data, positionMs, width, height } of reader.feed(chunk)) {
          frames += 1;
          const image = {
            format: 'yuv420p',
            data,
            width,
            height,
            range: 'limited',
            matrix: header.matrix,
          } as const;
          yield { image, positionMs, clock: 'file', readAt: Date.now() } as const;
        }
      }
      const exit = await ffmpeg.exit;
      if (!signal.aborted) this.#judge(exit, frames, damage, reader.isMidFrame);
    } catch (error) {
      if (!signal.aborted) throw error;
    } finally {
      signal.removeEventListener('abort', stop);
      ffmpeg.stop();
      await ffmpeg.exit;
    }
  }

  async #open(): Promise<Opened> {
    const { mtimeMs, size } = isRemoteFile(this.#path)
      ? { mtimeMs: Date.now(), size: undefined }
      : await statInput(this.#path, this.#stage);
    if (size === 0) throw this.#failure('is empty (0 bytes)', []);
    const program = await findFfmpeg(this.#stage, this.#options.ffmpegPath);
    const lines: string[] = [];
    const ffmpeg = new ChildProgram(program, ['-hide_banner', '-nostdin', '-i', inputOf(this.#path)], {
      onLine: (line) => void lines.push(line),
    });
    ffmpeg.output.resume();
    const { lastLines } = await ffmpeg.exit;
    const header = parseVideoHeader(lines);
    if (!header) throw this.#failure('is not a video that ffmpeg can open', lastLines.slice(-3));
    const { maxPixels = DEFAULT_MAX_PIXELS } = this.#options;
    if (header.width * header.height > maxPixels) {
      throw new RelayError(
        `${withoutCredentials(this.#path)} is ${header.width} x ${header.height} pixels; the limit is ${maxPixels} pixels. Make it smaller, or raise maxPixels.`,
        { code: 'PICTURE_TOO_LARGE', stage: this.#stage },
      );
    }
    return {
      program,
      header,
      startedAt: startTimeOf(this.#options) ?? header.createdAt ?? Math.floor(mtimeMs),
    };
  }

  #judge(exit: ChildExit, frames: number, damage: readonly string[], isMidFrame: boolean): void {
    const said = damage.length > 0 ? damage : exit.lastLines.filter((line) => !NOISE.test(line)).slice(-3);
    if (exit.code !== 0 || isMidFrame) throw this.#failure(`failed; frames read before: ${frames}`, said);
    if (frames === 0) throw this.#failure('has no frame that can be decoded', said);
    if (damage.length > 0) throw this.#failure(`is damaged or cut short; frames read: ${frames}`, said);
  }

  #failure(what: string, said: readonly string[]): RelayError {
    // Without the names and addresses of ffmpeg's parts.
    const lines = said.map((line) => line.replace(/^\[[^\]]* @ 0x[0-9a-f]+\] /, ''));
    const quoted = lines.length > 0 ? ` ffmpeg says: ${lines.join(' / ')}` : '';
    return new RelayError(
      `${withoutCredentials(this.#path)} ${what}. Copy it again, or check it with ffmpeg.${quoted}`,
      {
        code: 'SOURCE_FAILED',
        stage: this.#stage,
      },
    );
  }
}

function inputOf(path: string): string {
  return isRemoteFile(path) ? path : `file:${path}`;
}

function decodeOptions(path: string, { range, container }: VideoHeader, passThrough: string): string[] {
  return [
    ...['-hide_banner', '-nostdin', '-nostats', '-loglevel', 'warning'],
    // A packet that was cut off gives a broken picture. Joined transport streams flag sound ones, too.
    ...(container.includes('mpegts') ? [] : ['-fflags', '+discardcorrupt']),
    // A gap in a transport stream is a gap in time; only a step back is a new count.
    ...['-dts_delta_threshold', '1000000'],
    ...['-i', inputOf(path), '-map', '0:V:0'],
    // Versions differ in what they do to full range unasked, so it is always asked for.
    ...(range === 'full' ? ['-vf', 'scale=in_range=pc:out_range=tv'] : []),
    // Without a time base of its own, ffmpeg moves frames to the nearest multiple of the nominal rate.
    ...[passThrough, 'passthrough', '-enc_time_base', '1:1000'],
    ...[...RAW_VIDEO, '-pix_fmt', 'yuv420p', ...NUT_TO_PIPE],
  ];
}

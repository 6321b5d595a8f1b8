import { DEFAULT_MAX_PIXELS } from '../codec';
import { RelayError } from '../errors';
import { byteLengthOf } from '../image';
import type { Capture, CaptureDescription, CapturedFrame, CaptureListener } from './capture';
import { checkMode } from './capture-mode';
import {
  assertCaptureOptions,
  type CaptureOptions,
  RTSP_OPTIONS,
  requestedMode,
  STREAM_OPTIONS,
} from './capture-options';
import { ChildProgram } from './child-program';
import { withoutCredentials } from './credentials';
import { findFfmpeg, knowsListOptions, knowsOption } from './ffmpeg';
import { nameOfUrl } from './input-path';
import { NUT_TO_PIPE, type NutFrame, NutReader, RAW_VIDEO } from './nut-reader';
import { StreamBacklog } from './stream-backlog';
import { StreamClock } from './stream-clock';
import { failureOf, isStreamDamage } from './stream-failure';
import { parseVideoHeader, type VideoHeader } from './video-header';

/** What a capture of a video stream can be told. */
export type VideoStreamOptions = Pick<CaptureOptions, (typeof RTSP_OPTIONS)[number]>;

/** Formats without times of their own: what ffmpeg gives them is a guess at the rate. */
const WITHOUT_TIMES = /^(h264|hevc|m4v|mjpeg|mpjpeg|mpegvideo|obu|ivf)$/;
const KEPT_HEADER_LINES = 200;

/**
 * A live video stream, RTSP or HTTP, decoded by an ffmpeg process to yuv420p.
 *
 * `capturedAt` has the distances that the stream's own times have (of RTP, MPEG-TS, …), and begins with the
 * frame that arrived with the least delay (clock `stream`): what the camera, the network and the decoder
 * need at the least is in it. A stream without times gives when a frame was read (clock `arrival`).
 */
export class VideoStream implements Capture {
  readonly name: string;
  readonly live = true;
  readonly #url: URL;
  readonly #stage: string;
  readonly #options: VideoStreamOptions;

  constructor(location: string, options: VideoStreamOptions = {}) {
    this.name = nameOfUrl(location);
    this.#url = new URL(location);
    const isRtsp = this.#url.protocol.startsWith('rtsp');
    if (isRtsp) assertCaptureOptions(options, 'an RTSP stream', RTSP_OPTIONS);
    else assertCaptureOptions(options, 'a stream', STREAM_OPTIONS);
    this.#options = { ...options };
    this.#stage = `camera ${this.name}`;
  }

  async describe(): Promise<CaptureDescription> {
    return {};
  }

  async *frames(signal: AbortSignal, listener?: CaptureListener): AsyncGenerator<CapturedFrame, void> {
    const program = await findFfmpeg(this.#stage, this.#options.ffmpegPath);
    const passThrough = (await knowsOption(program, '-fps_mode')) ? '-fps_mode' : '-vsync';
    const noScaling = (await knowsOption(program, '-autoscale')) ? ['-autoscale', '0'] : [];
    const stream = await this.#input(program);
    const args = decodeOptions(stream, [passThrough, 'passthrough', ...noScaling]);
    if (signal.aborted) return;
    const headerLines: string[] = [];
    const damage: string[] = [];
    const ffmpeg = new ChildProgram(program, args, {
      ...(stream.input !== undefined && { input: stream.input }),
      onLine: (line) => {
        if (headerLines.length < KEPT_HEADER_LINES) headerLines.push(line);
        if (damage.length === 0 && isStreamDamage(line)) damage.push(line);
      },
    });
    const stop = () => ffmpeg.stop();
    signal.addEventListener('abort', stop, { once: true });
    try {
      const reader = new NutReader();
      const clock = new StreamClock();
      const backlog = new StreamBacklog(Date.now());
      let header: VideoHeader | undefined;
      for await (const chunk of ffmpeg.chunks()) {
        for (const frame of reader.feed(chunk)) {
          const readAt = Date.now();
          header ??= this.#look(headerLines, frame, listener);
          const line = damage.pop();
          if (line !== undefined) this.#tellDamage(line, listener);
          const at = clock.timeOf(frame.positionMs, readAt);
          const isTimed = !WITHOUT_TIMES.test(header.container);
          const capturedAt = isTimed ? at : readAt;
          if (backlog.holds(frame.positionMs, readAt)) {
            listener?.dropped({ capturedAt });
            continue;
          }
          yield {
            image: this.#image(frame, header),
            capturedAt,
            clock: isTimed ? 'stream' : 'arrival',
            readAt,
          };
          if (signal.aborted) return;
        }
      }
      const { lastLines } = await ffmpeg.exit;
      if (!signal.aborted) throw failureOf(withoutCredentials(this.#url.href), this.#stage, lastLines);
    } catch (error) {
      if (!signal.aborted) throw error;
    } finally {
      signal.removeEventListener('abort', stop);
      ffmpeg.stop();
      await ffmpeg.exit;
    }
  }

  /** What ffmpeg has said of the stream, once the first frame is here. */
  #look(lines: readonly string[], { width, height }: NutFrame, listener?: CaptureListener): VideoHeader {
    const { maxPixels = DEFAULT_MAX_PIXELS, exact } = this.#options;
    if (width * height > maxPixels) {
      throw new RelayError(
        `${withoutCredentials(this.#url.href)} is ${width} x ${height} pixels; the limit is ${maxPixels} pixels. Take a smaller stream of the camera, or raise maxPixels.`,
        { code: 'PICTURE_TOO_LARGE', stage: this.#stage },
      );
    }
    const requested = requestedMode(this.#options);
    checkMode({ got: { width, height }, requested, exact, stage: this.#stage }, listener);
    return parseVideoHeader(lines) ?? { width, height, range: 'limited', matrix: 'bt601', container: '' };
  }

  #image({ data, width, height }: NutFrame, { range, matrix }: VideoHeader) {
    const image = { format: 'yuv420p', data, width, height, range, matrix } as const;
    if (data.length === byteLengthOf(image)) return image;
    throw new RelayError(
      `${withoutCredentials(this.#url.href)} has changed its size from ${width} x ${height} pixels. It is opened again.`,
      { code: 'SOURCE_FAILED', stage: this.#stage, retryable: true },
    );
  }

  #tellDamage(line: string, listener?: CaptureListener): void {
    const name = withoutCredentials(this.#url.href);
    const error = new RelayError(`A part of ${name} did not arrive whole. ffmpeg says: ${line}`, {
      code: 'PICTURE_DAMAGED',
      stage: this.#stage,
    });
    listener?.damaged({ name, error });
  }

  async #input(program: string): Promise<StreamInput> {
    const { href, protocol } = this.#url;
    const options = {
      ...(protocol.startsWith('rtsp') && { rtsp_transport: this.#options.transport ?? 'tcp' }),
      // To look at seconds of the stream before its first frame would make that seconds late.
      fpsprobesize: '0',
      analyzeduration: '2000000',
      // What is cut off gives a broken picture.
      fflags: '+discardcorrupt',
    };
    // HLS comes in pieces of seconds, each all at once: ffmpeg gives its frames at their pace.
    const pace = this.#url.pathname.endsWith('.m3u8') ? ['-re'] : [];
    if (withoutCredentials(href) !== href && (await knowsListOptions(program))) {
      const { args, input } = listed(href, options);
      return { args: [...pace, ...args], input };
    }
    const args = Object.entries(options).flatMap(([name, value]) => [`-${name}`, value]);
    return { args: [...pace, ...args, '-i', href] };
  }
}

interface StreamInput {
  readonly args: readonly string[];
  /** What ffmpeg reads from its standard input. */
  readonly input?: string;
}

/** A password in an argument stands in the list of processes: the URL comes by standard input, in a list of one. */
function listed(url: string, options: Readonly<Record<string, string>>): Required<StreamInput> {
  const protocols = 'pipe,fd,rtsp,rtsps,rtp,srtp,tcp,udp,tls,http,https,httpproxy,crypto,hls';
  const lines = [
    'ffconcat version 1.0',
    `file '${url.replaceAll("'", "'\\''")}'`,
    ...Object.entries(options).map(([name, value]) => `option ${name} ${value}`),
  ];
  return {
    args: ['-f', 'concat', '-safe', '0', '-protocol_whitelist', protocols, '-i', 'pipe:0'],
    input: `${lines.join('\n')}\n`,
  };
}

function decodeOptions({ args }: StreamInput, timing: readonly string[]): string[] {
  return [
    // Slices are decoded side by side; frames would be, too, each of them one frame late.
    ...['-hide_banner', '-nostdin', '-nostats', '-loglevel', 'info', '-thread_type', 'slice', ...args],
    // Both names of one layout, full range and limited: taken as it comes, without a conversion.
    ...['-map', '0:V:0', '-vf', 'format=yuv420p|yuvj420p', ...timing, '-enc_time_base', '1:1000'],
    ...[...RAW_VIDEO, ...NUT_TO_PIPE],
  ];
}

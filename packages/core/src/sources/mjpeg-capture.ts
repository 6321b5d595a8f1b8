import type { IncomingMessage } from 'node:http';
import { messageOf, RelayError } from '../errors';
import type { Capture, CaptureDescription, CapturedFrame, CaptureListener } from './capture';
import { assertCaptureOptions, type CaptureOptions, JPEG_OPTIONS } from './capture-options';
import { withoutCredentials } from './credentials';
import { openHttp } from './http-input';
import { nameOfUrl } from './input-path';
import { JpegFrames } from './jpeg-frames';
import { JpegSplitter } from './jpeg-splitter';
import { StreamClock } from './stream-clock';

/** What a capture of JPEGs can be told. */
export type JpegCaptureOptions = Pick<CaptureOptions, (typeof JPEG_OPTIONS)[number]>;

/**
 * A camera that sends JPEGs without end over HTTP (`multipart/x-mixed-replace`): an ESP32-CAM, motion,
 * mjpg-streamer, most IP cameras beside their RTSP. The pictures stay as they come. They are found by
 * their own markers: what a camera says of boundaries and lengths is often wrong, and not needed.
 *
 * `capturedAt` is when a picture's first bytes arrived (`arrival`). Where each part has an `X-Timestamp`,
 * the distances are the camera's own (`stream`), beginning with the picture that was least late.
 */
export class MjpegCapture implements Capture {
  readonly name: string;
  readonly live = true;
  readonly #url: string;
  readonly #stage: string;
  readonly #options: JpegCaptureOptions;

  /** @param url `http://` or `https://`, with user and password where the camera wants them. */
  constructor(url: string, options: JpegCaptureOptions = {}) {
    assertCaptureOptions(options, 'an MJPEG stream', JPEG_OPTIONS);
    this.name = nameOfUrl(url);
    this.#url = url;
    this.#stage = `camera ${this.name}`;
    this.#options = { ...options };
  }

  async describe(): Promise<CaptureDescription> {
    return {};
  }

  async *frames(signal: AbortSignal, listener?: CaptureListener): AsyncGenerator<CapturedFrame, void> {
    try {
      const response = await openHttp(this.#url, this.#stage, signal);
      if (!isMultipart(response)) {
        response.destroy();
        throw this.#failure(
          `is ${response.headers['content-type'] ?? 'of no type'}, not a stream of JPEGs. Look for another address of the camera, such as /stream or /video.mjpg.`,
          'SOURCE_UNSUITABLE',
        );
      }
      yield* this.read(response, signal, listener);
    } catch (error) {
      if (!signal.aborted) throw error;
    }
  }

  /** The frames of a response that is here already; ends it. */
  async *read(
    response: IncomingMessage,
    signal: AbortSignal,
    listener?: CaptureListener,
  ): AsyncGenerator<CapturedFrame, void> {
    const frames = new JpegFrames(this.#stage, withoutCredentials(this.#url), this.#options, listener);
    const splitter = new JpegSplitter();
    const clock = new StreamClock();
    try {
      for await (const chunk of response) {
        for (const { data, startedAt, before } of splitter.feed(chunk, Date.now())) {
          const stamp = /^x-timestamp:\s*(\d+\.\d+)/im.exec(before)?.[1];
          const frame =
            stamp === undefined
              ? await frames.frame(data, startedAt, 'arrival')
              : await frames.frame(data, clock.timeOf(Number(stamp) * 1000, startedAt), 'stream');
          if (frame) yield frame;
          if (signal.aborted) return;
        }
      }
    } catch (error) {
      if (error instanceof RelayError || signal.aborted) throw error;
      throw this.#failure(`has broken off (${messageOf(error)}).`, 'SOURCE_FAILED', error);
    } finally {
      response.destroy();
    }
    if (!signal.aborted) throw this.#failure('has ended the stream.', 'SOURCE_FAILED');
  }

  #failure(what: string, code: 'SOURCE_FAILED' | 'SOURCE_UNSUITABLE', cause?: unknown): RelayError {
    return new RelayError(`${withoutCredentials(this.#url)} ${what}`, {
      code,
      stage: this.#stage,
      retryable: code === 'SOURCE_FAILED',
      cause,
    });
  }
}

export function isMultipart({ headers }: IncomingMessage): boolean {
  return /^multipart\//i.test(headers['content-type'] ?? '');
}

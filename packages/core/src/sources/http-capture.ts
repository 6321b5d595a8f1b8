import type { Capture, CaptureDescription, CapturedFrame, CaptureListener } from './capture';
import { assertCaptureOptions, type CaptureOptions, STREAM_OPTIONS } from './capture-options';
import { openHttp } from './http-input';
import { nameOfUrl } from './input-path';
import { isMultipart, MjpegCapture } from './mjpeg-capture';
import { VideoStream } from './video-stream';

/** An address that does not say what it gives: JPEGs where its content type is multipart, else video. */
export class HttpCapture implements Capture {
  readonly name: string;
  readonly live = true;
  readonly #url: string;
  readonly #stage: string;
  readonly #jpegs: MjpegCapture;
  readonly #video: VideoStream;

  constructor(url: string, options: CaptureOptions = {}) {
    assertCaptureOptions(options, 'a stream', STREAM_OPTIONS);
    const { ffmpegPath: _, ...rest } = options;
    this.name = nameOfUrl(url);
    this.#url = url;
    this.#stage = `camera ${this.name}`;
    this.#jpegs = new MjpegCapture(url, rest);
    this.#video = new VideoStream(url, options);
  }

  async describe(): Promise<CaptureDescription> {
    return {};
  }

  async *frames(signal: AbortSignal, listener?: CaptureListener): AsyncGenerator<CapturedFrame, void> {
    if (signal.aborted) return;
    try {
      const response = await openHttp(this.#url, this.#stage, signal);
      if (isMultipart(response)) {
        yield* this.#jpegs.read(response, signal, listener);
        return;
      }
      response.destroy();
      yield* this.#video.frames(signal, listener);
    } catch (error) {
      if (!signal.aborted) throw error;
    }
  }
}

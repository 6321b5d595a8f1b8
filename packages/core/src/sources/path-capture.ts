import type { Capture, CaptureDescription, CapturedFrame, CaptureListener } from './capture';
import { assertCaptureOptions, type CaptureOptions, PICTURE_OPTIONS, VIDEO_OPTIONS } from './capture-options';
import { ImageCapture } from './image-capture';
import { nameOfPath, statInput } from './input-path';
import { VideoFile } from './video-file';

/** A path that does not say what it is: a folder holds pictures, a file is a video. */
export class PathCapture implements Capture {
  readonly name: string;
  readonly live = false;
  readonly #path: string;
  readonly #options: CaptureOptions;

  constructor(path: string, options: CaptureOptions) {
    assertCaptureOptions(options, 'a recording', [...PICTURE_OPTIONS, ...VIDEO_OPTIONS]);
    this.#path = path;
    this.#options = { ...options };
    this.name = nameOfPath(path);
  }

  async describe(): Promise<CaptureDescription> {
    return (await this.#choose()).describe();
  }

  async *frames(signal: AbortSignal, listener?: CaptureListener): AsyncGenerator<CapturedFrame, void> {
    yield* (await this.#choose()).frames(signal, listener);
  }

  async #choose(): Promise<Capture> {
    const isFolder = (await statInput(this.#path, `camera ${this.name}`)).isDirectory();
    return isFolder ? new ImageCapture(this.#path, this.#options) : new VideoFile(this.#path, this.#options);
  }
}

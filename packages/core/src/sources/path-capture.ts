import type { Capture, CaptureDamage, CaptureDescription, CapturedFrame } from './capture';
import { ImageCapture } from './image-capture';
import { nameOfPath, statInput } from './input-path';
import {
  assertRecordingOptions,
  PICTURE_OPTIONS,
  type RecordingOptions,
  VIDEO_OPTIONS,
} from './recording-options';
import { VideoCapture } from './video-capture';

/** A path that does not say what it is: a folder holds pictures, a file is a video. */
export class PathCapture implements Capture {
  readonly name: string;
  readonly live = false;
  readonly #path: string;
  readonly #options: RecordingOptions;

  constructor(path: string, options: RecordingOptions) {
    assertRecordingOptions(options, 'a recording', [...PICTURE_OPTIONS, ...VIDEO_OPTIONS]);
    this.#path = path;
    this.#options = { ...options };
    this.name = nameOfPath(path);
  }

  async describe(): Promise<CaptureDescription> {
    return (await this.#choose()).describe();
  }

  async *frames(
    signal: AbortSignal,
    onDamage?: (damage: CaptureDamage) => void,
  ): AsyncGenerator<CapturedFrame, void> {
    yield* (await this.#choose()).frames(signal, onDamage);
  }

  async #choose(): Promise<Capture> {
    const isFolder = (await statInput(this.#path, `camera ${this.name}`)).isDirectory();
    return isFolder
      ? new ImageCapture(this.#path, this.#options)
      : new VideoCapture(this.#path, this.#options);
  }
}

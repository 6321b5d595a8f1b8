import { DEFAULT_MAX_PIXELS, readHeader } from '../codec';
import { RelayError } from '../errors';
import type { FrameClock } from '../frame';
import type { CapturedFrame, CaptureListener } from './capture';
import { checkMode } from './capture-mode';
import { type CaptureOptions, requestedMode } from './capture-options';
import { readJpegHeader } from './jpeg-header';

/** What captures of JPEGs share: each picture becomes a frame as it is, or is counted as damaged. */
export class JpegFrames {
  readonly #stage: string;
  readonly #name: string;
  readonly #options: CaptureOptions;
  readonly #listener: CaptureListener | undefined;
  #isChecked = false;

  /** For one opening of a capture. @param name what the input is called, without credentials. */
  constructor(stage: string, name: string, options: CaptureOptions, listener: CaptureListener | undefined) {
    this.#stage = stage;
    this.#name = name;
    this.#options = options;
    this.#listener = listener;
  }

  /**
   * The frame, its bytes as they came; undefined for a picture that is damaged or cut off, of which the
   * listener hears.
   * @throws {RelayError} `SOURCE_UNSUITABLE` or `PICTURE_TOO_LARGE`.
   */
  async frame(data: Buffer, capturedAt: number, clock: FrameClock): Promise<CapturedFrame | undefined> {
    const readAt = Date.now();
    const size = await this.#sizeOf(data);
    if (!size) {
      this.damaged(`is damaged or cut off (${data.length} bytes)`);
      return undefined;
    }
    const { width, height } = size;
    const { maxPixels = DEFAULT_MAX_PIXELS, exact } = this.#options;
    if (width * height > maxPixels) {
      throw new RelayError(
        `${this.#name} gives ${width} x ${height} pixels; the limit is ${maxPixels} pixels. Make it smaller, or raise maxPixels.`,
        { code: 'PICTURE_TOO_LARGE', stage: this.#stage },
      );
    }
    if (!this.#isChecked) {
      const requested = requestedMode(this.#options);
      checkMode({ got: { width, height }, requested, exact, stage: this.#stage }, this.#listener);
      this.#isChecked = true;
    }
    return { image: { format: 'jpeg', data, width, height }, capturedAt, clock, readAt };
  }

  /** Tells that a picture was skipped, and why. */
  damaged(what: string): void {
    const error = new RelayError(`A picture of ${this.#name} ${what}. It is skipped.`, {
      code: 'PICTURE_DAMAGED',
      stage: this.#stage,
    });
    this.#listener?.damaged({ name: this.#name, error });
  }

  async #sizeOf(data: Buffer) {
    const header = readJpegHeader(data);
    if (!header?.hasExif) return header;
    // It may be turned.
    const { maxPixels } = this.#options;
    const options = { stage: this.#stage, name: this.#name, ...(maxPixels !== undefined && { maxPixels }) };
    return readHeader(data, options).catch((error: RelayError) => {
      if (error.code === 'PICTURE_TOO_LARGE') throw error;
      return undefined;
    });
  }
}

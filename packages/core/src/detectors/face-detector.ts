import { readFile } from 'node:fs/promises';
import { EventEmitter } from 'eventemitter3';
import { decode } from '../codec';
import { messageOf, RelayError } from '../errors';
import type { Detection, Face } from '../face';
import type { Frame } from '../frame';
import { isRaw, type RawImage } from '../image';
import type { Transform } from '../stage';
import { type DetectorSettings, detectorSettings, type FaceDetectorOptions } from './detector-settings';
import { greyOf } from './luma';
import { ThreadPool } from './thread-pool';

export interface FaceDetectorEvents {
  /** A thread failed over a picture (whose `detect()` rejected with this); a fresh one takes its place. */
  restart: [{ readonly error: RelayError }];
  /** In a pipeline: a camera's picture could not be decoded, whole as it seemed; it is passed over. */
  damaged: [{ readonly camera: string; readonly sequence: number; readonly error: RelayError }];
}

export interface FaceDetectorStats {
  readonly frames: number;
  readonly faces: number;
  /** Frames of a pipeline that could not be decoded. */
  readonly damaged: number;
  /** Time the threads spent searching, added up. */
  readonly milliseconds: number;
  /** Threads that failed and were replaced. */
  readonly restarts: number;
  /** What OpenCV holds in all threads, in bytes. */
  readonly heapBytes: number;
}

/**
 * Finds faces with a cascade of OpenCV (compiled to WASM), in threads of its own; boxes are in pixels of
 * the full frame. As a stage of a pipeline it gives a `Detection` for every frame, in order.
 *
 * @example
 * const detector = new FaceDetector();
 * const faces = await detector.detect('group.jpg');
 * await detector.close();
 */
export class FaceDetector
  extends EventEmitter<FaceDetectorEvents>
  implements Transform<Frame, Detection>, AsyncDisposable
{
  /** The name in errors. */
  readonly name: string;
  readonly concurrency: number;
  readonly #settings: DetectorSettings;
  readonly #inFlight = new Set<Promise<unknown>>();
  readonly #counts = { frames: 0, faces: 0, damaged: 0, milliseconds: 0, restarts: 0 };
  #opened: Promise<ThreadPool> | undefined;
  #pool: ThreadPool | undefined;
  #closed: Promise<void> | undefined;

  /** @throws {TypeError} for an option that cannot be meant. Starts nothing. */
  constructor(options: FaceDetectorOptions = {}) {
    super();
    this.#settings = detectorSettings(options);
    this.name = `detector ${this.#settings.name}`;
    this.concurrency = this.#settings.workers;
  }

  get stats(): FaceDetectorStats {
    return { ...this.#counts, heapBytes: this.#pool?.heapBytes ?? 0 };
  }

  /**
   * Starts the threads and loads the cascade; the first `detect()` does it otherwise.
   * @throws {RelayError} `MODEL_NOT_FOUND`, `MODEL_INVALID`, `DETECTOR_FAILED` or `CLOSED`.
   */
  async open(): Promise<void> {
    await this.#ready();
  }

  /**
   * Finds the faces of a frame, of an encoded picture (JPEG, PNG or WebP), or of a picture file.
   * @throws {RelayError} `PICTURE_DAMAGED`, `PICTURE_TOO_LARGE`, `SOURCE_NOT_FOUND`, `DETECTOR_FAILED`, and
   *   what `open()` throws.
   */
  async detect(picture: Frame | Uint8Array | string): Promise<Face[]> {
    const detecting = this.#detect(picture);
    this.#inFlight.add(detecting);
    try {
      return await detecting;
    } finally {
      this.#inFlight.delete(detecting);
    }
  }

  async transform(frame: Frame): Promise<Detection[]> {
    try {
      const faces = await this.detect(frame);
      return [{ frame, faces, detector: this.#settings.name, detectedAt: Date.now() }];
    } catch (error) {
      if (isRaw(frame.image) || !(error instanceof RelayError) || error.code !== 'PICTURE_DAMAGED')
        throw error;
      // A picture of a camera among thousands: only a whole decoding shows it.
      this.#counts.damaged += 1;
      this.emit('damaged', { camera: frame.camera, sequence: frame.sequence, error });
      return [];
    }
  }

  /** Finishes what is in flight and ends the threads. */
  close(): Promise<void> {
    this.#closed ??= this.#close();
    return this.#closed;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  async #detect(picture: Frame | Uint8Array | string): Promise<Face[]> {
    const pool = await this.#ready();
    const grey = greyOf(await this.#pixels(picture));
    try {
      const { findings, milliseconds } = await pool.detect(grey);
      this.#counts.frames += 1;
      this.#counts.faces += findings.length;
      this.#counts.milliseconds += milliseconds;
      return findings.map(({ box, score }) => ({ box, score }));
    } catch (error) {
      this.#counts.restarts += 1;
      this.emit('restart', { error: error as RelayError });
      throw error;
    }
  }

  async #pixels(picture: Frame | Uint8Array | string): Promise<RawImage> {
    const options = { stage: this.name, maxPixels: this.#settings.maxPixels };
    if (typeof picture === 'string') {
      return decode(await this.#read(picture, 'SOURCE_NOT_FOUND'), { ...options, name: picture });
    }
    if (picture instanceof Uint8Array) return decode(picture, { ...options, name: 'The picture' });
    const { image, camera, sequence } = picture;
    return isRaw(image)
      ? image
      : decode(image.data, { ...options, name: `Frame ${sequence} of camera ${camera}` });
  }

  #ready(): Promise<ThreadPool> {
    if (this.#closed) {
      const message = `${this.name} is closed. Make a new one.`;
      return Promise.reject(new RelayError(message, { code: 'CLOSED', stage: this.name }));
    }
    this.#opened ??= this.#open().catch((error) => {
      this.#opened = undefined;
      throw error;
    });
    return this.#opened;
  }

  async #open(): Promise<ThreadPool> {
    const { workers, workerUrl, cascadePath, ...rest } = this.#settings;
    const { scaleFactor, minNeighbors, minFaceSize, maxFaceSize, detectionWidth } = rest;
    const cascade = await this.#read(cascadePath, 'MODEL_NOT_FOUND');
    const pool = new ThreadPool(workers, {
      url: workerUrl,
      settings: { cascade, scaleFactor, minNeighbors, minFaceSize, maxFaceSize, detectionWidth },
      stage: this.name,
      cascadePath,
    });
    try {
      await pool.open();
    } catch (error) {
      await pool.close();
      throw error;
    }
    this.#pool = pool;
    return pool;
  }

  async #read(path: string, code: 'SOURCE_NOT_FOUND' | 'MODEL_NOT_FOUND'): Promise<Uint8Array> {
    try {
      return await readFile(path);
    } catch (error) {
      const what = code === 'MODEL_NOT_FOUND' ? 'The cascade' : 'The picture';
      throw new RelayError(`${what} ${path} cannot be read (${messageOf(error)}). Check the path.`, {
        code,
        stage: this.name,
        cause: error,
      });
    }
  }

  async #close(): Promise<void> {
    await Promise.allSettled([this.#opened, ...this.#inFlight]);
    await this.#pool?.close();
  }
}

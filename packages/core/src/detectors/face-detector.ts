import { readFile } from 'node:fs/promises';
import { EventEmitter } from 'eventemitter3';
import { decode } from '../codec';
import { messageOf, RelayError } from '../errors';
import type { Detection, Face } from '../face';
import type { Frame } from '../frame';
import { isRaw } from '../image';
import type { Transform } from '../stage';
import { CameraWatch, type LookCounts, type WatchSettings } from './camera-watch';
import { cascadeWindow } from './cascade-window';
import { type DetectorSettings, detectorSettings, type FaceDetectorOptions } from './detector-settings';
import { type Look, placed, wholeLook } from './look';
import { greyOf } from './luma';
import type { GreyImage } from './model';
import { type ModelHost, OwnModel } from './model-host';
import type { OpencvCascadeSettings } from './opencv-cascade';
import { detectionWidthFor } from './search-fields';
import { ThreadPool } from './thread-pool';
import type { WorkerFindings } from './worker-protocol';

/** News of a FaceDetector; data goes through `transform()` and `detect()`. */
export interface FaceDetectorEvents {
  /** A thread failed over a picture (whose `detect()` rejected with this); a fresh one takes its place. */
  restart: [{ readonly error: RelayError }];
  /** In a pipeline: a camera's picture could not be decoded, whole as it seemed; it is passed over. */
  damaged: [{ readonly camera: string; readonly sequence: number; readonly error: RelayError }];
}

/** Counters since the detector was made. */
export interface FaceDetectorStats {
  /** Frames and pictures it was given. */
  readonly frames: number;
  /** Faces it found in them. */
  readonly faces: number;
  /** Looks at a whole picture: photos, the first frame of a video, every frame without `closeLooks`. */
  readonly wholeLooks: number;
  /** Looks at a part of a frame because something moved there, or because it was its turn. */
  readonly fieldLooks: number;
  /** Looks at the place of a known face, or at what a field had shown. */
  readonly closeLooks: number;
  /** Frames that were not looked at, since nothing had changed. */
  readonly unchanged: number;
  /** Frames of a pipeline that could not be decoded. */
  readonly damaged: number;
  /** Time the threads spent searching, added up. */
  readonly milliseconds: number;
  /** Threads that failed and were replaced. */
  readonly restarts: number;
  /** Threads that were replaced because they held more than `maxThreadBytes`. */
  readonly recycled: number;
  /** What OpenCV holds in all threads, in bytes. */
  readonly heapBytes: number;
}

/** Cameras whose last frames are remembered; a name of a camera more, and the longest unseen is forgotten. */
const MOST_CAMERAS = 64;

/**
 * Finds faces with a cascade of OpenCV (compiled to WASM), in threads of its own; boxes are in pixels of
 * the full frame. `detect()` looks at all of a picture. As a stage of a pipeline it gives a `Detection` for
 * every frame, in order, and looks at the frames of a video only where it is worth it.
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
  readonly #looks: LookCounts = { whole: 0, fields: 0, close: 0, unchanged: 0 };
  readonly #watches = new Map<string, CameraWatch>();
  #opened: Promise<ModelHost> | undefined;
  #host: ModelHost | undefined;
  #closed: Promise<void> | undefined;

  /** @throws {TypeError} for an option that cannot be meant. Starts nothing. */
  constructor(options: FaceDetectorOptions = {}) {
    super();
    this.#settings = detectorSettings(options);
    this.name = `detector ${this.#settings.name}`;
    const { workers } = this.#settings;
    // One more than there are threads: what is through early still waits for the frame before it. A single one sees
    // each frame knowing what the one before has shown.
    this.concurrency = workers === 1 ? 1 : workers + 1;
  }

  /** Counters since the detector was made, as they are now. */
  get stats(): FaceDetectorStats {
    const { whole, fields, close, unchanged } = this.#looks;
    return {
      ...this.#counts,
      wholeLooks: whole,
      fieldLooks: fields,
      closeLooks: close,
      unchanged,
      heapBytes: this.#host?.heapBytes ?? 0,
      recycled: this.#host?.recycled ?? 0,
    };
  }

  /**
   * Starts the threads and loads the cascade; the first `detect()` does it otherwise.
   * @throws {RelayError} `MODEL_NOT_FOUND`, `MODEL_INVALID`, `DETECTOR_FAILED` or `CLOSED`.
   */
  async open(): Promise<void> {
    await this.#ready();
  }

  /**
   * Finds all faces of a frame, of an encoded picture (JPEG, PNG or WebP), or of a picture file.
   * @throws {RelayError} `PICTURE_DAMAGED`, `PICTURE_TOO_LARGE`, `SOURCE_NOT_FOUND`, `DETECTOR_FAILED`, and
   *   what `open()` throws.
   */
  detect(picture: Frame | Uint8Array | string): Promise<Face[]> {
    return this.#tracked(this.#detect(picture));
  }

  /** Looks for the faces of a frame of a pipeline; the frame goes on also where there are none. */
  async transform(frame: Frame): Promise<Detection[]> {
    try {
      return [await this.#tracked(this.#watch(frame))];
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

  async #tracked<T>(work: Promise<T>): Promise<T> {
    this.#inFlight.add(work);
    try {
      return await work;
    } finally {
      this.#inFlight.delete(work);
    }
  }

  async #detect(picture: Frame | Uint8Array | string): Promise<Face[]> {
    const host = await this.#ready();
    const look = wholeLook(await this.#grey(picture), this.#settingsFor(host));
    const { findings } = await this.#search(host, [look]);
    this.#looks.whole += 1;
    return this.#count(findings[0]!.map((finding) => placed(finding, look)));
  }

  async #watch(frame: Frame): Promise<Detection> {
    const host = await this.#ready();
    const watch = this.#watchOf(frame.camera, host);
    const { faces, waiting, looked } = await watch.look({
      picture: this.#grey(frame, this.#narrowest(frame, host)),
      at: frame.capturedAt,
      still: frame.still === true,
      width: frame.image.width,
      search: (looks) => this.#search(host, looks),
    });
    return {
      frame,
      faces: this.#count(faces),
      detector: this.#settings.name,
      detectedAt: Date.now(),
      ...(!looked && { looked }),
      ...(waiting.length > 0 && { waiting }),
    };
  }

  /** How wide an encoded frame of a video has to be decoded for what is looked for in it; undefined is in full. */
  #narrowest({ still, image }: Frame, host: ModelHost): number | undefined {
    if (still || isRaw(image) || !this.#settings.closeLooks) return undefined;
    return this.#settingsFor(host).detectionWidth || undefined;
  }

  async #grey(picture: Frame | Uint8Array | string, atMostWide?: number): Promise<GreyImage> {
    const { maxPixels } = this.#settings;
    const options = { stage: this.name, maxPixels, ...(atMostWide !== undefined && { atMostWide }) };
    if (typeof picture === 'string') {
      return greyOf(
        await decode(await this.#read(picture, 'SOURCE_NOT_FOUND'), { ...options, name: picture }),
      );
    }
    if (picture instanceof Uint8Array)
      return greyOf(await decode(picture, { ...options, name: 'The picture' }));
    const { image, camera, sequence } = picture;
    if (isRaw(image)) return greyOf(image);
    return greyOf(await decode(image.data, { ...options, name: `Frame ${sequence} of camera ${camera}` }));
  }

  async #search(host: ModelHost, looks: readonly Look[]): Promise<WorkerFindings> {
    try {
      const found = await host.detect({ looks: looks.map(({ image, search }) => ({ image, search })) });
      this.#counts.milliseconds += found.milliseconds.reduce((sum, time) => sum + time, 0);
      return found;
    } catch (error) {
      this.#counts.restarts += 1;
      this.emit('restart', { error: error as RelayError });
      throw error;
    }
  }

  #count<Faces extends readonly Face[]>(faces: Faces): Faces {
    this.#counts.frames += 1;
    this.#counts.faces += faces.length;
    return faces;
  }

  /** What is remembered of a camera. */
  #watchOf(camera: string, host: ModelHost): CameraWatch {
    const watch = this.#watches.get(camera) ?? new CameraWatch(this.#settingsFor(host), this.#looks);
    this.#watches.delete(camera);
    this.#watches.set(camera, watch);
    if (this.#watches.size > MOST_CAMERAS) this.#watches.delete(this.#watches.keys().next().value!);
    return watch;
  }

  #settingsFor({ window }: ModelHost): WatchSettings {
    const { detectionWidth = detectionWidthFor(window), model } = this.#settings;
    return { ...this.#settings, detectionWidth, window, shrinksWhole: model !== undefined };
  }

  #ready(): Promise<ModelHost> {
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

  async #open(): Promise<ModelHost> {
    const { model, workers, workerUrl, maxThreadBytes } = this.#settings;
    if (model && !(model instanceof URL)) {
      this.#host = new OwnModel(model, this.name);
      return this.#host;
    }
    const pool = new ThreadPool(workers, maxThreadBytes, {
      url: workerUrl,
      settings: model ? { module: model.href } : await this.#cascadeSettings(),
      stage: this.name,
      modelPath: model?.href ?? this.#settings.cascadePath,
    });
    try {
      await pool.open();
    } catch (error) {
      await pool.close();
      throw error;
    }
    this.#host = pool;
    return pool;
  }

  async #cascadeSettings(): Promise<OpencvCascadeSettings> {
    const { cascadePath, scaleFactor, minNeighbors } = this.#settings;
    const cascade = await this.#read(cascadePath, 'MODEL_NOT_FOUND');
    const { detectionWidth = detectionWidthFor(cascadeWindow(cascade)) } = this.#settings;
    return { cascade, scaleFactor, minNeighbors, detectionWidth };
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
    await this.#host?.close();
  }
}

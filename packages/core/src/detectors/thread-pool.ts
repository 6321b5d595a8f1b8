import { DetectorThread, type DetectorThreadOptions } from './detector-thread';
import type { GreyImage } from './model';
import type { WorkerFindings } from './worker-protocol';

interface Place {
  thread: DetectorThread | undefined;
}

/** A fixed number of places for detection threads; who comes first is served first. */
export class ThreadPool {
  readonly #options: DetectorThreadOptions;
  readonly #places: readonly Place[];
  readonly #free: Place[];
  readonly #waiting: ((place: Place) => void)[] = [];

  constructor(count: number, options: DetectorThreadOptions) {
    this.#options = options;
    this.#places = Array.from({ length: count }, () => ({ thread: undefined }));
    this.#free = [...this.#places];
  }

  /** What the threads hold outside the JavaScript heap, in bytes. */
  get heapBytes(): number {
    return this.#places.reduce((sum, { thread }) => sum + (thread?.heapBytes ?? 0), 0);
  }

  /** Starts all threads; to be awaited before the first `detect()`. @throws {RelayError} `MODEL_INVALID` or `DETECTOR_FAILED`. */
  async open(): Promise<void> {
    const started = await Promise.allSettled(this.#places.map((place) => this.#fill(place)));
    for (const outcome of started) if (outcome.status === 'rejected') throw outcome.reason;
  }

  /** Takes over the buffer of the pixels. @throws {RelayError} `DETECTOR_FAILED`. */
  async detect(image: GreyImage): Promise<WorkerFindings> {
    const place = this.#free.shift() ?? (await new Promise<Place>((resolve) => this.#waiting.push(resolve)));
    try {
      const thread = await this.#fill(place);
      return await thread.detect(image);
    } finally {
      const next = this.#waiting.shift();
      if (next) next(place);
      else this.#free.push(place);
    }
  }

  async close(): Promise<void> {
    await Promise.all(this.#places.map(({ thread }) => thread?.close()));
  }

  /** A place whose thread has failed gets a new one. */
  async #fill(place: Place): Promise<DetectorThread> {
    if (!place.thread?.alive) place.thread = await DetectorThread.start(this.#options);
    return place.thread;
  }
}

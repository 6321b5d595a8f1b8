import { DetectorThread, type DetectorThreadOptions } from './detector-thread';
import type { ModelHost } from './model-host';
import type { WorkerFindings, WorkerReady, WorkerRequest } from './worker-protocol';

interface Place {
  thread: DetectorThread | undefined;
}

/** A fixed number of places for detection threads; who comes first is served first. */
export class ThreadPool implements ModelHost {
  readonly #options: DetectorThreadOptions;
  readonly #places: readonly Place[];
  readonly #free: Place[];
  readonly #waiting: ((place: Place) => void)[] = [];
  readonly #maximumBytes: number;
  #window = { width: 0, height: 0 };
  #recycled = 0;

  /** @param maximumBytes a thread that holds more gives way to a fresh one when its job is done. */
  constructor(count: number, maximumBytes: number, options: DetectorThreadOptions) {
    this.#options = options;
    this.#maximumBytes = maximumBytes;
    this.#places = Array.from({ length: count }, () => ({ thread: undefined }));
    this.#free = [...this.#places];
  }

  /** What the threads hold outside the JavaScript heap, in bytes. */
  get heapBytes(): number {
    return this.#places.reduce((sum, { thread }) => sum + (thread?.heapBytes ?? 0), 0);
  }

  get recycled(): number {
    return this.#recycled;
  }

  /** Known once a thread has started, and from then on, also while a thread makes room for a fresh one. */
  get window(): WorkerReady['window'] {
    return this.#window;
  }

  /** Starts all threads; to be awaited before the first `detect()`. @throws {RelayError} `MODEL_INVALID` or `DETECTOR_FAILED`. */
  async open(): Promise<void> {
    const started = await Promise.allSettled(this.#places.map((place) => this.#fill(place)));
    for (const outcome of started) if (outcome.status === 'rejected') throw outcome.reason;
  }

  /** Takes over the buffer of the pixels. @throws {RelayError} `DETECTOR_FAILED`. */
  async detect(request: WorkerRequest): Promise<WorkerFindings> {
    const place = this.#free.shift() ?? (await new Promise<Place>((resolve) => this.#waiting.push(resolve)));
    try {
      const thread = await this.#fill(place);
      const findings = await thread.detect(request);
      await this.#recycle(place);
      return findings;
    } finally {
      const next = this.#waiting.shift();
      if (next) next(place);
      else this.#free.push(place);
    }
  }

  async close(): Promise<void> {
    await Promise.all(this.#places.map(({ thread }) => thread?.close()));
  }

  /** The heap of WASM grows for a large picture and never shrinks: only a fresh thread gives it back. */
  async #recycle(place: Place): Promise<void> {
    if ((place.thread?.heapBytes ?? 0) <= this.#maximumBytes) return;
    this.#recycled += 1;
    const grown = place.thread;
    place.thread = undefined;
    await grown?.close();
  }

  /** A place whose thread has failed gets a new one. */
  async #fill(place: Place): Promise<DetectorThread> {
    if (place.thread?.alive) return place.thread;
    const thread = await DetectorThread.start(this.#options);
    place.thread = thread;
    this.#window = thread.window;
    return thread;
  }
}

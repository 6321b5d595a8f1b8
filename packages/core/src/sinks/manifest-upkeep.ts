import type { CompactionReport } from './manifest-compaction';

export interface ManifestUpkeepOptions {
  /** Milliseconds between two runs, and up to half as long more by chance: sinks that share a store take turns. */
  readonly everyMs: number;
  /** How many parts of our own bring the next run on. */
  readonly parts: number;
}

/** Gathers the parts of a manifest in the background, now and then, one run at a time. */
export class ManifestUpkeep {
  readonly #options: ManifestUpkeepOptions;
  readonly #run: (signal: AbortSignal) => Promise<CompactionReport>;
  readonly #done: (report: CompactionReport) => void;
  readonly #failed: (error: unknown) => void;
  readonly #stopping = new AbortController();
  #timer: NodeJS.Timeout | undefined;
  #running: Promise<void> | undefined;
  #parts = 0;

  constructor(
    run: (signal: AbortSignal) => Promise<CompactionReport>,
    options: ManifestUpkeepOptions,
    news: { done(report: CompactionReport): void; failed(error: unknown): void },
  ) {
    this.#run = run;
    this.#options = options;
    this.#done = (report) => news.done(report);
    this.#failed = (error) => news.failed(error);
  }

  start(): void {
    if (this.#stopping.signal.aborted) return;
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.#begin(), this.#options.everyMs * (1 + Math.random() / 2));
    this.#timer.unref();
  }

  /** One more part has been written. */
  partWritten(): void {
    this.#parts += 1;
    if (this.#parts >= this.#options.parts) this.#begin();
  }

  /** Begins no run any more; resolves when the one under way is done with what it has in hand. */
  async stop(): Promise<void> {
    this.#stopping.abort();
    clearTimeout(this.#timer);
    await this.#running;
  }

  #begin(): void {
    if (this.#running || this.#stopping.signal.aborted) return;
    this.#parts = 0;
    this.#running = this.#run(this.#stopping.signal)
      .then(this.#done, (error) => {
        if (!this.#stopping.signal.aborted) this.#failed(error);
      })
      .finally(() => {
        this.#running = undefined;
        this.start();
      });
  }
}

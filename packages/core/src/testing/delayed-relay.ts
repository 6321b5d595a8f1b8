import type { Socket } from 'node:net';
import type { Lane } from './lane';

/** Passes on what comes from one socket to another, in order, when and as fast as the lane allows; its end, too. */
export class DelayedRelay {
  readonly #from: Socket;
  readonly #to: Socket;
  readonly #lane: Lane;
  #chunks: { data: Buffer; readonly arrivedAt: number }[] = [];
  #bytes = 0;
  #timer: NodeJS.Timeout | undefined;
  #hasEnded = false;
  #isFull = false;
  #isCut = false;

  constructor(from: Socket, to: Socket, lane: Lane) {
    this.#from = from;
    this.#to = to;
    this.#lane = lane;
    from.on('data', (data: Buffer) => {
      this.#bytes += data.length;
      this.#take(data);
    });
    from.on('end', () => {
      this.#hasEnded = true;
      if (this.#isCut) from.destroy();
      // The end takes as long as anything else.
      this.#take(Buffer.alloc(0));
    });
    to.on('close', () => clearTimeout(this.#timer));
    to.on('drain', () => {
      this.#isFull = false;
      this.update();
    });
  }

  /** The lane may have changed. */
  update(): void {
    clearTimeout(this.#timer);
    if (this.#isCut || this.#to.destroyed) return;
    this.#pass();
    if (this.#lane.isPaused || this.#isFull || this.#bytes >= this.#lane.capacity) this.#from.pause();
    else this.#from.resume();
    if (this.#hasEnded && this.#chunks.length === 0) this.#to.end();
  }

  /** Reads on, so that it hears of the end, and passes nothing on any more. */
  cut(): void {
    this.#isCut = true;
    clearTimeout(this.#timer);
    this.#chunks = [];
    this.#from.resume();
    if (this.#hasEnded) this.#from.destroy();
  }

  #take(data: Buffer): void {
    if (this.#isCut) return;
    this.#chunks.push({ data, arrivedAt: performance.now() });
    this.update();
  }

  #pass(): void {
    for (
      let first = this.#chunks[0];
      first && !this.#lane.isPaused && !this.#isFull;
      first = this.#chunks[0]
    ) {
      const now = performance.now();
      const waitMs = this.#lane.waitMs(first.arrivedAt, now);
      if (waitMs > 0) {
        this.#timer = setTimeout(() => this.update(), waitMs);
        return;
      }
      const taken = this.#lane.take(first.data.length, now);
      this.#isFull = !this.#to.write(first.data.subarray(0, taken));
      this.#bytes -= taken;
      if (taken === first.data.length) this.#chunks.shift();
      else first.data = first.data.subarray(taken);
    }
  }
}

import type { Look } from '../look';
import { jpegOf, snapshotOf } from './preview-picture';

/** Numbers to show beside the picture, by name. */
export type PreviewStats = Readonly<Record<string, number>>;

export interface ViewOptions {
  /** Pixels. */
  readonly width: number;
  readonly framesPerSecond: number;
  readonly stats: () => PreviewStats;
}

/** Over how much time frames are counted. */
const RATE_MS = 2_000;
const NOTHING = new Uint8Array(0);

/**
 * One camera as one detector sees it. Frames are encoded only while somebody waits for one, one at a time and
 * so many a second at the most; all who wait get the same bytes.
 */
export class PreviewView {
  readonly #options: ViewOptions;
  readonly #times: number[] = [];
  readonly #waiting = new Set<(answer: Uint8Array) => void>();
  #isEncoding = false;
  #nextAt = 0;

  constructor(options: ViewOptions) {
    this.#options = options;
  }

  /** How many wait for a frame. */
  get waiting(): number {
    return this.#waiting.size;
  }

  /** The next frame that is shown: a line of JSON, and a JPEG. Nothing where it is given up first. */
  next(signal: AbortSignal): Promise<Uint8Array> {
    return new Promise((resolve) => {
      const giveUp = () => {
        this.#waiting.delete(answer);
        resolve(NOTHING);
      };
      const answer = (look: Uint8Array) => {
        signal.removeEventListener('abort', giveUp);
        resolve(look);
      };
      this.#waiting.add(answer);
      signal.addEventListener('abort', giveUp, { once: true });
    });
  }

  /** Whoever waits hears that there is nothing. */
  release(): void {
    this.#answer(NOTHING);
  }

  see(look: Look): void {
    const now = performance.now();
    this.#times.push(now);
    while (now - this.#times[0]! > RATE_MS) this.#times.shift();
    if (this.#waiting.size === 0 || this.#isEncoding || now < this.#nextAt) return;
    this.#nextAt = now + 1000 / this.#options.framesPerSecond;
    this.#isEncoding = true;
    void this.#show(look);
  }

  async #show({ frame, faces }: Look): Promise<void> {
    const { width: widest, stats } = this.#options;
    const { camera, sequence, capturedAt, image } = frame;
    const { width, height } = image;
    const framesPerSecond = Math.round(this.#framesPerSecond * 10) / 10;
    const told = { camera, sequence, capturedAt, width, height, framesPerSecond, stats: stats(), faces };
    // The frame is somebody else's after this call.
    const snapshot = snapshotOf(image, widest);
    try {
      const picture = await jpegOf(snapshot, widest);
      this.#answer(Buffer.concat([Buffer.from(`${JSON.stringify(told)}\n`), picture]));
    } catch {
      // A picture that is damaged is the business of the stages that need it.
      this.#answer(NOTHING);
    } finally {
      this.#isEncoding = false;
    }
  }

  get #framesPerSecond(): number {
    const [first = 0] = this.#times;
    const span = (this.#times.at(-1) ?? 0) - first;
    return span === 0 ? 0 : ((this.#times.length - 1) * 1000) / span;
  }

  #answer(answer: Uint8Array): void {
    const waiting = [...this.#waiting];
    this.#waiting.clear();
    for (const resolve of waiting) resolve(answer);
  }
}

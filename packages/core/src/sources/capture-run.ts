import { Channel } from '../channel';
import type { Frame } from '../frame';

/** One iteration of a source: a loop that reads, and a channel from which the frames are taken. */
export class CaptureRun {
  /** Resolves when the capture has let go of what it had opened; never rejects. */
  readonly ended: Promise<void>;
  readonly #channel: Channel<Frame>;
  readonly #controller = new AbortController();
  #failure: { readonly error: unknown } | undefined;
  #giveUpWaiting: (() => void) | undefined;

  constructor(channel: Channel<Frame>, open: (signal: AbortSignal) => AsyncIterable<Frame>) {
    this.#channel = channel;
    this.ended = this.#read(open(this.#controller.signal));
  }

  /** A run that gives nothing. */
  static over(): CaptureRun {
    return new CaptureRun(new Channel(), async function* () {});
  }

  /** Rejects once, with what the capture failed with, after all frames before that. */
  async next(): Promise<IteratorResult<Frame, undefined>> {
    const result = await this.#channel.next();
    const failure = this.#failure;
    if (!result.done || !failure) return result;
    this.#failure = undefined;
    throw failure.error;
  }

  /** Reads no more; what is read can still be taken. */
  async drain(): Promise<void> {
    this.#controller.abort();
    this.#giveUpWaiting?.();
    await this.ended;
  }

  /** Reads no more, and lets go of what is read. */
  async stop(): Promise<void> {
    this.#failure = undefined;
    void this.#channel.return();
    await this.drain();
  }

  async #read(frames: AsyncIterable<Frame>): Promise<void> {
    try {
      for await (const frame of frames) {
        if (!(await this.#handOver(frame))) break;
      }
    } catch (error) {
      if (!this.#controller.signal.aborted) this.#failure = { error };
    } finally {
      this.#channel.end();
    }
  }

  /** Waits for room, but not when the run is to end: the frame keeps its place in the channel all the same. */
  #handOver(frame: Frame): Promise<boolean> {
    return new Promise((resolve, reject) => {
      this.#giveUpWaiting = () => resolve(false);
      this.#channel.push(frame).then(resolve, reject);
      if (this.#controller.signal.aborted) resolve(false);
    });
  }
}

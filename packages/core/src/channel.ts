/** What a full channel does with a new item. */
export type OverflowPolicy = 'block' | 'drop-oldest' | 'drop-newest';

const policies: readonly OverflowPolicy[] = ['block', 'drop-oldest', 'drop-newest'];

/** How much a channel holds, and what it does when it is full. */
export interface ChannelOptions<T> {
  /** How many items may wait. @default 1 */
  readonly highWaterMark?: number;
  /** `block` makes `push()` wait; the others drop and call `onDrop`. @default 'block' */
  readonly policy?: OverflowPolicy;
  /** Hears of every item that was dropped. @default nobody hears */
  readonly onDrop?: (item: T) => void;
}

interface Taker<T> {
  resolve(result: IteratorResult<T, undefined>): void;
  reject(reason: unknown): void;
}

interface Pusher<T> {
  readonly item: T;
  resolve(accepted: boolean): void;
  reject(reason: unknown): void;
}

/** Bounded hand-over between two loops: one pushes, one iterates. */
export class Channel<T> implements AsyncIterableIterator<T, undefined> {
  readonly #highWaterMark: number;
  readonly #policy: OverflowPolicy;
  readonly #onDrop: ((item: T) => void) | undefined;
  readonly #items = new Queue<T>();
  readonly #takers = new Queue<Taker<T>>();
  readonly #pushers = new Queue<Pusher<T>>();
  #ended = false;
  #aborted: { reason: unknown } | undefined;

  constructor(options: ChannelOptions<T> = {}) {
    const { highWaterMark = 1, policy = 'block', onDrop } = options;
    if (!(Number.isInteger(highWaterMark) && highWaterMark > 0)) {
      throw new TypeError(`highWaterMark must be a whole number above 0, not ${highWaterMark}.`);
    }
    if (!policies.includes(policy)) {
      throw new TypeError(`policy must be one of ${policies.join(', ')}, not ${JSON.stringify(policy)}.`);
    }
    this.#highWaterMark = highWaterMark;
    this.#policy = policy;
    this.#onDrop = onDrop;
  }

  /** How many items wait. */
  get size(): number {
    return this.#items.size;
  }

  /**
   * Hands an item over; resolves once it has a place, with false where it could have none (the channel
   * has ended, or the item was dropped). Rejects with the reason of `abort()`.
   */
  push(item: T): Promise<boolean> {
    if (this.#aborted) return Promise.reject(this.#aborted.reason);
    if (this.#ended) return refused;
    const taker = this.#takers.shift();
    if (taker) {
      taker.resolve({ done: false, value: item });
      return accepted;
    }
    if (this.#items.size < this.#highWaterMark) {
      this.#items.push(item);
      return accepted;
    }
    if (this.#policy === 'drop-newest') {
      this.#onDrop?.(item);
      return refused;
    }
    if (this.#policy === 'drop-oldest') {
      const oldest = this.#items.shift() as T;
      this.#items.push(item);
      this.#onDrop?.(oldest);
      return accepted;
    }
    return new Promise((resolve, reject) => this.#pushers.push({ item, resolve, reject }));
  }

  /** The next item where one waits: a loop that takes it so gives up its turn only when there is none. */
  poll(): T | undefined {
    if (this.#items.size === 0) return undefined;
    const value = this.#items.shift() as T;
    const pusher = this.#pushers.shift();
    if (pusher) {
      this.#items.push(pusher.item);
      pusher.resolve(true);
    }
    return value;
  }

  /** The next item, or the end. Rejects with the reason of `abort()`. */
  next(): Promise<IteratorResult<T, undefined>> {
    if (this.#aborted) return Promise.reject(this.#aborted.reason);
    if (this.#items.size > 0) return Promise.resolve({ done: false, value: this.poll() as T });
    if (this.#ended) return Promise.resolve({ done: true, value: undefined });
    return new Promise((resolve, reject) => this.#takers.push({ resolve, reject }));
  }

  /** No more items will come; those that wait are still handed out. A push that waits still finds its place. */
  end(): void {
    if (this.#ended || this.#aborted) return;
    this.#ended = true;
    for (let taker = this.#takers.shift(); taker; taker = this.#takers.shift()) {
      taker.resolve({ done: true, value: undefined });
    }
  }

  /** Stops at once: waiting items are let go, both sides reject with `reason`. */
  abort(reason: unknown): void {
    if (this.#aborted) return;
    this.#aborted = { reason };
    this.#items.clear();
    for (let taker = this.#takers.shift(); taker; taker = this.#takers.shift()) taker.reject(reason);
    for (let pusher = this.#pushers.shift(); pusher; pusher = this.#pushers.shift()) pusher.reject(reason);
  }

  /** Takes out the waiting items that no longer count; they are not handed out. Returns how many. */
  discard(isStale: (item: T) => boolean): number {
    const kept: T[] = [];
    let discarded = 0;
    for (let left = this.#items.size; left > 0; left -= 1) {
      const item = this.#items.shift() as T;
      if (isStale(item)) discarded += 1;
      else kept.push(item);
    }
    for (const item of kept) this.#items.push(item);
    while (this.#items.size < this.#highWaterMark) {
      const pusher = this.#pushers.shift();
      if (!pusher) break;
      this.#items.push(pusher.item);
      pusher.resolve(true);
    }
    return discarded;
  }

  /** The reader has had enough: what waits is let go, and a writer that waits hears false. */
  return(): Promise<IteratorResult<T, undefined>> {
    this.end();
    this.#items.clear();
    for (let pusher = this.#pushers.shift(); pusher; pusher = this.#pushers.shift()) pusher.resolve(false);
    return Promise.resolve({ done: true, value: undefined });
  }

  [Symbol.asyncIterator](): this {
    return this;
  }
}

const accepted = Promise.resolve(true);
const refused = Promise.resolve(false);

/** First in, first out, without the cost of `Array.prototype.shift()` on long arrays. */
class Queue<T> {
  #items: (T | undefined)[] = [];
  #head = 0;

  get size(): number {
    return this.#items.length - this.#head;
  }

  push(item: T): void {
    this.#items.push(item);
  }

  shift(): T | undefined {
    if (this.#head === this.#items.length) return undefined;
    const item = this.#items[this.#head];
    this.#items[this.#head] = undefined;
    this.#head += 1;
    if (this.#head > 32 && this.#head * 2 > this.#items.length) {
      this.#items = this.#items.slice(this.#head);
      this.#head = 0;
    }
    return item;
  }

  clear(): void {
    this.#items = [];
    this.#head = 0;
  }
}

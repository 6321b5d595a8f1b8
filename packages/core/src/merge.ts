import { Channel } from './channel';

/**
 * Joins several sources into one that gives their items as they come and ends when all have ended.
 * Items keep their own `ack()`. A source that fails ends the whole: what it gave before is still handed
 * out, then the iteration rejects. Giving the iteration up gives all sources up.
 */
export function merge<Item>(...sources: AsyncIterable<Item>[]): AsyncIterable<Item> {
  if (sources.length === 0) throw new TypeError('merge() needs at least one source.');
  sources.forEach((source, index) => {
    if (typeof source?.[Symbol.asyncIterator] === 'function') return;
    throw new TypeError(`Argument ${index + 1} of merge() must be a source: an AsyncIterable.`);
  });
  return { [Symbol.asyncIterator]: () => new Merged(sources) };
}

/** One iteration over all sources: a loop for each, joined by a channel. */
class Merged<Item> implements AsyncIterator<Item, undefined> {
  readonly #channel = new Channel<Item>();
  readonly #sources: readonly AsyncIterable<Item>[];
  #iterators: readonly AsyncIterator<Item>[] | undefined;
  #failure: { error: unknown } | undefined;

  constructor(sources: readonly AsyncIterable<Item>[]) {
    this.#sources = sources;
  }

  async next(): Promise<IteratorResult<Item, undefined>> {
    this.#iterators ??= this.#start();
    const result = await this.#channel.next();
    if (!result.done || !this.#failure) return result;
    const { error } = this.#failure;
    this.#failure = undefined;
    throw error;
  }

  return(): Promise<IteratorResult<Item, undefined>> {
    this.#iterators ??= [];
    this.#giveUp();
    return this.#channel.return();
  }

  #start(): readonly AsyncIterator<Item>[] {
    const iterators = this.#sources.map((source) => source[Symbol.asyncIterator]());
    Promise.all(iterators.map((iterator) => this.#pump(iterator)))
      .catch((error) => {
        this.#failure = { error };
        this.#giveUp();
      })
      .finally(() => this.#channel.end());
    return iterators;
  }

  async #pump(iterator: AsyncIterator<Item>): Promise<void> {
    for (let result = await iterator.next(); !result.done; result = await iterator.next()) {
      if (!(await this.#channel.push(result.value))) return;
    }
  }

  #giveUp(): void {
    for (const iterator of this.#iterators ?? []) {
      void (async () => iterator.return?.())().catch(() => {});
    }
  }
}

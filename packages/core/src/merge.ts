import { Channel } from './channel';

/**
 * Joins several sources into one that gives their items as they come and ends when all have ended.
 * Items keep their own `ack()`. A source that fails fails the whole; giving the iteration up gives all
 * sources up.
 */
export function merge<Item>(...sources: AsyncIterable<Item>[]): AsyncIterable<Item> {
  if (sources.length === 0) throw new TypeError('merge() needs at least one source.');
  return {
    [Symbol.asyncIterator]() {
      const channel = new Channel<Item>();
      const iterators = sources.map((source) => source[Symbol.asyncIterator]());
      const giveUp = () => {
        for (const iterator of iterators) void Promise.resolve(iterator.return?.()).catch(() => {});
      };
      const pump = async (iterator: AsyncIterator<Item>) => {
        for (let result = await iterator.next(); !result.done; result = await iterator.next()) {
          if (!(await channel.push(result.value))) return;
        }
      };
      let started = false;
      const start = () => {
        started = true;
        Promise.all(iterators.map(pump)).then(
          () => channel.end(),
          (error) => {
            channel.abort(error);
            giveUp();
          },
        );
      };
      return {
        next() {
          if (!started) start();
          return channel.next();
        },
        return() {
          giveUp();
          return channel.return();
        },
      };
    },
  };
}

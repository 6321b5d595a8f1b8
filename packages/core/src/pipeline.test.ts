import { expect, test, vi } from 'vitest';
import { Gate, quiet } from '../test/gate';
import { RelayError } from './errors';
import { pipeline } from './pipeline';
import { combine, type StageContext, type Transform, type Writer } from './stage';

async function* from<T>(...items: T[]): AsyncGenerator<T> {
  yield* items;
}

async function* upTo(count: number): AsyncGenerator<number> {
  for (let number = 1; number <= count; number += 1) yield number;
}

/** A source that has given its items and then has nothing more to say. */
async function* idleAfter<T>(...items: T[]): AsyncGenerator<T> {
  yield* items;
  await new Gate().passed;
}

function collector<T>(): Writer<T> & { readonly items: T[] } {
  const items: T[] = [];
  return { items, write: (item) => void items.push(item) };
}

interface Parcel {
  readonly number: number;
  ack(): void;
}

/** Items that tell which of them have been acknowledged, in which order. */
function parcels(count: number) {
  const acknowledged: number[] = [];
  const items = Array.from({ length: count }, (_, index): Parcel => {
    const number = index + 1;
    return { number, ack: () => void acknowledged.push(number) };
  });
  return { source: from(...items), acknowledged };
}

const writer: Writer<unknown> = { write: () => {} };
const pass: Transform<Parcel, Parcel> = { transform: (parcel) => [parcel] };

/** A stage whose every call waits until the test lets it go. */
function gated<T>(concurrency: number) {
  const gates = new Map<T, Gate>();
  let running = 0;
  const seen = { started: [] as T[], most: 0 };
  const enter = async (item: T) => {
    running += 1;
    seen.most = Math.max(seen.most, running);
    seen.started.push(item);
    const gate = new Gate();
    gates.set(item, gate);
    await gate.passed;
    running -= 1;
  };
  const release = (item: T) => gates.get(item)?.open();
  return { concurrency, enter, release, seen };
}

test('leads each item through the stages in order and resolves when the last one is through', async () => {
  const double: Transform<number, number> = { transform: (item) => [item * 2] };
  const label: Transform<number, string> = { transform: async (item) => [`#${item}`] };
  const end = collector<string>();
  await pipeline(from(1, 2, 3), double, label, end);
  expect(end.items).toEqual(['#2', '#4', '#6']);
});

test('takes outputs as an array, a promise, a generator or an async generator', async () => {
  const shapes: Transform<number, number>['transform'][] = [
    (item) => [item, item],
    async (item) => [item, item],
    function* (item) {
      yield item;
      yield item;
    },
    async function* (item) {
      yield item;
      yield item;
    },
  ];
  for (const transform of shapes) {
    for (const concurrency of [1, 3]) {
      const end = collector<number>();
      await pipeline(from(1, 2), { transform, concurrency }, end);
      expect(end.items).toEqual([1, 1, 2, 2]);
    }
  }
});

test('ends without an item from a source that has none', async () => {
  const end = vi.fn();
  await pipeline(from<number>(), { write: () => {}, end });
  expect(end).toHaveBeenCalledOnce();
});

test('slows the source down to the pace of the writer', async () => {
  let given = 0;
  async function* source() {
    for (; given < 1000; given += 1) yield given;
  }
  const gate = new Gate();
  const run = pipeline(source(), { transform: (item: number) => [item] }, { write: () => gate.passed });
  await quiet();
  expect(given).toBeLessThan(12);
  gate.open();
  await run;
  expect(given).toBe(1000);
});

test('hands on the outputs of a generator one by one, not before there is room', async () => {
  let made = 0;
  const many: Transform<number, number> = {
    async *transform() {
      for (; made < 1000; made += 1) yield made;
    },
  };
  const gate = new Gate();
  const run = pipeline(from(0), many, { write: () => gate.passed });
  await quiet();
  expect(made).toBeLessThan(8);
  gate.open();
  await run;
  expect(made).toBe(1000);
});

test('works on as many items at once as a writer states, and on no more', async () => {
  const { seen, enter, release } = gated<number>(3);
  const run = pipeline(upTo(10), { concurrency: 3, write: enter });
  for (let item = 1; item <= 10; item += 1) {
    await quiet();
    expect(seen.started).toHaveLength(Math.min(10, item + 2));
    release(item);
  }
  await run;
  expect(seen.most).toBe(3);
});

test('keeps the order of a concurrent transform, whoever finishes first', async () => {
  const { seen, enter, release } = gated<number>(3);
  const end = collector<number>();
  const stage: Transform<number, number> = {
    concurrency: 3,
    transform: async (item) => {
      await enter(item);
      return [item];
    },
  };
  const run = pipeline(upTo(3), stage, end);
  await quiet();
  expect(seen.started).toEqual([1, 2, 3]);
  release(3);
  release(2);
  await quiet();
  expect(end.items).toEqual([]);
  release(1);
  await run;
  expect(end.items).toEqual([1, 2, 3]);
  expect(seen.most).toBe(3);
});

test('does not wait for the order where a stage does not promise it', async () => {
  const { enter, release } = gated<number>(3);
  const end = collector<number>();
  const stage: Transform<number, number> = {
    concurrency: 3,
    ordered: false,
    transform: async (item) => {
      await enter(item);
      return [item];
    },
  };
  const run = pipeline(upTo(3), stage, end);
  await quiet();
  release(3);
  await quiet();
  expect(end.items).toEqual([3]);
  release(1);
  await quiet();
  release(2);
  await run;
  expect(end.items).toEqual([3, 1, 2]);
});

test('acknowledges an item after the last stage has written it, not before', async () => {
  const { source, acknowledged } = parcels(1);
  const gate = new Gate();
  const run = pipeline(source, pass, { write: () => gate.passed });
  await quiet();
  expect(acknowledged).toEqual([]);
  gate.open();
  await run;
  expect(acknowledged).toEqual([1]);
});

test('acknowledges an item that a stage filters out', async () => {
  const { source, acknowledged } = parcels(4);
  const even: Transform<Parcel, Parcel> = { transform: (parcel) => (parcel.number % 2 ? [] : [parcel]) };
  const end = collector<Parcel>();
  await pipeline(source, even, end);
  expect(end.items.map(({ number }) => number)).toEqual([2, 4]);
  expect(acknowledged.toSorted()).toEqual([1, 2, 3, 4]);
});

test('acknowledges an item that became several when all of them are written', async () => {
  const { source, acknowledged } = parcels(1);
  const { enter, release } = gated<string>(3);
  const split: Transform<Parcel, string> = { transform: () => ['a', 'b', 'c'] };
  const run = pipeline(source, split, { concurrency: 3, write: enter });
  await quiet();
  release('a');
  release('c');
  await quiet();
  expect(acknowledged).toEqual([]);
  release('b');
  await run;
  expect(acknowledged).toEqual([1]);
});

test('acknowledges all the items of which a combined one was made, when that one is written', async () => {
  const { source, acknowledged } = parcels(5);
  let held: { number: number; release: () => void }[] = [];
  const take = () => {
    const output = combine(
      held.map(({ number }) => number),
      held.map(({ release }) => release),
    );
    held = [];
    return [output];
  };
  const pairs: Transform<Parcel, readonly number[]> = {
    transform: ({ number }, context) => {
      held.push({ number, release: context.hold() });
      return held.length === 2 ? take() : [];
    },
    end: () => take(),
  };
  const { enter, release } = gated<string>(1);
  const run = pipeline(source, pairs, { write: (pair: readonly number[]) => enter(pair.join()) });
  await quiet();
  expect(acknowledged).toEqual([]);
  release('1,2');
  await quiet();
  expect(acknowledged).toEqual([1, 2]);
  release('3,4');
  await quiet();
  expect(acknowledged).toEqual([1, 2, 3, 4]);
  release('5');
  await run;
  expect(acknowledged).toEqual([1, 2, 3, 4, 5]);
});

test('does not acknowledge an item that is held, until every hold on it is let go', async () => {
  const { source, acknowledged } = parcels(2);
  const releases: (() => void)[][] = [];
  const keep: Transform<Parcel, Parcel> = {
    transform: (_, context) => {
      releases.push([context.hold(), context.hold()]);
      return [];
    },
  };
  await pipeline(source, keep, writer);
  const [first, second] = releases[1]!;
  first?.();
  first?.();
  expect(acknowledged).toEqual([]);
  second?.();
  second?.();
  expect(acknowledged).toEqual([2]);
});

test('leaves an item unacknowledged whose writing fails, and stops', async () => {
  const { source, acknowledged } = parcels(3);
  const failing: Writer<Parcel> = {
    name: 'store',
    write: ({ number }) => {
      if (number === 2) throw new Error('disk full');
    },
  };
  await expect(pipeline(source, pass, failing)).rejects.toThrow('store failed: disk full');
  await quiet();
  expect(acknowledged).toEqual([1]);
});

test('leaves an item unacknowledged of which one part fails', async () => {
  const { source, acknowledged } = parcels(1);
  const split: Transform<Parcel, string> = { transform: () => ['good', 'bad'] };
  const run = pipeline(source, split, {
    write: async (part: string) => {
      if (part === 'bad') throw new Error('refused');
    },
  });
  await expect(run).rejects.toThrow('refused');
  expect(acknowledged).toEqual([]);
});

test('drains: what the stages held back comes out when the source ends, stage by stage', async () => {
  const calls: string[] = [];
  const stage = (name: string): Transform<string, string> => ({
    transform: (item) => [item],
    end: () => {
      calls.push(`end ${name}`);
      return [`last of ${name}`];
    },
  });
  const end: Writer<string> = {
    write: (item) => void calls.push(item),
    end: () => void calls.push('end'),
  };
  await pipeline(from('item'), stage('a'), stage('b'), end);
  expect(calls).toEqual(['item', 'end a', 'last of a', 'end b', 'last of b', 'end']);
});

test.each([1, 3])(
  'asks a stage that works on %i at once for what it holds while nothing comes',
  async (concurrency) => {
    const { items, write } = collector<string>();
    let held: number[] = [];
    let calls = 0;
    const stage: Transform<number, string> = {
      concurrency,
      idleMs: 5,
      transform: (number) => {
        held.push(number);
        return [];
      },
      idle: () => {
        calls += 1;
        const given = held;
        held = [];
        return given.length > 0 ? [`idle ${given}`] : [];
      },
      end: () => [`end ${held}`],
    };
    const source = async function* () {
      yield* [1, 2];
      await vi.waitFor(() => expect(items.join(' ').match(/\d/g)).toEqual(['1', '2']));
      await vi.waitFor(() => expect(calls).toBeGreaterThan(2));
      yield 3;
    };
    await pipeline(source(), stage, { write });
    // Whenever it was asked, what it held came out once and in order.
    expect(items.join(' ').match(/\d/g)).toEqual(['1', '2', '3']);
    expect(items[0]).toMatch(/^idle/);
    expect(items.at(-1)).toMatch(/^end/);
  },
);

test.each([1, 3])(
  'does not ask a stage of %i while it works, and acknowledges what was held when it has come out',
  async (concurrency) => {
    const { source, acknowledged } = parcels(2);
    let working = 0;
    const release: (() => void)[] = [];
    const stage: Transform<Parcel, string> = {
      concurrency,
      idleMs: 1,
      transform: async (_, { hold }) => {
        working += 1;
        release.push(hold());
        await new Promise((resolve) => setTimeout(resolve, 20));
        working -= 1;
        return [];
      },
      idle: () => {
        expect(working).toBe(0);
        return release.length > 0 ? [combine('held', release.splice(0))] : [];
      },
    };
    const both = async function* () {
      yield* source;
      await vi.waitFor(() => expect(acknowledged).toEqual([1, 2]));
    };
    const { items, write } = collector<string>();
    await pipeline(both(), stage, { write });
    expect(items.every((item) => item === 'held')).toBe(true);
  },
);

test('names the stage whose idle() fails', async () => {
  const stage: Transform<number, number> = {
    name: 'sleeper',
    idleMs: 1,
    transform: (number) => [number],
    idle: () => {
      throw new Error('bad dream');
    },
  };
  await expect(pipeline(idleAfter(1), stage, writer)).rejects.toMatchObject({
    code: 'STAGE_FAILED',
    stage: 'sleeper',
    message: expect.stringContaining('bad dream'),
  });
});

test('waits for the writes in flight before it ends the writer', async () => {
  const { enter, release } = gated<number>(2);
  const ended = vi.fn();
  const run = pipeline(upTo(2), { concurrency: 2, write: enter, end: ended });
  await quiet();
  release(2);
  await quiet();
  expect(ended).not.toHaveBeenCalled();
  release(1);
  await run;
  expect(ended).toHaveBeenCalledOnce();
});

test('opens every stage before it asks the source for anything', async () => {
  const gate = new Gate();
  let asked = false;
  async function* source() {
    asked = true;
    yield 1;
  }
  const run = pipeline(source(), { open: () => gate.passed, write: () => {} });
  await quiet();
  expect(asked).toBe(false);
  gate.open();
  await run;
  expect(asked).toBe(true);
});

test('stops at once when it is aborted while the source has nothing', async () => {
  const controller = new AbortController();
  const returned = vi.fn();
  const source = idleAfter(1);
  const giveBack = source.return.bind(source);
  source.return = (value) => {
    returned();
    return giveBack(value);
  };
  const end = collector<number>();
  const run = pipeline(source, end, { signal: controller.signal });
  await quiet();
  const reason = new Error('stop now');
  controller.abort(reason);
  await expect(run).rejects.toBe(reason);
  expect(end.items).toEqual([1]);
  expect(returned).toHaveBeenCalledOnce();
});

test('stops at once when it is aborted while a writer hangs, and tells the writer', async () => {
  const controller = new AbortController();
  const { source, acknowledged } = parcels(1);
  let context: StageContext | undefined;
  const hanging: Writer<Parcel> = {
    write: (_, given) => {
      context = given;
      return new Gate().passed;
    },
  };
  const run = pipeline(source, hanging, { signal: controller.signal });
  await quiet();
  controller.abort();
  await expect(run).rejects.toThrow(expect.objectContaining({ name: 'AbortError' }));
  expect(context?.signal.aborted).toBe(true);
  expect(context?.signal.reason).toBe(controller.signal.reason);
  expect(acknowledged).toEqual([]);
});

test('stops at once when it is aborted while a stage opens', async () => {
  const controller = new AbortController();
  const opening: Writer<number> = { open: () => new Gate().passed, write: () => {} };
  const run = pipeline(from(1), opening, { signal: controller.signal });
  await quiet();
  controller.abort(new Error('stop now'));
  await expect(run).rejects.toThrow('stop now');
});

test('starts nothing when the signal is aborted already', async () => {
  const open = vi.fn(async () => {});
  const run = pipeline(from(1), { open, write: () => {} }, { signal: AbortSignal.abort(new Error('no')) });
  await expect(run).rejects.toThrow('no');
  expect(open).not.toHaveBeenCalled();
});

test('gives the source back when a stage fails while the source has nothing', async () => {
  const failing: Writer<number> = {
    write: async () => {
      await quiet();
      throw new Error('disk full');
    },
  };
  await expect(pipeline(idleAfter(1), failing)).rejects.toThrow('disk full');
});

test('lets the generators of the source and of a transform clean up when it stops', async () => {
  const released: string[] = [];
  async function* source() {
    try {
      for (;;) yield 1;
    } finally {
      released.push('source');
    }
  }
  const endless: Transform<number, number> = {
    async *transform(item) {
      try {
        for (;;) yield item;
      } finally {
        released.push('transform');
      }
    },
  };
  const failing: Writer<number> = { write: () => Promise.reject(new Error('disk full')) };
  await expect(pipeline(source(), endless, failing)).rejects.toThrow('disk full');
  await quiet();
  expect(released.sort()).toEqual(['source', 'transform']);
});

test('lets through what a source gave before it failed, and then rejects', async () => {
  class Camera {
    async *[Symbol.asyncIterator]() {
      yield* [1, 2, 3];
      throw new Error('unplugged');
    }
  }
  const end = { ...collector<number>(), end: vi.fn() };
  const slow: Transform<number, number> = {
    transform: async (item) => {
      await quiet();
      return [item];
    },
  };
  const run = pipeline(new Camera(), slow, end);
  await expect(run).rejects.toMatchObject({
    name: 'RelayError',
    code: 'STAGE_FAILED',
    stage: 'Camera',
    message: 'Camera failed: unplugged',
    cause: new Error('unplugged'),
  });
  expect(end.items).toEqual([1, 2, 3]);
  expect(end.end).toHaveBeenCalledOnce();
});

test('names a source that cannot even begin', async () => {
  const source: AsyncIterable<number> & { name: string } = {
    name: 'door',
    [Symbol.asyncIterator]() {
      throw new Error('no such camera');
    },
  };
  await expect(pipeline(source, writer)).rejects.toMatchObject({ stage: 'door', code: 'STAGE_FAILED' });
});

const boom = () => {
  throw new Error('boom');
};
const rejecting = () => Promise.reject(new Error('boom'));
async function* midway() {
  yield 1;
  throw new Error('boom');
}

test.each<[string, Transform<number, number>]>([
  ['transform() that throws', { transform: boom }],
  ['transform() that rejects', { transform: rejecting }],
  ['concurrent transform() that rejects', { concurrency: 4, transform: rejecting }],
  ['generator that fails midway', { transform: midway }],
  ['concurrent generator that fails midway', { concurrency: 4, transform: midway }],
  ['unordered generator that fails midway', { concurrency: 4, ordered: false, transform: midway }],
  ['end() that throws', { transform: (item) => [item], end: boom }],
  ['end() that fails midway', { transform: (item) => [item], end: midway }],
  ['open() that rejects', { transform: (item) => [item], open: rejecting }],
])('names the stage of a %s', async (_, stage) => {
  const run = pipeline(upTo(10), { ...stage, name: 'middle' }, writer);
  await expect(run).rejects.toMatchObject({
    code: 'STAGE_FAILED',
    stage: 'middle',
    message: 'middle failed: boom',
    cause: new Error('boom'),
  });
});

test.each<[string, Writer<number>]>([
  ['write() that throws', { write: boom }],
  ['concurrent write() that rejects', { concurrency: 4, write: rejecting }],
  ['end() that rejects', { write: () => {}, end: rejecting }],
  ['open() that rejects', { write: () => {}, open: rejecting }],
])('names the writer of a %s', async (_, stage) => {
  const run = pipeline(upTo(10), { ...stage, name: 'last' }, {});
  await expect(run).rejects.toMatchObject({ code: 'STAGE_FAILED', stage: 'last', cause: new Error('boom') });
});

test('leaves an error that has a stage as it is', async () => {
  const error = new RelayError('The disk is full.', { code: 'STORE_FAILED', stage: 'sink', retryable: true });
  const run = pipeline(from(1), { name: 'other', write: () => Promise.reject(error) });
  await expect(run).rejects.toBe(error);
});

test('lets every item in flight listen to the signal without a warning of a leak', async () => {
  const warnings: Error[] = [];
  const listener = (warning: Error) => warnings.push(warning);
  process.on('warning', listener);
  const gate = new Gate();
  const run = pipeline(upTo(50), {
    concurrency: 50,
    write: (_: number, { signal }) => {
      signal.addEventListener('abort', () => {}, { once: true });
      return gate.passed;
    },
  });
  await quiet();
  gate.open();
  await run;
  process.off('warning', listener);
  expect(warnings).toEqual([]);
});

test('keeps nothing of the 300,000 items that went through it', async () => {
  expect(globalThis.gc, 'vitest runs with --expose-gc').toBeTypeOf('function');
  const { signal } = new AbortController();
  const stage: Transform<number, { number: number }> = { transform: (number) => [{ number }] };
  const asynchronous: Writer<{ number: number }> = { concurrency: 8, write: async () => {} };
  const run = (count: number) => pipeline(upTo(count), stage, asynchronous, { signal });
  const heapUsed = async () => {
    await quiet();
    globalThis.gc?.();
    return process.memoryUsage().heapUsed;
  };
  await run(1000);
  const before = await heapUsed();
  let during = 0;
  async function* watched() {
    yield* upTo(300_000);
    during = await heapUsed();
  }
  await pipeline(watched(), stage, asynchronous, { signal });
  const after = await heapUsed();
  expect((during - before) / 1e6).toBeLessThan(5);
  expect((after - before) / 1e6).toBeLessThan(5);
});

test('says what is wrong with a chain that cannot be', () => {
  const transform: Transform<number, number> = { transform: (item) => [item] };
  const source = from(1);
  // @ts-expect-error: a source is needed.
  expect(() => pipeline([1, 2], writer)).toThrow(/first argument of pipeline\(\) must be a source/);
  // @ts-expect-error: a writer is needed.
  expect(() => pipeline(source)).toThrow(/at least one stage that has write/);
  // @ts-expect-error: the last stage must write.
  expect(() => pipeline(source, transform)).toThrow(/must end with a stage that has write/);
  // @ts-expect-error: nothing may follow a writer.
  expect(() => pipeline(source, writer, writer)).toThrow(/Stage 1 of pipeline\(\) has write\(\)/);
  // @ts-expect-error: a stage has a method.
  expect(() => pipeline(source, {}, writer)).toThrow(/Stage 1 of pipeline\(\) has neither/);
  expect(() => pipeline(source, { ...transform, concurrency: 0 }, writer)).toThrow(/concurrency of 0/);
  expect(() => pipeline(source, { ...writer, concurrency: 1.5 })).toThrow(TypeError);
});

import { setMaxListeners } from 'node:events';
import { type AnyStage, assertChain, isStage, isTransform } from './chain';
import { Channel } from './channel';
import { messageOf, RelayError } from './errors';
import { Combined, nameOf, type Outputs, type StageContext, type Transform, type Writer } from './stage';
import { Tee } from './tee';
import { Ticket } from './ticket';

/** How a pipeline is stopped from outside. */
export interface PipelineOptions {
  /** Stops at once when aborted: the pipeline rejects with the signal's reason. @default none */
  readonly signal?: AbortSignal | undefined;
}

interface Entry {
  readonly item: unknown;
  readonly ticket: Ticket;
}

/**
 * Joins a source and stages and runs them until the source has ended and its last item is through.
 *
 * - Every hand-over is bounded: a slow stage slows the source down.
 * - An item is acknowledged (where it has `ack()`) after the last stage is done with all that was made
 *   of it, at once when a stage filters it out, and never when something fails.
 * - A failing stage stops the pipeline, which rejects with a `RelayError` that names the stage. When the
 *   source fails, what it gave before still goes through; then the pipeline rejects.
 * - The stages stay open: whoever made them closes them.
 *
 * @throws {RelayError} of the stage that failed; the reason of `signal` when it was aborted.
 */
export function pipeline<A>(
  source: AsyncIterable<A>,
  writer: Writer<A>,
  options?: PipelineOptions,
): Promise<void>;
export function pipeline<A, B>(
  source: AsyncIterable<A>,
  first: Transform<A, B>,
  writer: Writer<B>,
  options?: PipelineOptions,
): Promise<void>;
export function pipeline<A, B, C>(
  source: AsyncIterable<A>,
  first: Transform<A, B>,
  second: Transform<B, C>,
  writer: Writer<C>,
  options?: PipelineOptions,
): Promise<void>;
export function pipeline<A, B, C, D>(
  source: AsyncIterable<A>,
  first: Transform<A, B>,
  second: Transform<B, C>,
  third: Transform<C, D>,
  writer: Writer<D>,
  options?: PipelineOptions,
): Promise<void>;
export function pipeline<A, B, C, D, E>(
  source: AsyncIterable<A>,
  first: Transform<A, B>,
  second: Transform<B, C>,
  third: Transform<C, D>,
  fourth: Transform<D, E>,
  writer: Writer<E>,
  options?: PipelineOptions,
): Promise<void>;
export function pipeline(
  source: AsyncIterable<unknown>,
  ...rest: (AnyStage | PipelineOptions | undefined)[]
): Promise<void> {
  const last = rest.at(-1);
  const options =
    last === undefined || !isStage(last) ? ((rest.pop() as PipelineOptions | undefined) ?? {}) : {};
  if (typeof source !== 'object' || source === null || !(Symbol.asyncIterator in source)) {
    throw new TypeError('The first argument of pipeline() must be a source: an AsyncIterable.');
  }
  assertChain(rest, 'pipeline()');
  return new Run(rest).start(source, options.signal);
}

/** One run of a pipeline: a loop for the source and one for each stage, joined by channels. */
class Run {
  readonly #controller = new AbortController();
  readonly #channels: Channel<Entry>[] = [];
  readonly #stages: readonly AnyStage[];

  constructor(stages: readonly AnyStage[]) {
    this.#stages = stages;
    // Each item in flight may listen; Node warns of a leak from the eleventh listener on.
    setMaxListeners(0, this.#controller.signal);
  }

  async start(source: AsyncIterable<unknown>, signal: AbortSignal | undefined): Promise<void> {
    signal?.throwIfAborted();
    const stop = () => this.#stop(signal?.reason);
    const stopped = new Promise<never>((_, reject) => {
      this.#controller.signal.addEventListener('abort', () => reject(this.#controller.signal.reason), {
        once: true,
      });
    });
    signal?.addEventListener('abort', stop, { once: true });
    try {
      await Promise.race([stopped, this.#work(source)]);
    } catch (error) {
      this.#stop(error);
      throw error;
    } finally {
      signal?.removeEventListener('abort', stop);
      stopped.catch(() => {});
    }
  }

  #stop(reason: unknown): void {
    this.#controller.abort(reason);
    for (const channel of this.#channels) channel.abort(reason);
  }

  async #work(source: AsyncIterable<unknown>): Promise<void> {
    await openAll(this.#stages);
    this.#controller.signal.throwIfAborted();
    const input = this.#channel(this.#stages[0]!);
    const loops = this.#join(this.#stages, input);
    const [sourceFailure] = await Promise.all([this.#read(source, input), ...loops]);
    if (sourceFailure) throw sourceFailure.error;
  }

  #channel(reader: AnyStage): Channel<Entry> {
    const channel = new Channel<Entry>({ highWaterMark: reader.concurrency ?? 1 });
    this.#channels.push(channel);
    return channel;
  }

  /** Starts a loop for each stage of a chain that reads from `input`. */
  #join(stages: readonly AnyStage[], input: Channel<Entry>): Promise<void>[] {
    const loops: Promise<void>[] = [];
    let from = input;
    stages.forEach((stage, index) => {
      if (stage instanceof Tee) {
        loops.push(...this.#fanOut(stage, from));
      } else if (isTransform(stage)) {
        const to = this.#channel(stages[index + 1]!);
        loops.push(this.#transform(stage, from, to));
        from = to;
      } else {
        loops.push(this.#write(stage, from));
      }
    });
    return loops;
  }

  /** Resolves with the failure of the source, if any, after handing over all that came before it. */
  async #read(source: AsyncIterable<unknown>, to: Channel<Entry>): Promise<{ error: unknown } | undefined> {
    const { signal } = this.#controller;
    let iterator: AsyncIterator<unknown> | undefined;
    const giveBack = () => void (async () => iterator?.return?.())().catch(() => {});
    signal.addEventListener('abort', giveBack, { once: true });
    try {
      iterator = source[Symbol.asyncIterator]();
      for (let result = await iterator.next(); !result.done; result = await iterator.next()) {
        await to.push({ item: result.value, ticket: Ticket.for(result.value) });
      }
      return undefined;
    } catch (error) {
      return { error: blame(error, nameOf(source as { name?: string }, 'source')) };
    } finally {
      signal.removeEventListener('abort', giveBack);
      to.end();
    }
  }

  async #transform(
    stage: Transform<unknown, unknown>,
    from: Channel<Entry>,
    to: Channel<Entry>,
  ): Promise<void> {
    if ((stage.concurrency ?? 1) === 1) await this.#oneByOne(stage, from, to);
    else await this.#severalAtOnce(stage, from, to);
    if (stage.end) {
      const outputs = this.#call(stage, () => stage.end!());
      await this.#blame(stage, emit(await outputs, new Ticket(), to));
    }
    to.end();
  }

  async #severalAtOnce(
    stage: Transform<unknown, unknown>,
    from: Channel<Entry>,
    to: Channel<Entry>,
  ): Promise<void> {
    const slots = new Slots(stage.concurrency ?? 1);
    let turn: Promise<unknown> = Promise.resolve();
    const emitIdle = async () => {
      await slots.allFree();
      await this.#emitIdle(stage, to);
    };
    for (let entry = await next(from, stage, emitIdle); entry; entry = await next(from, stage, emitIdle)) {
      const { item, ticket } = entry;
      await slots.take();
      const outputs = this.#call(stage, () =>
        collect(stage.transform(item, new Context(this.#controller.signal, ticket))),
      );
      outputs.catch((error) => this.#stop(error));
      // In order, an entry's outputs leave after those of the entry before it.
      const before = stage.ordered === false ? undefined : turn;
      turn = this.#guard(async () => {
        await before;
        await this.#blame(stage, emit(await outputs, ticket, to));
        ticket.release();
        slots.give();
      });
    }
    await slots.allFree();
  }

  /** A stage that works on one item at a time: what it gives at once goes on without a detour. */
  async #oneByOne(
    stage: Transform<unknown, unknown>,
    from: Channel<Entry>,
    to: Channel<Entry>,
  ): Promise<void> {
    const { signal } = this.#controller;
    const emitIdle = () => this.#emitIdle(stage, to);
    const following = async () => from.poll() ?? (await next(from, stage, emitIdle));
    for (let entry = await following(); entry; entry = from.poll() ?? (await following())) {
      try {
        const outputs = stage.transform(entry.item, new Context(signal, entry.ticket));
        await emit(isIterable(outputs) ? outputs : await outputs, entry.ticket, to);
      } catch (error) {
        signal.throwIfAborted();
        throw blame(error, nameOf(stage, 'stage'));
      }
      entry.ticket.release();
    }
  }

  async #emitIdle(stage: Transform<unknown, unknown>, to: Channel<Entry>): Promise<void> {
    const outputs = await this.#call(stage, () => stage.idle!());
    await this.#blame(stage, emit(outputs, new Ticket(), to));
  }

  async #write(stage: Writer<unknown>, from: Channel<Entry>): Promise<void> {
    const slots = new Slots(stage.concurrency ?? 1);
    for (let entry = await first(from); entry; entry = from.poll() ?? (await first(from))) {
      if (!slots.takeNow()) await slots.take();
      this.#writeOne(stage, entry, slots);
    }
    await slots.allFree();
    if (stage.end) await this.#call(stage, () => stage.end!());
  }

  /** Its failure stops the run. Without a function of its own that waits: thousands may be under way. */
  #writeOne(stage: Writer<unknown>, { item, ticket }: Entry, slots: Slots): void {
    const fail = (error: unknown) => this.#stop(blame(error, nameOf(stage, 'stage')));
    const done = () => {
      try {
        ticket.release();
        slots.give();
      } catch (error) {
        this.#stop(error);
      }
    };
    try {
      const written = stage.write(item, new Context(this.#controller.signal, ticket));
      if (written instanceof Promise) written.then(done, fail);
      else Promise.resolve(written).then(done, fail);
    } catch (error) {
      fail(error);
    }
  }

  #fanOut(tee: Tee<unknown>, from: Channel<Entry>): Promise<void>[] {
    const inputs = tee.branches.map((branch) => this.#channel(branch[0]!));
    const loops = tee.branches.flatMap((branch, index) => this.#join(branch, inputs[index]!));
    const feed = async () => {
      for await (const { item, ticket } of from) {
        for (const input of inputs) {
          ticket.hold();
          await input.push({ item, ticket });
        }
        ticket.release();
      }
      for (const input of inputs) input.end();
    };
    return [feed(), ...loops];
  }

  /** Calls into a stage; what it throws or rejects with carries its name. */
  async #call<T>(stage: AnyStage, call: () => T | Promise<T>): Promise<T> {
    try {
      return await call();
    } catch (error) {
      throw blame(error, nameOf(stage, 'stage'));
    }
  }

  /** An output iterator that fails is the stage's failure; one that is cut off by the stop is not. */
  async #blame(stage: AnyStage, work: Promise<void>): Promise<void> {
    await work.catch((error) => {
      this.#controller.signal.throwIfAborted();
      throw blame(error, nameOf(stage, 'stage'));
    });
  }

  /** Work that nobody awaits one by one: its failure stops the run. */
  async #guard(work: () => Promise<void>): Promise<void> {
    try {
      await work();
    } catch (error) {
      this.#stop(error);
    }
  }
}

class Context implements StageContext {
  readonly signal: AbortSignal;
  readonly #ticket: Ticket;

  constructor(signal: AbortSignal, ticket: Ticket) {
    this.signal = signal;
    this.#ticket = ticket;
  }

  /** Bound, so that a stage may take it out of the context; made when it is asked for, which is seldom. */
  get hold(): () => () => void {
    const ticket = this.#ticket;
    return () => {
      let held = true;
      ticket.hold();
      return () => {
        if (held) ticket.release();
        held = false;
      };
    };
  }
}

/** A counting semaphore for one loop. */
class Slots {
  readonly count: number;
  #free: number;
  #waiting: (() => void) | undefined;

  constructor(count: number) {
    this.count = count;
    this.#free = count;
  }

  takeNow(): boolean {
    if (this.#free === 0) return false;
    this.#free -= 1;
    return true;
  }

  async take(): Promise<void> {
    while (this.#free === 0) await new Promise<void>((resolve) => (this.#waiting = resolve));
    this.#free -= 1;
  }

  give(): void {
    this.#free += 1;
    const waiting = this.#waiting;
    this.#waiting = undefined;
    waiting?.();
  }

  async allFree(): Promise<void> {
    while (this.#free < this.count) await new Promise<void>((resolve) => (this.#waiting = resolve));
  }
}

const DEFAULT_IDLE_MS = 1_000;

/** The next entry, or undefined at the end; while none comes, a stage that wants to hears of it. */
async function next(
  from: Channel<Entry>,
  { idle, idleMs = DEFAULT_IDLE_MS }: Transform<unknown, unknown>,
  emitIdle: () => Promise<void>,
): Promise<Entry | undefined> {
  if (!idle) return first(from);
  let isHere = false;
  const entry = first(from).finally(() => {
    isHere = true;
  });
  while (!isHere) {
    let timer: NodeJS.Timeout | undefined;
    const pause = new Promise<void>((resolve) => {
      timer = setTimeout(resolve, idleMs);
    });
    await Promise.race([entry, pause]);
    clearTimeout(timer);
    if (!isHere) await emitIdle();
  }
  return entry;
}

/** The next entry, or undefined at the end. */
async function first(from: Channel<Entry>): Promise<Entry | undefined> {
  return (await from.next()).value;
}

function isIterable(outputs: object): outputs is Iterable<unknown> {
  return Symbol.iterator in outputs;
}

async function emit(
  outputs: Iterable<unknown> | AsyncIterable<unknown>,
  ticket: Ticket,
  to: Channel<Entry>,
): Promise<void> {
  if (!isIterable(outputs)) for await (const output of outputs) await to.push(entryFor(output, ticket));
  else for (const output of outputs) await to.push(entryFor(output, ticket));
}

function entryFor(output: unknown, parent: Ticket): Entry {
  if (output instanceof Combined) {
    const releases = output.releases;
    return {
      item: output.value,
      ticket: new Ticket(() => {
        for (const release of releases) release();
      }),
    };
  }
  parent.hold();
  return { item: output, ticket: parent };
}

async function collect(outputs: Outputs<unknown>): Promise<Iterable<unknown>> {
  const awaited = await outputs;
  if (!(Symbol.asyncIterator in awaited)) return awaited;
  const collected: unknown[] = [];
  for await (const output of awaited) collected.push(output);
  return collected;
}

async function openAll(stages: readonly AnyStage[]): Promise<void> {
  const opening = stages.map(async (stage) => {
    try {
      if (stage instanceof Tee) await Promise.all(stage.branches.map(openAll));
      else await stage.open?.();
    } catch (error) {
      throw blame(error, nameOf(stage, 'stage'));
    }
  });
  await Promise.all(opening);
}

/** A failure with the name of its stage; one that has a name keeps it. */
function blame(error: unknown, stage: string): unknown {
  if (error instanceof RelayError) return error;
  return new RelayError(`${stage} failed: ${messageOf(error)}`, {
    code: 'STAGE_FAILED',
    stage,
    cause: error,
  });
}

import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { EventEmitter } from 'eventemitter3';
import { type ChaosAct, type ChaosRules, chaosSchedule } from './chaos-schedule';
import type { FaultProxy } from './fault-proxy';
import type { Party } from './party';

/** Who takes part in a Chaos, and what may happen to them. */
export interface ChaosOptions extends ChaosRules {
  /** Started in this order. */
  readonly parties: readonly Party[];
  /** Those among the parties that may be killed, by name. @default all */
  readonly mortal?: readonly string[];
  /** The proxies between the parties, by name. @default none */
  readonly links?: Readonly<Record<string, FaultProxy>>;
  /** With the same seed the same is done, in the same order. @default at random */
  readonly seed?: number;
}

/** When a run ends: whichever of these comes first. */
export interface ChaosRun {
  /** Ends after so many kills. */
  readonly kills?: number | undefined;
  /** Ends after so many minutes. */
  readonly minutes?: number | undefined;
  /** Ends it when aborted. @default none */
  readonly signal?: AbortSignal | undefined;
}

/** An act when it was done. */
export interface ChaosDeed extends ChaosAct {
  /** Milliseconds since `run()`. */
  readonly atMs: number;
}

/** What was done. */
export interface ChaosReport {
  /** With this seed the same is done again. */
  readonly seed: number;
  /** How long it took. */
  readonly seconds: number;
  /** By party. */
  readonly kills: Readonly<Record<string, number>>;
  /** By link: cuts, stalls and forgotten connections. */
  readonly faults: Readonly<Record<string, number>>;
  /** What was done, in order; the last 1,000. */
  readonly deeds: readonly ChaosDeed[];
}

/** News of a Chaos. */
export interface ChaosEvents {
  /** Something was done. */
  deed: [ChaosDeed];
  /** A party that was killed is back. */
  started: [{ readonly party: string }];
}

const REMEMBERED_DEEDS = 1_000;

/**
 * Kills processes and breaks the links between them at random, and repeatably: what is done to whom and when
 * comes from the seed alone. One that is away already has its turn when it is back.
 *
 * @example
 * const chaos = new Chaos({ parties: [mosquittoParty('broker', 1883), publisher], links: { uplink } });
 * await chaos.start();
 * console.log(await chaos.run({ kills: 60 }));
 */
export class Chaos extends EventEmitter<ChaosEvents> {
  /** With this seed the same is done again. */
  readonly seed: number;
  readonly #options: ChaosOptions;
  readonly #parties: ReadonlyMap<string, Party>;
  readonly #links: Readonly<Record<string, FaultProxy>>;
  readonly #running = new Map<string, ChildProcess>();
  /** Those that we end ourselves. */
  readonly #ending = new WeakSet<ChildProcess>();
  readonly #failed = new AbortController();

  constructor(options: ChaosOptions) {
    super();
    const { parties, mortal = [], links = {}, seed = Math.floor(Math.random() * 2 ** 31) } = options;
    this.#parties = new Map(parties.map((party) => [party.name, party]));
    if (this.#parties.size !== parties.length) throw new TypeError('chaos: two parties have the same name.');
    const stranger = mortal.find((name) => !this.#parties.has(name));
    if (stranger !== undefined) throw new TypeError(`chaos: mortal names ${stranger}, which is no party.`);
    if (!Number.isSafeInteger(seed)) {
      throw new TypeError(`chaos: seed must be a whole number, not ${seed}.`);
    }
    this.seed = seed;
    this.#options = options;
    this.#links = links;
  }

  /** Starts all parties, one after the other. They end when this process does. */
  async start(): Promise<void> {
    process.once('exit', this.#killAll);
    for (const name of this.#parties.keys()) await this.#start(name);
  }

  /** Aborted with an Error when a party has ended by itself or could not be started, also after `run()`. */
  get signal(): AbortSignal {
    return this.#failed.signal;
  }

  /** The process of a party that is running. */
  processOf(party: string): ChildProcess | undefined {
    return this.#running.get(party);
  }

  /**
   * Does what the seed says for so many kills or minutes. Then every party is running and every link healed,
   * however it ends.
   * @throws the signal's reason; an Error when a party ends by itself or cannot be started.
   */
  async run({ kills = Number.POSITIVE_INFINITY, minutes, signal }: ChaosRun): Promise<ChaosReport> {
    if (kills === Number.POSITIVE_INFINITY && minutes === undefined) {
      throw new TypeError('chaos: say after how many kills or minutes it ends.');
    }
    const startedAt = performance.now();
    const lastsMs = (minutes ?? Number.POSITIVE_INFINITY) * 60_000;
    const stop = AbortSignal.any([this.#failed.signal, ...(signal ? [signal] : [])]);
    const { mortal = [...this.#parties.keys()] } = this.#options;
    const report = { seed: this.seed, kills: {}, faults: {}, deeds: [] as ChaosDeed[] };
    const turns = new Map<string, Promise<void>>();
    let planned = 0;
    for (const act of chaosSchedule(this.seed, mortal, Object.keys(this.#links), this.#options)) {
      await pause(act.afterMs, stop);
      if (stop.aborted || planned >= kills || performance.now() - startedAt >= lastsMs) break;
      if (act.kind === 'kill') planned += 1;
      const turn = async () => {
        await turns.get(act.target);
        if (!stop.aborted) await this.#do({ ...act, atMs: performance.now() - startedAt }, report, stop);
      };
      turns.set(
        act.target,
        turn().catch((error) => this.#failed.abort(error)),
      );
    }
    await Promise.all(turns.values());
    for (const link of Object.values(this.#links)) link.heal();
    stop.throwIfAborted();
    return { ...report, seconds: Math.round((performance.now() - startedAt) / 1000) };
  }

  /** Kills what is running. Idempotent. */
  async close(): Promise<void> {
    process.off('exit', this.#killAll);
    await Promise.all([...this.#running.keys()].map((name) => this.#kill(name)));
  }

  async #do(
    deed: ChaosDeed,
    report: {
      readonly kills: Record<string, number>;
      readonly faults: Record<string, number>;
      readonly deeds: ChaosDeed[];
    },
    stop: AbortSignal,
  ): Promise<void> {
    const { kind, target, forMs } = deed;
    const counts = kind === 'kill' ? report.kills : report.faults;
    counts[target] = (counts[target] ?? 0) + 1;
    report.deeds.push(deed);
    if (report.deeds.length > REMEMBERED_DEEDS) report.deeds.shift();
    this.emit('deed', deed);
    if (kind === 'kill') {
      await this.#kill(target);
      await pause(forMs, stop);
      await this.#start(target);
      this.emit('started', { party: target });
    } else {
      const link = this.#links[target]!;
      if (kind === 'half-open') link.halfOpen();
      if (kind === 'stall') link.pause();
      if (kind === 'cut') {
        link.refuse();
        link.cut();
      }
      await pause(forMs, stop);
      link.heal();
    }
  }

  async #start(name: string): Promise<void> {
    const child = await this.#parties.get(name)!.start();
    this.#running.set(name, child);
    const ended = (code: number | null, signal: string | null) => {
      if (this.#ending.has(child)) return;
      this.#running.delete(name);
      this.#failed.abort(new Error(`${name} has ended by itself, with ${code ?? signal}.`));
    };
    child.once('exit', ended);
    if (child.exitCode !== null || child.signalCode !== null) ended(child.exitCode, child.signalCode);
  }

  async #kill(name: string): Promise<void> {
    const child = this.#running.get(name);
    this.#running.delete(name);
    if (!child || child.exitCode !== null || child.signalCode !== null) return;
    this.#ending.add(child);
    const exited = once(child, 'exit');
    child.kill('SIGKILL');
    await exited;
  }

  readonly #killAll = () => {
    for (const child of this.#running.values()) child.kill('SIGKILL');
  };
}

/** Resolves after so many milliseconds, or as soon as the signal is aborted. */
async function pause(milliseconds: number, signal: AbortSignal): Promise<void> {
  if (signal.aborted) return;
  await new Promise<void>((resolve) => {
    const done = () => {
      clearTimeout(timer);
      signal.removeEventListener('abort', done);
      resolve();
    };
    const timer = setTimeout(done, milliseconds);
    signal.addEventListener('abort', done);
  });
}

import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Chaos, type ChaosDeed } from 'edge-relay/testing';
import { type Audit, audit, damagedIn, keysIn } from './audit';
import { readIds } from './id-log';
import { Relay } from './relay';
import type { RoleSettings } from './roles';

export interface TrialOptions {
  readonly program: string;
  readonly kills: number | undefined;
  readonly minutes: number | undefined;
  readonly seed: number;
  /** Those that are killed. @default all */
  readonly mortal: readonly string[] | undefined;
  readonly withReceipts: boolean;
  readonly writes: RoleSettings['writes'];
  readonly messagesPerSecond: number;
  /** How long everything may take to arrive once all is well again. */
  readonly settleSeconds: number;
  readonly onDeed?: ((deed: ChaosDeed, relay: Relay) => void) | undefined;
}

/** What happened, in figures; `lost`, `doubled` and `damaged` are to be 0. */
export interface TrialResult {
  readonly isSound: boolean;
  readonly figures: Readonly<Record<string, unknown>>;
  /** The ids and keys of what is not as it should be, and where they lie; the folder is kept. */
  readonly evidence: {
    readonly folder: string;
    readonly lost: readonly string[];
    readonly wrong: readonly string[];
    /** What each party has told last. */
    readonly latest: Readonly<Record<string, Readonly<Record<string, number>>>>;
  };
}

/** Runs a relay, does it harm, lets it settle, and looks at what has become of all that was published. */
export async function trial(options: TrialOptions): Promise<TrialResult> {
  const folder = await mkdtemp(join(tmpdir(), 'edge-relay-chaos-'));
  const { program, withReceipts, writes, messagesPerSecond, kills, minutes, settleSeconds } = options;
  const { mortal, seed, onDeed } = options;
  const relay = await Relay.create({ folder, program, withReceipts, writes, messagesPerSecond });
  const { parties, links } = relay;
  const chaos = new Chaos({ parties, links, seed, ...(mortal && { mortal }) });
  if (onDeed) chaos.on('deed', (deed) => onDeed(deed, relay));
  try {
    await chaos.start();
    const { deeds: _, ...report } = await chaos.run({ kills, minutes });
    chaos.processOf('publisher')?.kill('SIGTERM');
    const settlingAt = performance.now();
    const outcome = await settled(relay, settleSeconds * 1000, chaos.signal);
    const settledSeconds = Math.round((performance.now() - settlingAt) / 100) / 10;
    const damaged = await damagedIn(relay.store, await keysIn(relay.store));
    const wrong = [...outcome.doubled, ...damaged];
    const isSound = outcome.published > 0 && outcome.lost.length === 0 && wrong.length === 0;
    const figures = {
      ...report,
      published: outcome.published,
      stored: outcome.stored,
      lost: outcome.lost.length,
      doubled: outcome.doubled.length,
      damaged: damaged.length,
      duplicates: relay.total('sink', 'duplicates'),
      resent: relay.total('publisher', 'resent'),
      resentByBridge: relay.total('bridge', 'resent'),
      settledSeconds,
      spooled: relay.figures('publisher').spooled,
      withReceipts,
      writes,
    };
    const evidence = { folder, lost: outcome.lost, wrong, latest: relay.latest };
    if (isSound) await chaos.close().then(() => rm(folder, { recursive: true, force: true }));
    return { isSound, figures, evidence };
  } finally {
    await chaos.close();
    await relay.close();
  }
}

/**
 * Waits until nothing is missing, and nothing that is still under way could come twice; at the most so long.
 * @throws the reason of `ended`: without one of the parties nothing would settle.
 */
async function settled(relay: Relay, timeoutMs: number, ended: AbortSignal): Promise<Audit> {
  const deadline = performance.now() + timeoutMs;
  for (;;) {
    await new Promise((resolve) => setTimeout(resolve, 1_000));
    ended.throwIfAborted();
    const outcome = audit(await readIds(relay.logs), await keysIn(relay.store));
    const isIdle = relay.figures('publisher').spooled === 0 && relay.figures('bridge').spooled === 0;
    if ((outcome.lost.length === 0 && isIdle) || performance.now() > deadline) return outcome;
  }
}

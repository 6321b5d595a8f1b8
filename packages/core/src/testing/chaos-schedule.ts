import { SeededRandom } from './seeded-random';

/** Something that is done to a party or to a link for a while, and then undone. */
export interface ChaosAct {
  /**
   * `kill`: SIGKILL, and started again. `cut`: connections reset, and new ones refused. `half-open`: forgotten,
   * as by a NAT. `stall`: nothing passes.
   */
  readonly kind: 'kill' | 'cut' | 'half-open' | 'stall';
  /** The name of the party or link. */
  readonly target: string;
  /** How long after the act before, in milliseconds. */
  readonly afterMs: number;
  /** For how long, in milliseconds. */
  readonly forMs: number;
}

/** What may be done, how often, and for how long. */
export interface ChaosRules {
  /** From one act to the next, at least and at most, in milliseconds. @default [200, 2,400] */
  readonly everyMs?: readonly [number, number];
  /** How long a killed party stays away, in milliseconds. @default [0, 2,000] */
  readonly awayMs?: readonly [number, number];
  /** How long a link fails, in milliseconds. @default [0, 3,000] */
  readonly faultMs?: readonly [number, number];
  /** How many of the acts are kills, from 0 to 1, where there are links, too. @default 0.7 */
  readonly killShare?: number;
}

/** What is done to whom and when, without an end: the same for the same seed, whatever comes of it. */
export function* chaosSchedule(
  seed: number,
  parties: readonly string[],
  links: readonly string[],
  rules: ChaosRules = {},
): Generator<ChaosAct, never> {
  const { everyMs = [200, 2_400], awayMs = [0, 2_000], faultMs = [0, 3_000], killShare = 0.7 } = rules;
  const random = new SeededRandom(seed);
  for (;;) {
    const afterMs = random.between(...everyMs);
    const isKill = links.length === 0 || (parties.length > 0 && random.next() < killShare);
    yield isKill
      ? { kind: 'kill', target: random.pick(parties), afterMs, forMs: random.between(...awayMs) }
      : {
          kind: random.pick(['cut', 'half-open', 'stall'] as const),
          target: random.pick(links),
          afterMs,
          forMs: random.between(...faultMs),
        };
  }
}

import { formatRanges, parseRanges } from '../gap-record';
import { LatencySample, type LatencySummary } from './latency-sample';
import type { ManifestRow, ManifestTimes } from './manifest-row';
import { NumberAccount } from './number-account';

/** The way from one place to the next, or the whole of it. */
export interface HopLatency extends LatencySummary {
  readonly from: keyof ManifestTimes;
  readonly to: keyof ManifestTimes;
}

/** What the audit says of one camera. */
export interface CameraAudit {
  readonly camera: string;
  /** Pictures that are there, and their bytes. */
  readonly stored: number;
  readonly bytes: number;
  readonly conflicts: number;
  readonly rejected: number;
  readonly forgotten: number;
  /** First and last capture, RFC 3339 in UTC. */
  readonly first?: string;
  readonly last?: string;
  /** How many runs of its publisher brought pictures with numbers. */
  readonly boots: number;
  /** Numbers that were given to pictures which are nowhere, without a record of why. */
  readonly missing: number;
  /** The first of them, by boot: `17-25,28`. */
  readonly missingNumbers: readonly { readonly boot: string; readonly numbers: string }[];
  /** Numbers of pictures that were dropped on the way, by what their gap records say. */
  readonly dropped: number;
  readonly dropReasons: readonly string[];
  readonly hops: readonly HopLatency[];
  /** From the frame to the object. */
  readonly total?: HopLatency;
  /**
   * By how much the cloud's clock is behind the edge's at least, in milliseconds: so much earlier than it was
   * sent the fastest picture seems to have arrived. It is added where a hop goes from one clock to the other. 0
   * where nothing arrived before it was sent: then what the clocks differ by hides in the time of the way.
   */
  readonly cloudClockBehindMs: number;
}

/** In the order of the way; those of the cloud's clock at the end. */
const WAY = ['captured', 'read', 'detected', 'published', 'bridged', 'received', 'stored'] as const;
const CLOUD: readonly (keyof ManifestTimes)[] = ['received', 'stored'];
const RANGES_SHOWN = 20;
const BOOTS_SHOWN = 20;

/** Adds up the rows of one camera. */
export class CameraAccount {
  readonly #camera: string;
  readonly #counts = { stored: 0, conflicts: 0, rejected: 0, forgotten: 0, bytes: 0 };
  readonly #numbers = new Map<string, NumberAccount>();
  readonly #reasons = new Set<string>();
  readonly #hops = new Map<string, LatencySample>();
  #first: string | undefined;
  #last: string | undefined;

  constructor(camera: string) {
    this.#camera = camera;
  }

  add(row: ManifestRow): void {
    if (row.outcome === 'gap') {
      this.#numbersOf(row.boot)?.excuse(parseRanges(row.numbers ?? ''));
      if (row.reason !== undefined) this.#reasons.add(row.reason);
      return;
    }
    this.#count(row);
    if (row.number !== undefined) this.#numbersOf(row.boot)?.add(row.number);
    if (row.outcome === 'stored') this.#measure(row);
  }

  /** @param isWhole whether all its rows were added, so that the first number is 0 */
  audit(isWhole: boolean): CameraAudit {
    const balances = [...this.#numbers].map(([boot, numbers]) => ({
      boot,
      ...numbers.balance(isWhole ? 0 : undefined),
    }));
    const behindMs = Math.max(0, -this.#fastestCrossing());
    const hops = [...this.#hops].flatMap(([name, sample]) => hopOf(name, sample, behindMs));
    const total = hops.find(({ from, to }) => from === 'read' && to === 'stored');
    return {
      camera: this.#camera,
      ...this.#counts,
      ...(this.#first !== undefined && { first: this.#first, last: this.#last! }),
      boots: balances.length,
      missing: balances.reduce((sum, { missed }) => sum + missed, 0),
      missingNumbers: balances
        .filter(({ missed }) => missed > 0)
        .slice(0, BOOTS_SHOWN)
        .map(({ boot, missing }) => ({ boot, numbers: formatRanges(missing.slice(0, RANGES_SHOWN)) })),
      dropped: balances.reduce((sum, { excused }) => sum + excused, 0),
      dropReasons: [...this.#reasons].sort(),
      hops: hops.filter((hop) => hop !== total).sort(byPlace),
      ...(total && { total }),
      cloudClockBehindMs: behindMs,
    };
  }

  #count(row: ManifestRow): void {
    if (row.outcome === 'stored') {
      this.#counts.stored += 1;
      this.#counts.bytes += row.bytes;
    } else if (row.outcome === 'conflict') this.#counts.conflicts += 1;
    else if (row.outcome === 'rejected') this.#counts.rejected += 1;
    else this.#counts.forgotten += 1;
    if (row.outcome === 'forgotten') return;
    if (this.#first === undefined || row.captured < this.#first) this.#first = row.captured;
    if (this.#last === undefined || row.captured > this.#last) this.#last = row.captured;
  }

  #numbersOf(boot: string | undefined): NumberAccount | undefined {
    if (boot === undefined) return undefined;
    let numbers = this.#numbers.get(boot);
    if (!numbers) {
      numbers = new NumberAccount();
      this.#numbers.set(boot, numbers);
    }
    return numbers;
  }

  #measure(row: ManifestRow): void {
    // When a recording was taken says nothing of how fast it was read.
    const isLive = row.clock === 'device' || row.clock === 'stream';
    let before: (typeof WAY)[number] | undefined;
    let beforeMs = 0;
    for (const place of WAY) {
      const time = row[place];
      if (time === undefined || (place === 'captured' && !isLive)) continue;
      const ms = Date.parse(time);
      if (before) this.#sample(before, place).add(ms - beforeMs);
      before = place;
      beforeMs = ms;
    }
    if (row.read !== undefined) this.#sample('read', 'stored').add(beforeMs - Date.parse(row.read));
  }

  #sample(from: string, to: string): LatencySample {
    const name = `${from} ${to}`;
    let sample = this.#hops.get(name);
    if (!sample) {
      sample = new LatencySample();
      this.#hops.set(name, sample);
    }
    return sample;
  }

  /** The least time from the last place of the edge to the first of the cloud, as their clocks tell it. */
  #fastestCrossing(): number {
    const crossings = [...this.#hops].filter(([name]) => isCrossing(name) && name !== 'read stored');
    return Math.min(0, ...crossings.map(([, { least }]) => least));
  }
}

function isCrossing(name: string): boolean {
  const [from, to] = name.split(' ') as [keyof ManifestTimes, keyof ManifestTimes];
  return !CLOUD.includes(from) && CLOUD.includes(to);
}

function hopOf(name: string, sample: LatencySample, behindMs: number): HopLatency[] {
  const [from, to] = name.split(' ') as [keyof ManifestTimes, keyof ManifestTimes];
  const summary = sample.summary(isCrossing(name) ? behindMs : 0);
  return summary ? [{ from, to, ...summary }] : [];
}

function byPlace(one: HopLatency, other: HopLatency): number {
  return WAY.indexOf(one.from) - WAY.indexOf(other.from) || WAY.indexOf(one.to) - WAY.indexOf(other.to);
}

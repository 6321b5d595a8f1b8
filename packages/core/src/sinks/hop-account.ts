import { LatencySample, type LatencySummary } from './latency-sample';
import type { ManifestRow, ManifestTimes } from './manifest-row';

/** The way from one place to the next, or the whole of it. */
export interface HopLatency extends LatencySummary {
  /** The time at which the hop began. */
  readonly from: keyof ManifestTimes;
  /** The time at which it ended. */
  readonly to: keyof ManifestTimes;
}

/**
 * What the cloud's clock and the edge's differ by, as far as messages and receipts tell. The fastest message of
 * all bounds it from above: none arrives before it is sent. The fastest receipt bounds it from below. It lies
 * between, as in NTP (RFC 5905, section 8), where the clocks stood still against each other.
 */
export interface ClockDifference {
  /** Milliseconds that the cloud's clock is ahead of the edge's, below 0 where it is behind; hops are corrected by it. */
  readonly cloudAheadMs: number;
  /**
   * By how much that can be wrong in either direction, in milliseconds: half of the fastest way there and back.
   * Missing where no receipt has told of the way back: then the cloud's clock is behind by as much at least, and 0 means
   * that nothing is known.
   */
  readonly uncertaintyMs?: number;
  /** By how many milliseconds at least the clocks moved against each other meanwhile: no difference fits all times. */
  readonly movedMs: number;
}

/** In the order of the way; those of the cloud's clock at the end. */
const WAY = ['captured', 'read', 'detected', 'published', 'bridged', 'received', 'stored'] as const;
const FIRST_OF_CLOUD = WAY.indexOf('received');
const READ = WAY.indexOf('read');
/** Times are in whole milliseconds: what lies between two of them can be off by one. */
const ROUNDING_MS = 1;

/** Adds up how long each hop took, and what the clocks differ by. */
export class HopAccount {
  /** By place where it begins and place where it ends. */
  readonly #hops: (LatencySample | undefined)[][] = WAY.map(() => []);
  readonly #total = new LatencySample();
  #leastThereMs = Number.POSITIVE_INFINITY;
  #leastBackMs = Number.POSITIVE_INFINITY;

  add(row: ManifestRow): void {
    // When a recording was taken says nothing of how fast it was read.
    const isLive = row.clock === 'device' || row.clock === 'stream';
    let before = -1;
    let beforeMs = 0;
    let readMs: number | undefined;
    for (let place = isLive ? 0 : 1; place < WAY.length; place += 1) {
      const time = row[WAY[place]!];
      if (time === undefined) continue;
      const ms = Date.parse(time);
      if (before >= 0) this.#measure(before, place, ms - beforeMs);
      if (place === READ) readMs = ms;
      before = place;
      beforeMs = ms;
    }
    if (readMs !== undefined) this.#total.add(beforeMs - readMs);
    if (row.receiptms !== undefined && row.receiptms < this.#leastBackMs) this.#leastBackMs = row.receiptms;
  }

  /** Undefined where nothing went from one clock to the other. */
  get clock(): ClockDifference | undefined {
    const [there, back] = [this.#leastThereMs, this.#leastBackMs];
    if (there === Number.POSITIVE_INFINITY) return undefined;
    if (back === Number.POSITIVE_INFINITY) return { cloudAheadMs: Math.min(0, there), movedMs: 0 };
    const roundTripMs = there + back;
    return {
      // Not -0.
      cloudAheadMs: Math.round((there - back) / 2) + 0,
      uncertaintyMs: Math.max(0, Math.ceil(roundTripMs / 2)) + ROUNDING_MS,
      movedMs: roundTripMs < -2 * ROUNDING_MS ? -roundTripMs : 0,
    };
  }

  /** In the order of the way, what goes from one clock to the other corrected; without `total`. */
  get hops(): HopLatency[] {
    const hops = WAY.flatMap((from, start) =>
      WAY.flatMap((to, end) => this.#summary(from, to, this.#hops[start]?.[end])),
    );
    return hops.filter(({ from, to }) => !(from === 'read' && to === 'stored'));
  }

  /** From the frame to the object. */
  get total(): HopLatency | undefined {
    return this.#summary('read', 'stored', this.#total)[0];
  }

  #measure(from: number, to: number, ms: number): void {
    let sample = this.#hops[from]![to];
    if (!sample) {
      sample = new LatencySample();
      this.#hops[from]![to] = sample;
    }
    sample.add(ms);
    if (isCrossing(from, to) && ms < this.#leastThereMs) this.#leastThereMs = ms;
  }

  #summary(from: keyof ManifestTimes, to: keyof ManifestTimes, sample?: LatencySample): HopLatency[] {
    const crosses = isCrossing(WAY.indexOf(from), WAY.indexOf(to));
    const summary = sample?.summary(crosses ? -(this.clock?.cloudAheadMs ?? 0) : 0);
    return summary ? [{ from, to, ...summary }] : [];
  }
}

function isCrossing(from: number, to: number): boolean {
  return from < FIRST_OF_CLOUD && to >= FIRST_OF_CLOUD;
}

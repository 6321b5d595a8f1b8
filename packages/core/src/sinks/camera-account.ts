import { formatRanges, parseRanges } from '../gap-record';
import { type ClockDifference, HopAccount, type HopLatency } from './hop-account';
import type { ManifestRow } from './manifest-row';
import { NumberAccount } from './number-account';

/** What the audit says of one camera. */
export interface CameraAudit {
  /** The camera's name. */
  readonly camera: string;
  /** Pictures that are there, and their bytes. */
  readonly stored: number;
  /** The bytes of the pictures that are there. */
  readonly bytes: number;
  /** Objects kept apart because another one was there under their id. */
  readonly conflicts: number;
  /** Objects kept apart because they are not what is accepted. */
  readonly rejected: number;
  /** Pictures that were deleted for good by `forget()`. */
  readonly forgotten: number;
  /** What the store removed by its rules of retention. */
  readonly removed: number;
  /** First and last capture, RFC 3339 in UTC. */
  readonly first?: string;
  /** The last capture, RFC 3339 in UTC. */
  readonly last?: string;
  /** How many runs of its publisher brought pictures with numbers. */
  readonly boots: number;
  /** Numbers that were given to pictures which are nowhere, without a record of why. */
  readonly missing: number;
  /** The first of them, by boot: `17-25,28`. */
  readonly missingNumbers: readonly { readonly boot: string; readonly numbers: string }[];
  /** Numbers of pictures that were dropped on the way, by what their gap records say. */
  readonly dropped: number;
  /** Why they were dropped, each reason once. */
  readonly dropReasons: readonly string[];
  /** The time that pictures took from each place of the way to the next. */
  readonly hops: readonly HopLatency[];
  /** From the frame to the object. */
  readonly total?: HopLatency;
  /** Missing where nothing went from the edge's clock to the cloud's. */
  readonly clock?: ClockDifference;
}

const RANGES_SHOWN = 20;
const BOOTS_SHOWN = 20;

/** Adds up the rows of one camera. */
export class CameraAccount {
  readonly #camera: string;
  readonly #counts = { stored: 0, conflicts: 0, rejected: 0, forgotten: 0, removed: 0, bytes: 0 };
  readonly #numbers = new Map<string, NumberAccount>();
  readonly #reasons = new Set<string>();
  readonly #hops = new HopAccount();
  #first: string | undefined;
  #last: string | undefined;

  constructor(camera: string) {
    this.#camera = camera;
  }

  /** @param isRemoved whether the store has removed its object by its rules of retention */
  add(row: ManifestRow, isRemoved = false): void {
    if (row.outcome === 'gap') {
      this.#numbersOf(row.boot)?.excuse(parseRanges(row.numbers ?? ''));
      if (row.reason !== undefined) this.#reasons.add(row.reason);
      return;
    }
    this.#count(row, isRemoved);
    if (row.number !== undefined) this.#numbersOf(row.boot)?.add(row.number);
    if (row.outcome === 'stored') this.#hops.add(row);
  }

  /** A row of an object that was counted as removed, and was stored anew since. */
  bringBack(row: ManifestRow): void {
    this.#counts.removed -= 1;
    this.#countOutcome(row);
  }

  /** @param isWhole whether all its rows were added, so that the first number is 0 */
  audit(isWhole: boolean): CameraAudit {
    const balances = [...this.#numbers].map(([boot, numbers]) => ({
      boot,
      ...numbers.balance(isWhole ? 0 : undefined),
    }));
    const { hops, total, clock } = this.#hops;
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
      hops,
      ...(total && { total }),
      ...(clock && { clock }),
    };
  }

  #count(row: ManifestRow, isRemoved: boolean): void {
    if (isRemoved) this.#counts.removed += 1;
    else this.#countOutcome(row);
    if (row.outcome === 'forgotten') return;
    if (this.#first === undefined || row.captured < this.#first) this.#first = row.captured;
    if (this.#last === undefined || row.captured > this.#last) this.#last = row.captured;
  }

  #countOutcome(row: ManifestRow): void {
    if (row.outcome === 'stored') {
      this.#counts.stored += 1;
      this.#counts.bytes += row.bytes;
    } else if (row.outcome === 'conflict') this.#counts.conflicts += 1;
    else if (row.outcome === 'rejected') this.#counts.rejected += 1;
    else this.#counts.forgotten += 1;
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
}

import type { ManifestUpkeepOptions } from './manifest-upkeep';
import type { ManifestWriterOptions } from './manifest-writer';

/** How a Sink keeps account of what it stores. */
export interface ManifestOptions {
  /** Rows that are written together, at the most. @default twice as many as are stored at once, but 32 at least */
  readonly rows?: number | undefined;
  /**
   * Milliseconds that a row waits for others, at the most. It waits only while other messages are under way.
   * @default 100
   */
  readonly delayMs?: number | undefined;
  /** Milliseconds between two runs that gather the parts by camera and hour. @default 600,000 */
  readonly compactEveryMs?: number | undefined;
  /** How many parts of our own bring the next run on. @default 1,000 */
  readonly compactAfterParts?: number | undefined;
}

export type ManifestSettings = ManifestWriterOptions & { readonly upkeep: ManifestUpkeepOptions };

/** Throws a `TypeError` that names the option; undefined where there is to be no manifest. */
export function manifestSettings(
  given: boolean | ManifestOptions,
  concurrency: number,
): ManifestSettings | undefined {
  if (given === false) return undefined;
  if (given !== true && (typeof given !== 'object' || given === null)) {
    throw new TypeError(`manifest must be true, false or options, not ${JSON.stringify(given)}.`);
  }
  const {
    rows = Math.max(32, 2 * concurrency),
    delayMs = 100,
    compactEveryMs = 600_000,
    compactAfterParts = 1_000,
  } = given === true ? {} : given;
  for (const [name, value] of Object.entries({ rows, delayMs, compactEveryMs, compactAfterParts })) {
    if (!(Number.isInteger(value) && value > 0)) {
      throw new TypeError(`manifest.${name} must be a whole number above 0, not ${value}.`);
    }
  }
  return { rows, delayMs, upkeep: { everyMs: compactEveryMs, parts: compactAfterParts } };
}

import { PLACEMENTS, type Placement } from './file-placement';

/** How long and how much a FileStore keeps, and what it leaves free of the disk. */
export interface FileStoreOptions {
  /** How an object gets its name. @default the first of `link`, `rename`, `write` that the file system can */
  readonly placement?: Placement;
  /** What is left free of the disk, in bytes. @default 100 MiB */
  readonly freeDiskBytes?: number;
  /**
   * What to do when the disk has no more than that: `wait` fails with a retryable error, so that messages wait
   * with their broker; `remove-oldest` makes room. @default 'wait'
   */
  readonly whenFull?: 'wait' | 'remove-oldest';
  /** Removes objects that were stored longer ago, in hours. @default none */
  readonly maxAgeHours?: number;
  /** Removes the oldest objects where there are more bytes than that. @default none */
  readonly maxBytes?: number;
}

export type FileStoreSettings = Required<Omit<FileStoreOptions, 'placement'>> &
  Pick<FileStoreOptions, 'placement'>;

/** Fills in the defaults. Throws a `TypeError` that names the option. */
export function fileStoreSettings(options: FileStoreOptions): FileStoreSettings {
  const { placement, freeDiskBytes = 100 * 1024 ** 2, whenFull = 'wait' } = options;
  const { maxAgeHours = Number.POSITIVE_INFINITY, maxBytes = Number.POSITIVE_INFINITY } = options;
  if (placement !== undefined && !PLACEMENTS.includes(placement)) {
    throw new TypeError(`placement must be 'link', 'rename' or 'write', not ${JSON.stringify(placement)}.`);
  }
  if (whenFull !== 'wait' && whenFull !== 'remove-oldest') {
    throw new TypeError(`whenFull must be 'wait' or 'remove-oldest', not ${JSON.stringify(whenFull)}.`);
  }
  if (!(Number.isFinite(freeDiskBytes) && freeDiskBytes >= 0)) {
    throw new TypeError(`freeDiskBytes must be a number of at least 0, not ${freeDiskBytes}.`);
  }
  for (const [name, value] of Object.entries({ maxAgeHours, maxBytes })) {
    if (!(value > 0)) throw new TypeError(`${name} must be a number above 0, not ${value}.`);
  }
  return { freeDiskBytes, whenFull, maxAgeHours, maxBytes, ...(placement && { placement }) };
}

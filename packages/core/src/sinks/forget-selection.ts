import type { ManifestRow } from './manifest-row';

/** What is to be forgotten: where several are given, what fits all of them. */
export interface Selection {
  /** Only what this camera has taken. @default all cameras */
  readonly camera?: string | undefined;
  /** The name of a track, the CloudEvents `subject`. */
  readonly track?: string | undefined;
  /** Only what was taken before this time. */
  readonly before?: Date | undefined;
  /** These objects, by their rows. */
  readonly objects?: readonly Pick<ManifestRow, 'key' | 'camera' | 'captured'>[] | undefined;
}

/** Whether a row is selected. @throws {TypeError} where the selection would be everything. */
export function selects({ camera, track, before, objects }: Selection): (row: ManifestRow) => boolean {
  if (camera === undefined && track === undefined && before === undefined && objects === undefined) {
    throw new TypeError(
      'Name a camera, a track, a time before which, or objects: nothing is forgotten without.',
    );
  }
  if (before !== undefined && !Number.isFinite(before.getTime())) {
    throw new TypeError('before must be a valid Date.');
  }
  const until = before?.toISOString();
  const keys = objects && new Set(objects.map(({ key }) => key));
  return (row) =>
    // The record of a gap shows nobody.
    row.outcome !== 'gap' &&
    row.outcome !== 'forgotten' &&
    (camera === undefined || row.camera === camera) &&
    (track === undefined || row.track === track) &&
    (until === undefined || row.captured < until) &&
    (keys === undefined || keys.has(row.key));
}

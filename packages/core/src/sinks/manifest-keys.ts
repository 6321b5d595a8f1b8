import { createHash } from 'node:crypto';
import { bootId } from '../identity';
import { safePart } from './key-part';
import type { ManifestRow } from './manifest-row';

/** Everything of the manifest is below it. */
export const MANIFEST = 'manifest/';
/** What sinks write as they store. */
export const PARTS = `${MANIFEST}parts/`;
/** What parts are gathered into: `{camera}/dt=2026-01-02/hour=03/{digits of the SHA-256}.jsonl`. */
export const HOURS = `${MANIFEST}hours/`;
/** What has been deleted for good. */
export const FORGOTTEN = `${MANIFEST}forgotten/`;

/** What the store has removed by its rules of retention: no rows, but keys. */
export const REMOVED = `${MANIFEST}removed/`;

const LONGEST_CAMERA = 120;
const HASH_DIGITS = 24;
let counter = 0;

/** A name that nobody has had or will have; sorted by time. */
export function partKey(folder: typeof PARTS | typeof FORGOTTEN | typeof REMOVED): string {
  counter += 1;
  const time = new Date().toISOString().replaceAll(/[-:]/g, '');
  return `${folder}${time}-${bootId()}-${counter}.jsonl`;
}

/** When a part was begun, in milliseconds since 1970 (UTC); 0 for a name that is none of ours. */
export function partTime(key: string): number {
  const match = /(\d{4})(\d\d)(\d\d)T(\d\d)(\d\d)(\d\d\.\d{3})Z-[0-9a-f]+-\d+\.jsonl$/.exec(key);
  if (!match) return 0;
  const [, year, month, day, hours, minutes, seconds] = match;
  return Date.parse(`${year}-${month}-${day}T${hours}:${minutes}:${seconds}Z`) || 0;
}

/** The folder of a camera's hour, by capture time, as objects have it. */
export function hourFolder(row: Pick<ManifestRow, 'camera' | 'captured'>): string {
  return hourFolders(row);
}

/** The folder that holds a camera's hours, those of a day, or one hour: by how much of the time is given. */
export function hourFolders({ camera, captured = '' }: { camera: string; captured?: string }): string {
  const all = `${HOURS}${safePart(camera, LONGEST_CAMERA)}/`;
  if (captured === '') return all;
  const day = `${all}dt=${captured.slice(0, 10)}/`;
  return captured.length < 13 ? day : `${day}hour=${captured.slice(11, 13)}/`;
}

/** Named by what is in it: the same rows never make two files. */
export function hourKey(folder: string, content: Uint8Array): string {
  return `${folder}${createHash('sha256').update(content).digest('hex').slice(0, HASH_DIGITS)}.jsonl`;
}

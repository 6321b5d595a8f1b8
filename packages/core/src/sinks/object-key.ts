import { createHash } from 'node:crypto';
import type { Provenance } from './provenance';

const CONFLICTS = 'conflicts';
const GAPS = 'gaps';
const REJECTED = 'rejected';
/** No camera's folder is called like one of our own. */
const OWN_FOLDERS: readonly string[] = [CONFLICTS, GAPS, 'manifest', REJECTED];
const LONGEST_CAMERA = 120;
const LONGEST_ID = 200;
const HASH_DIGITS = 16;

/** `{camera}/dt=2026-01-02/hour=03/{id}.{extension}`, by capture time in UTC. */
export function objectKey({ camera, capturedAt, id }: Provenance, extension: string): string {
  const folder = safePart(camera, LONGEST_CAMERA);
  // A camera may be called like one of our own folders.
  const own = OWN_FOLDERS.includes(folder)
    ? `${escapeCharacter(folder.charAt(0))}${folder.slice(1)}`
    : folder;
  return `${own}/${hourOf(capturedAt)}/${safePart(id, LONGEST_ID)}.${extension}`;
}

/** `rejected/dt=2026-01-02/hour=03/{id}.bin` */
export function rejectedKey({ capturedAt, id }: Provenance): string {
  return `${REJECTED}/${hourOf(capturedAt)}/${safePart(id, LONGEST_ID)}.bin`;
}

/** `gaps/dt=2026-01-02/hour=03/{id}.json` */
export function gapKey(time: number, id: string): string {
  return `${GAPS}/${hourOf(time)}/${safePart(id, LONGEST_ID)}.json`;
}

/** Where other bytes under a taken key go: `conflicts/{key}-{first 12 digits of their SHA-256}.{extension}`. */
export function conflictKey(key: string, sha256: string): string {
  const dot = key.lastIndexOf('.');
  return `${CONFLICTS}/${key.slice(0, dot)}-${sha256.slice(0, 12)}${key.slice(dot)}`;
}

/** The note of ours beside what was rejected. */
export function noteKey(key: string): string {
  return withExtension(key, 'json');
}

/** What a sink said of the message whose object this is. */
export function outcomeOf(key: string): 'stored' | 'conflict' | 'rejected' | 'gap' {
  const folder = key.slice(0, key.indexOf('/'));
  if (folder === CONFLICTS) return 'conflict';
  if (folder === REJECTED) return 'rejected';
  return folder === GAPS ? 'gap' : 'stored';
}

/** Whether an object is no message's, but a note of ours beside one. */
export function isOwnNote(key: string): boolean {
  return key.startsWith(`${REJECTED}/`) && key.endsWith('.json');
}

/** The same key with another extension. */
export function withExtension(key: string, extension: string): string {
  return `${key.slice(0, key.lastIndexOf('.'))}.${extension}`;
}

function hourOf(time: number): string {
  const text = new Date(time).toISOString();
  const [date = '', clock = ''] = text.split('T');
  return `dt=${date}/hour=${clock.slice(0, 2)}`;
}

/**
 * A text as one part of a key: what is not a letter, digit, `.`, `_` or `-` is percent-encoded, so that
 * two texts never give one part; a long one ends with a hash of the whole.
 */
export function safePart(text: string, longest: number): string {
  const safe = text.replaceAll(/[^A-Za-z0-9._-]|^\./gu, escapeCharacter);
  if (safe.length <= longest) return safe;
  const hash = createHash('sha256').update(text).digest('hex').slice(0, HASH_DIGITS);
  return `${safe.slice(0, longest - HASH_DIGITS - 1)}-${hash}`;
}

function escapeCharacter(character: string): string {
  return [...Buffer.from(character)].map((byte) => `%${hexOf(byte)}`).join('');
}

function hexOf(byte: number): string {
  return byte.toString(16).toUpperCase().padStart(2, '0');
}

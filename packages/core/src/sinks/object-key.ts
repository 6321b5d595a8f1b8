import { createHash } from 'node:crypto';
import { propertyOf } from '../message';
import { safePart } from './key-part';
import { type KeyFields, KeyTemplate } from './key-template';
import type { Provenance } from './provenance';

const ARRIVALS = 'arrivals';
const CONFLICTS = 'conflicts';
const GAPS = 'gaps';
const PROBES = 'probes';
const REJECTED = 'rejected';

/** Folders of a store where the sink keeps what is no picture of a camera: no picture's key begins with one. */
export const OWN_FOLDERS: readonly string[] = [ARRIVALS, CONFLICTS, GAPS, 'manifest', PROBES, REJECTED];

const REJECTED_KEY = new KeyTemplate(`${REJECTED}/dt={captured:%Y-%m-%d}/hour={captured:%H}/{id}.{ext}`);
const GAP_KEY = new KeyTemplate(`${GAPS}/dt={captured:%Y-%m-%d}/hour={captured:%H}/{id}.{ext}`);
const LONGEST_ID = 200;
/** Of the SHA-256 of bytes that are in conflict with others, what their key has. */
export const CONFLICT_DIGITS = 12;

/** What a template is filled with. */
export function keyFields(provenance: Provenance, receivedAt: number, extension: string): KeyFields {
  const { id, camera, capturedAt, attributes } = provenance;
  const holder = { properties: attributes };
  const track = propertyOf(holder, 'subject');
  const sequence = propertyOf(holder, 'sequence');
  return {
    id,
    camera,
    capturedAt,
    receivedAt,
    extension,
    ...(track !== undefined && { track }),
    ...(sequence !== undefined && { sequence }),
  };
}

/** `rejected/dt=2026-01-02/hour=03/{id}.bin` */
export function rejectedKey(provenance: Provenance): string {
  return REJECTED_KEY.keyOf(keyFields(provenance, 0, 'bin'));
}

/** `arrivals/{id}-{attempt}.json`, where it is written down when an id first arrived. */
export function arrivalKey(id: string, attempt: number): string {
  return `${ARRIVALS}/${safePart(id, LONGEST_ID)}-${attempt}.json`;
}

/** `gaps/dt=2026-01-02/hour=03/{id}.json` */
export function gapKey(provenance: Provenance): string {
  return GAP_KEY.keyOf(keyFields(provenance, 0, 'json'));
}

/** `probes/{SHA-256}.json`, where the message of a probe is for a moment. */
export function probeKey(payload: Uint8Array): string {
  return `${PROBES}/${createHash('sha256').update(payload).digest('hex')}.json`;
}

/** Where other bytes under a taken key go: `conflicts/{key}-{first 12 digits of their SHA-256}.{extension}`. */
export function conflictKey(key: string, sha256: string): string {
  const dot = key.lastIndexOf('.');
  return `${CONFLICTS}/${key.slice(0, dot)}-${sha256.slice(0, CONFLICT_DIGITS)}${key.slice(dot)}`;
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

/** Whether a key is one of a picture, as its template makes it, and not below a folder of a sink's own. */
export function isPictureKey(key: string): boolean {
  return !OWN_FOLDERS.includes(key.slice(0, Math.max(0, key.indexOf('/'))));
}

/** Whether an object is no message's, but a note of ours. */
export function isOwnNote(key: string): boolean {
  return (
    key.startsWith(`${ARRIVALS}/`) ||
    key.startsWith(`${PROBES}/`) ||
    ([`${REJECTED}/`, `${CONFLICTS}/${REJECTED}/`].some((folder) => key.startsWith(folder)) &&
      key.endsWith('.json'))
  );
}

/** The same key with another extension. */
export function withExtension(key: string, extension: string): string {
  return `${key.slice(0, key.lastIndexOf('.'))}.${extension}`;
}

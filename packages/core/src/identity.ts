import { createHash, randomBytes } from 'node:crypto';

let boot: string | undefined;

/** Eight hexadecimal digits, drawn at random once a process: a clock or a counter that starts anew never gives an id twice. */
export function bootId(): string {
  boot ??= randomBytes(4).toString('hex');
  return boot;
}

export interface PictureIdParts {
  readonly camera: string;
  /** Milliseconds since 1970 (UTC). */
  readonly capturedAt: number;
  readonly boot: string;
  readonly sequence: number;
  readonly detector: string;
  /** Which of the frame's finds, from 0. */
  readonly face: number;
  /** The number of its track, where it has one. */
  readonly track?: number | undefined;
}

/**
 * `{camera}-{captured}-{boot}-{sequence}-{detector}-{face}-track{track}`, the id of a picture from capture to
 * object. The track's own id is made of the same parts; see `trackId()`.
 */
export function pictureId(parts: PictureIdParts): string {
  const { camera, capturedAt, boot, sequence, detector, face, track } = parts;
  const captured = new Date(capturedAt).toISOString().replaceAll(/[-:]/g, '');
  const id = `${camera}-${captured}-${boot}-${sequence}-${detector}-${face}`;
  return track === undefined ? id : `${id}-track${track}`;
}

/** `{camera}-{boot}-{detector}-track{track}`, the id of a visit: no restart and no other detector gives it again. */
export function trackId(camera: string, detector: string, track: number): string {
  return `${camera}-${bootId()}-${detector}-track${track}`;
}

/** The id of a message that brings none: 32 hexadecimal digits of the SHA-256 of topic and payload. */
export function foreignId(topic: string, payload: Uint8Array): string {
  return createHash('sha256').update(topic).update('\0').update(payload).digest('hex').slice(0, 32);
}

/** A name as it may stand in ids, topics and keys: letters, digits, `.`, `_` and `-`. */
export function safeName(text: string): string {
  const safe = text.replaceAll(/[^A-Za-z0-9._-]+/g, '-').replaceAll(/^[-.]+|-+$/g, '');
  return safe.slice(0, 64) || 'unnamed';
}

/** Throws a `TypeError` for a name that may not stand in ids, topics and keys. */
export function assertName(value: string, option: string): string {
  if (!/^[A-Za-z0-9_][A-Za-z0-9._-]{0,63}$/.test(value)) {
    throw new TypeError(
      `${option} must be 1 to 64 letters, digits, ".", "_" or "-", not ${JSON.stringify(value)}.`,
    );
  }
  return value;
}

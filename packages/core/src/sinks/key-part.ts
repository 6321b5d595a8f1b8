import { createHash } from 'node:crypto';

const HASH_DIGITS = 32;
/** As most are. */
const SAFE = /^[A-Za-z0-9_-][A-Za-z0-9._-]*$/;

/**
 * A text as one part of a key: what is not a letter, digit, `.`, `_` or `-` is percent-encoded, so that
 * two texts never give one part; a long one ends with `!` and a hash of the whole.
 */
export function safePart(text: string, longest: number): string {
  if (text.length <= longest && SAFE.test(text)) return text;
  const safe = text.replaceAll(/[^A-Za-z0-9._-]|^\./gu, escapeCharacter) || '%';
  if (safe.length <= longest) return safe;
  const hash = createHash('sha256').update(text).digest('hex').slice(0, HASH_DIGITS);
  return `${safe.slice(0, longest - HASH_DIGITS - 1)}!${hash}`;
}

/** The same part, its first character percent-encoded: another name, and still of one text only. */
export function escapeFirst(text: string): string {
  return `${escapeCharacter(text.charAt(0))}${text.slice(1)}`;
}

function escapeCharacter(character: string): string {
  // A lone half of a pair has no bytes in UTF-8.
  if (/\p{Cs}/u.test(character)) return `%u${hexOf(character.charCodeAt(0))}`;
  return [...Buffer.from(character)].map((byte) => `%${hexOf(byte)}`).join('');
}

function hexOf(byte: number): string {
  return byte.toString(16).toUpperCase().padStart(2, '0');
}

const MAX_KEY_BYTES = 1024;
const MAX_PART_BYTES = 255;

/**
 * Throws a `TypeError` for a key that one of the stores could not keep as it is, or that leads out of
 * the place: a key is a relative path of at most 1,024 bytes (the limit of S3), its parts joined by `/`
 * and at most 255 bytes each (the limit of file systems).
 */
export function assertKey(key: string): string {
  const reason = typeof key === 'string' ? faultOf(key) : 'it is not a string';
  if (reason === undefined) return key;
  throw new TypeError(
    `key must be a relative path such as "a/b.png", not ${JSON.stringify(key)}: ${reason}.`,
  );
}

function faultOf(key: string): string | undefined {
  const bytes = Buffer.from(key);
  if (bytes.byteLength > MAX_KEY_BYTES) return `it is longer than ${MAX_KEY_BYTES} bytes`;
  if (bytes.toString() !== key) return 'it is not well-formed Unicode';
  if (/[\p{Cc}\\]/u.test(key)) return 'control characters and backslashes are not allowed';
  for (const part of key.split('/')) {
    if (part === '') return 'a part is empty';
    if (part === '.' || part === '..') return `a part is "${part}"`;
    if (Buffer.byteLength(part) > MAX_PART_BYTES) return `a part is longer than ${MAX_PART_BYTES} bytes`;
  }
  return undefined;
}

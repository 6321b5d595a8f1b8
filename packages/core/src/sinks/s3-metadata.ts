const PLAIN = /^[\x21-\x7e](?:[\x20-\x7e]*[\x21-\x7e])?$/;
const ENCODED = /^=\?UTF-8\?B\?([A-Za-z0-9+/=]*)\?=$/;

/**
 * A text as it can stand in an `x-amz-meta-` header. What a header would not carry unharmed (other scripts,
 * spaces at the ends, nothing at all) becomes an encoded word (RFC 2047, section 2), as S3 itself does it.
 */
export function encodeMetadata(text: string): string {
  if (PLAIN.test(text) && !ENCODED.test(text)) return text;
  return `=?UTF-8?B?${Buffer.from(text).toString('base64')}?=`;
}

/** The text that `encodeMetadata()` was given. */
export function decodeMetadata(value: string): string {
  const encoded = ENCODED.exec(value)?.[1];
  return encoded === undefined ? value : Buffer.from(encoded, 'base64').toString();
}

export function mapValues(
  metadata: Readonly<Record<string, string>>,
  change: (value: string) => string,
): Record<string, string> {
  return Object.fromEntries(Object.entries(metadata).map(([name, value]) => [name, change(value)]));
}

const PLAIN = /^[a-z0-9!#$&^_.+-]+\/[a-z0-9!#$&^_.+-]+(?:;[\x20-\x7e]*)?$/i;
const LONGEST = 255;

/** Names that programs have for what is `image/jpeg` and `image/png`. */
const ALIASES: Readonly<Record<string, string>> = {
  'image/jpg': 'image/jpeg',
  'image/pjpeg': 'image/jpeg',
  'image/x-png': 'image/png',
};
const PICTURES = new Set(['image/jpeg', 'image/png', 'image/webp']);

/** A content type as it may stand in a header (RFC 6838, section 4.2), or undefined for what is none. */
export function plainContentType(declared: string | undefined): string | undefined {
  return declared !== undefined && declared.length <= LONGEST && PLAIN.test(declared) ? declared : undefined;
}

/** Why a picture, or what is none, is not what its message says that it is; undefined where it may well be. */
export function contradiction(declared: string | undefined, found: string | undefined): string | undefined {
  const said = declared?.split(';', 1)[0]?.trim().toLowerCase();
  if (!said || said === 'application/octet-stream') return undefined;
  const type = ALIASES[said] ?? said;
  const isWrong = found === undefined ? PICTURES.has(type) : type !== found;
  return isWrong
    ? `The message says that it is ${JSON.stringify(said.slice(0, LONGEST))}; by its bytes it is ` +
        `${found ?? 'no picture of that kind'}.`
    : undefined;
}

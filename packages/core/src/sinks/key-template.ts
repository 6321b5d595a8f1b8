import { assertKey } from './key';
import { escapeFirst, safePart } from './key-part';
import { TIME_DIRECTIVES } from './key-time';

/** The key of an object where nobody says otherwise. */
export const DEFAULT_KEY_TEMPLATE = '{camera}/dt={captured:%Y-%m-%d}/hour={captured:%H}/{id}.{ext}';

/** What a template can tell of a picture. Times are in milliseconds since 1970 (UTC). */
export interface KeyFields {
  readonly id: string;
  readonly camera: string;
  readonly track?: string;
  readonly sequence?: string;
  readonly capturedAt: number;
  /** When it first arrived: the same each time that it is delivered again. */
  readonly receivedAt: number;
  /** Without a dot. */
  readonly extension: string;
}

type Name = 'camera' | 'track' | 'sequence' | 'id';
type Clock = 'captured' | 'received';
type Token =
  | { readonly kind: 'text'; readonly text: string }
  | { readonly kind: 'name'; readonly name: Name }
  | { readonly kind: 'time'; readonly clock: Clock; readonly directive: string }
  | { readonly kind: 'extension' };

/** Bytes that a field takes in a key at the most. */
const LONGEST: Readonly<Record<Name, number>> = { camera: 120, track: 120, sequence: 40, id: 200 };
const ABSENT: Readonly<Record<Exclude<Name, 'id'>, string>> = {
  camera: 'unknown',
  track: 'none',
  sequence: 'none',
};
const DEFAULT_FORMAT = '%Y%m%dT%H%M%S.%LZ';
/** Half of what S3 takes; the other half is for the prefix and for where conflicts are kept. */
const LONGEST_KEY_BYTES = 512;
/** What is added to the name of an object that is in conflict with another. */
const CONFLICT_BYTES = 13;

const FIELDS = `{id} {ext} {camera} {track} {sequence}, and {captured:FORMAT} and {received:FORMAT} with ${Object.keys(
  TIME_DIRECTIVES,
)
  .map((letter) => `%${letter}`)
  .join(' ')}`;

/**
 * Makes keys of pictures. Two pictures never get one key: its last part is the whole id, with nothing beside
 * it whose length could vary, and a `.` and the extension. Whatever a message says of itself, its key is a valid
 * one below the folders that the template names, and none of our own (see `reserved`).
 */
export class KeyTemplate {
  /** Whether its keys depend on when a message arrived. */
  readonly usesArrival: boolean;
  readonly #parts: readonly (readonly Token[])[];
  readonly #reserved: readonly string[];

  /**
   * @param reserved first parts that no key may have
   * @throws `TypeError` with the reason and the fields that there are
   */
  constructor(template: string, reserved: readonly string[] = []) {
    const refuse = (reason: string): never => {
      throw new TypeError(
        `key must be a template such as ${JSON.stringify(DEFAULT_KEY_TEMPLATE)}, ` +
          `not ${JSON.stringify(template)}: ${reason}. The fields are ${FIELDS}.`,
      );
    };
    if (typeof template !== 'string') refuse('it is not a text');
    const tokens = parse(template, refuse);
    this.#reserved = reserved;
    this.#parts = partsOf(tokens);
    this.usesArrival = tokens.some((token) => token.kind === 'time' && token.clock === 'received');
    this.#assertUnique(refuse);
    this.#assertPlaces(refuse);
  }

  keyOf(fields: KeyFields): string {
    return this.#parts
      .map((part, index) => {
        const text = part.map((token) => render(token, fields)).join('');
        return index === 0 && this.#reserved.includes(text) ? escapeFirst(text) : text;
      })
      .join('/');
  }

  /** The id can be read out of every key, so that two ids never share one. */
  #assertUnique(refuse: (reason: string) => never): void {
    const all = this.#parts.flat();
    const last = this.#parts.at(-1) ?? [];
    if (all.filter((token) => isName(token, 'id')).length !== 1 || !last.some((token) => isName(token, 'id')))
      refuse('two pictures could get one key: {id} must be in its last part, once');
    if (last.some((token) => token.kind === 'name' && token.name !== 'id'))
      refuse('two pictures could get one key: beside {id} only times and plain text may stand');
    const [dot, extension] = last.slice(-2);
    const isEnding = dot?.kind === 'text' && dot.text.endsWith('.') && extension?.kind === 'extension';
    if (!isEnding || all.filter(({ kind }) => kind === 'extension').length !== 1)
      refuse('it must end with .{ext}, and have {ext} nowhere else');
  }

  #assertPlaces(refuse: (reason: string) => never): void {
    const [first = []] = this.#parts;
    if (first.every(({ kind }) => kind === 'text') && this.#reserved.includes(textOf(first)))
      refuse(`its first part must not be ${this.#reserved.join(', ')}, where we keep things of our own`);
    for (const [start] of this.#parts) {
      if (start?.kind === 'text' && start.text.startsWith('.')) refuse('a part begins with a dot');
    }
    const long = 'x'.repeat(LONGEST_KEY_BYTES);
    const time = { capturedAt: 0, receivedAt: 0 };
    const longest = this.keyOf({
      id: long,
      camera: long,
      track: long,
      sequence: long,
      extension: 'x'.repeat(4 + CONFLICT_BYTES),
      ...time,
    });
    if (longest.length > LONGEST_KEY_BYTES) refuse(`a key could be longer than ${LONGEST_KEY_BYTES} bytes`);
    try {
      assertKey(longest);
    } catch (error) {
      refuse((error as Error).message.replace(/^.*": |\.$/gs, ''));
    }
  }
}

function parse(template: string, refuse: (reason: string) => never): Token[] {
  const tokens: Token[] = [];
  const addText = (text: string) => {
    if (/[^A-Za-z0-9._=@+/-]/.test(text))
      refuse(`${JSON.stringify(text)} is not of letters, digits, and . _ - = @ + /`);
    if (text !== '') tokens.push({ kind: 'text', text });
  };
  let rest = template;
  for (;;) {
    const opening = rest.indexOf('{');
    if (opening < 0) break;
    addText(rest.slice(0, opening));
    const closing = rest.indexOf('}', opening);
    if (closing < 0) refuse('a { has no }');
    const [field = '', ...format] = rest.slice(opening + 1, closing).split(':');
    rest = rest.slice(closing + 1);
    if (field === 'captured' || field === 'received') {
      tokens.push(...parseTime(field, format.join(':') || DEFAULT_FORMAT, refuse));
    } else if (format.length > 0 || !(field === 'ext' || Object.hasOwn(LONGEST, field))) {
      refuse(`there is no field {${[field, ...format].join(':')}}`);
    } else {
      tokens.push(field === 'ext' ? { kind: 'extension' } : { kind: 'name', name: field as Name });
    }
  }
  addText(rest);
  return tokens;
}

function parseTime(clock: Clock, format: string, refuse: (reason: string) => never): Token[] {
  return format
    .split(/(%.?)/)
    .filter((piece) => piece !== '')
    .map((piece): Token => {
      if (piece.startsWith('%')) {
        const directive = piece.slice(1);
        if (!Object.hasOwn(TIME_DIRECTIVES, directive)) refuse(`there is no ${piece} in a time`);
        return { kind: 'time', clock, directive };
      }
      if (/[^A-Za-z0-9._=@+/-]/.test(piece)) refuse(`${JSON.stringify(piece)} cannot stand in a time`);
      return { kind: 'text', text: piece };
    });
}

/** Texts that follow each other become one, and are split where a part of the key ends. */
function partsOf(tokens: readonly Token[]): Token[][] {
  const parts: Token[][] = [[]];
  for (const token of tokens) {
    if (token.kind !== 'text') {
      parts.at(-1)?.push(token);
      continue;
    }
    for (const [index, text] of token.text.split('/').entries()) {
      if (index > 0) parts.push([]);
      if (text !== '') addText(parts.at(-1) as Token[], text);
    }
  }
  return parts;
}

function addText(part: Token[], text: string): void {
  const before = part.at(-1);
  if (before?.kind === 'text') part[part.length - 1] = { kind: 'text', text: before.text + text };
  else part.push({ kind: 'text', text });
}

function render(token: Token, fields: KeyFields): string {
  switch (token.kind) {
    case 'text':
      return token.text;
    case 'name':
      return safePart(fieldOf(token.name, fields), LONGEST[token.name]);
    case 'time': {
      const time = token.clock === 'captured' ? fields.capturedAt : fields.receivedAt;
      return TIME_DIRECTIVES[token.directive]?.(new Date(time)) ?? '';
    }
    case 'extension':
      return fields.extension;
  }
}

function fieldOf(name: Name, fields: KeyFields): string {
  return name === 'id' ? fields.id : fields[name] || ABSENT[name];
}

function isName(token: Token, name: Name): boolean {
  return token.kind === 'name' && token.name === name;
}

function textOf(part: readonly Token[]): string {
  return part.map((token) => (token.kind === 'text' ? token.text : '')).join('');
}

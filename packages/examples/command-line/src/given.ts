import { withoutCredentials } from 'edge-relay';
import type { z } from 'zod';
import type { ConfigFile } from './config-file';
import { writtenFlag } from './flags';
import { detailsOf, flagsOf, isSwitch, readGiven, readSwitch, typeOf, variableOf } from './option';
import type { Problem } from './problem';
import { type Environment, variable } from './variables';

/** What one place says of one option. */
export interface Given {
  readonly value: unknown;
  /** For the effective configuration: `--width`, `EDGE_RELAY_WIDTH`, `edge.yaml:3:8`. */
  readonly origin: string;
  /** How a complaint begins. */
  readonly complaint: string;
  /** Where it stands. */
  readonly file?: ConfigFile;
}

export function fromFlag(
  key: string,
  schema: z.ZodType,
  flags: Readonly<Record<string, unknown>>,
): Given | undefined {
  const value = flags[key];
  if (value === undefined) return undefined;
  const flag = writtenFlag(key, schema, value);
  const argument = isSwitch(schema) ? '' : ` argument${shown(schema, value)}`;
  return { value, origin: flag.replace(/ .*/, ''), complaint: `option '${flag}'${argument} is invalid.` };
}

export function fromVariable(key: string, schema: z.ZodType, environment: Environment): Given | undefined {
  const name = variableOf(key, schema);
  const value = name === undefined ? undefined : variable(environment, name);
  if (name === undefined || value === undefined) return undefined;
  const complaint = `option '${flagsOf(key, schema)}' value${shown(schema, value)} from env '${name}' is invalid.`;
  // EDGE_RELAY_NO_MANIFEST says the opposite of what the option is called.
  const isOpposite = name.startsWith('EDGE_RELAY_NO_') && isSwitch(schema);
  const isOn = isOpposite ? readSwitch(value) : undefined;
  return { value: typeof isOn === 'boolean' ? !isOn : value, origin: name, complaint };
}

export function fromFile(key: string, schema: z.ZodType, file: ConfigFile): Given | undefined {
  const value = Object.hasOwn(file.values, key) ? file.values[key] : undefined;
  // A name without a value is as good as none, as with variables.
  if (value === undefined || value === null || detailsOf(schema).only) return undefined;
  return {
    value,
    origin: file.place([key]).replace(/:\d+$/, ''),
    complaint: `${key}${typeof value === 'object' ? '' : `:${shown(schema, value)}`} is invalid.`,
    file,
  };
}

export function readValue(
  key: string,
  schema: z.ZodType,
  given: Given,
): { readonly value?: unknown; readonly problems: readonly Problem[] } {
  const result = schema.safeParse(readGiven(schema, given.value));
  if (result.success) return { value: result.data, problems: [] };
  const problems = result.error.issues.map(({ path, message, ...issue }) => {
    // What is unknown is pointed at itself.
    const [unknown] = issue.code === 'unrecognized_keys' ? issue.keys : [];
    return problemWith(given, [key, ...path], `${message}${withoutUnit(schema, given.value)}`, unknown);
  });
  return { problems };
}

/** `10d` is no number: says in what it is given. */
function withoutUnit(schema: z.ZodType, value: unknown): string {
  if (typeOf(schema) !== 'number' || !/^[\d.]+ *[a-z%]+$/i.test(`${value}`)) return '';
  const { value: unit = 'number' } = detailsOf(schema);
  return unit === 'number' ? ' Write the number alone.' : ` Write the number of ${unit} alone.`;
}

/**
 * What is wrong with what was given of an option, or of a part of it.
 * @param path the option's name, and the way from there
 */
export function problemWith(
  given: Given,
  [key = '', ...path]: readonly PropertyKey[],
  message: string,
  unknown?: string,
): Problem {
  const whole = `${given.complaint} ${message}`;
  if (!given.file) return { message: whole };
  // One that stands without a list is read as a list of one.
  const inside = typeof path[0] === 'number' && !Array.isArray(given.value) ? path.slice(1) : path;
  const place =
    unknown === undefined
      ? given.file.place([key, ...inside])
      : given.file.placeOfName([key, ...inside, unknown]);
  return { place, message: whole };
}

/** A value as it may be seen: ` 'many'`. */
function shown(schema: z.ZodType, value: unknown): string {
  if (detailsOf(schema).secret) return '';
  // One that may be given again is a list.
  const safe = shownValue(Array.isArray(value) && value.length === 1 ? value[0] : value);
  return ` '${typeof safe === 'string' ? safe : JSON.stringify(safe)}'`;
}

/** The same without what must not be seen in addresses. */
export function shownValue(value: unknown): unknown {
  if (typeof value === 'string') return withoutCredentials(value);
  if (Array.isArray(value)) return value.map(shownValue);
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([name, one]) => [name, shownValue(one)]));
}

import { z } from 'zod';
import { text } from './values';

/** What is known of an option beside what it may be, which its schema says. */
export interface OptionDetails {
  /** What it means, with its unit. */
  readonly text: string;
  /** What its value is called in the help, such as `pixels`; a switch has none. */
  readonly value?: string;
  /**
   * Turns what a person may write into what the schema takes; gives back what it can make nothing of. Numbers,
   * `on` and `off` are read without it.
   */
  readonly read?: (given: unknown) => unknown;
  /** Is shown nowhere, and can also be given as the name of a file that holds it. */
  readonly secret?: boolean;
  /** May be given several times; `read` gets the list. */
  readonly repeatable?: boolean;
  /** Only for this run: `process` by flag or variable, `flag` by flag alone. @default in a file, too */
  readonly only?: 'process' | 'flag';
}

/** The options of a program by their names in TypeScript and in files: `cloudUrl`. */
export type Shape = Readonly<Record<string, z.ZodType>>;
/** What a program gets to work with. */
export type OptionsOf<Options extends Shape> = z.output<z.ZodObject<Options>>;

const details = z.registry<OptionDetails>();

/** An option: what it may be, and how it is told. */
export function option<Schema extends z.ZodType>(schema: Schema, more: OptionDetails): Schema {
  details.add(schema, more);
  return schema;
}

export function detailsOf(schema: z.ZodType): OptionDetails {
  return details.get(schema) ?? { text: '' };
}

/** The type of an option's value as given: `number`, `boolean`, `string`, `enum`, `array`, ... */
export function typeOf(schema: z.ZodType): z.ZodType['type'] {
  return innermost(schema).type;
}

/** What a choice is between; undefined for anything else. */
export function choicesOf(schema: z.ZodType): readonly string[] | undefined {
  const inner = innermost(schema);
  return inner instanceof z.ZodEnum ? inner.options.map(String) : undefined;
}

export function defaultOf(schema: z.ZodType): unknown {
  return schema instanceof z.ZodDefault ? schema.def.defaultValue : undefined;
}

/** A flag without a value. */
export function isSwitch(schema: z.ZodType): boolean {
  return typeOf(schema) === 'boolean' && detailsOf(schema).value === undefined;
}

/** `s3PathStyle` as `s3-path-style`. */
export function kebab(key: string): string {
  return key.replaceAll(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`);
}

/** The option's own word on the command line: what is on without saying so has the flag that turns it off. */
export function flagOf(key: string, schema: z.ZodType): string {
  return `--${isSwitch(schema) && defaultOf(schema) === true ? 'no-' : ''}${kebab(key)}`;
}

/** The flag with its value: `--width <pixels>`. */
export function flagsOf(key: string, schema: z.ZodType): string {
  const { value } = detailsOf(schema);
  return `${flagOf(key, schema)}${value === undefined ? '' : ` <${value}>`}`;
}

/** `EDGE_RELAY_CLOUD_URL`; undefined for what no variable may say. */
export function variableOf(key: string, schema: z.ZodType): string | undefined {
  if (detailsOf(schema).only === 'flag') return undefined;
  return `EDGE_RELAY_${flagOf(key, schema).slice(2).replaceAll('-', '_').toUpperCase()}`;
}

const FILE = 'File';

/** Beside each secret the option that names a file which holds it: `passwordFile` beside `password`. */
export function withSecretFiles(shape: Shape): Shape {
  const entries = Object.entries(shape).flatMap(([key, schema]) => {
    const { secret, text: meaning, only } = detailsOf(schema);
    if (!secret) return [[key, schema] as const];
    const holder = option(text().optional(), {
      text: `file that holds it: ${meaning.replace(/;.*/, '')}`,
      value: 'file',
      ...(only && { only }),
    });
    return [[key, schema] as const, [`${key}${FILE}`, holder] as const];
  });
  return Object.fromEntries(entries);
}

/** The option that names the file for a secret. */
export function secretFileOf(key: string): string {
  return `${key}${FILE}`;
}

/** What may stand in a file. */
export function inFiles(shape: Shape): Shape {
  return Object.fromEntries(
    Object.entries(withSecretFiles(shape)).filter(([, schema]) => detailsOf(schema).only === undefined),
  );
}

/** What a person has written, as the schema takes it; what nothing can be made of stays as it is. */
export function readGiven(schema: z.ZodType, given: unknown): unknown {
  const { read } = detailsOf(schema);
  if (read) return read(given);
  if (typeof given !== 'string') return given;
  const type = typeOf(schema);
  if (type === 'number') return given.trim() !== '' && Number.isFinite(Number(given)) ? Number(given) : given;
  return type === 'boolean' ? readSwitch(given) : given;
}

/** The same for a part of a file that has options of its own. */
export function readAll(shape: Shape, given: object): Record<string, unknown> {
  const entries = Object.entries(given).filter(([, value]) => value !== null);
  return Object.fromEntries(
    entries.map(([key, value]) => [key, shape[key] ? readGiven(shape[key], value) : value]),
  );
}

export function readSwitch(given: string): boolean | string {
  if (/^(on|true|yes|1)$/i.test(given)) return true;
  return /^(off|false|no|0)$/i.test(given) ? false : given;
}

function innermost(schema: z.ZodType): z.ZodType {
  if (schema instanceof z.ZodOptional || schema instanceof z.ZodDefault) {
    return innermost(schema.unwrap() as z.ZodType);
  }
  return schema instanceof z.ZodPipe ? innermost(schema.in as z.ZodType) : schema;
}

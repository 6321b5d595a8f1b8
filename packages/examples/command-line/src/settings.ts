import { type ConfigFile, readConfigFile } from './config-file';
import { type Entry, effective } from './effective';
import { readFlags } from './flags';
import { fromFile, fromFlag, fromVariable, type Given, problemWith, readValue, shownValue } from './given';
import { didYouMean } from './nearest';
import {
  defaultOf,
  detailsOf,
  flagsOf,
  inFiles,
  type OptionsOf,
  option,
  readGiven,
  type Shape,
  secretFileOf,
  withSecretFiles,
} from './option';
import { type Problem, refuse } from './problem';
import { onOff, text } from './values';
import { type Environment, secretIn, strangeVariables, variable } from './variables';

/** What is wrong with options that are each in order. */
export interface Objection {
  /** The option that it is said of, and the way to a part of it: `['source', 0]`. @default none of its own */
  readonly option?: readonly [string, ...PropertyKey[]];
  /** What is wrong, and the cure. */
  readonly message: string;
  /** `true` for what may be meant: it is told in the log and stops nothing. @default false */
  readonly isDoubt?: boolean;
}

/** A program, as its command line shows it. */
export interface Program<Options extends Shape> {
  readonly name: string;
  readonly description: string;
  readonly examples: string;
  /** What may stand before the options and is a program of its own. @default none */
  readonly commands?: readonly string[];
  readonly options: Options;
  /** What a file for it may hold, of which it takes what it knows. @default no file */
  readonly file?: Shape;
  /** What is wrong with options that are each in order. */
  readonly review?: (options: OptionsOf<Options>) => readonly Objection[];
}

/** What a program has been told, by flag, variable, file, or nobody. */
export interface Settings<Options extends Shape> {
  readonly options: OptionsOf<Options>;
  /** `--check`: only say whether all is in order. */
  readonly isCheck: boolean;
  /** The configuration as YAML: what holds and where it comes from, without secrets. */
  readonly effective: string;
  /** What must not stand in any log. */
  readonly secrets: readonly string[];
  /** What looks like a slip. */
  readonly warnings: readonly string[];
}

const FILE_OPTIONS = {
  config: option(text().optional(), {
    text: `YAML file with options by their names in camel case, and $\{VARIABLE:default} in values`,
    value: 'file',
    only: 'process',
  }),
  check: option(onOff().default(false), {
    text: 'say whether the configuration is in order, and what it comes to, and end',
    only: 'flag',
  }),
};

/**
 * Reads flags, variables and the file; a flag goes before a variable, and that before the file. Ends the process
 * with code 2 where something is wrong, and says all of it.
 */
export function readSettings<Options extends Shape>(
  program: Program<Options>,
  argv: readonly string[],
  environment: Environment = process.env,
): Settings<Options> {
  const ownShape = withSecretFiles({ ...program.options, ...(program.file && FILE_OPTIONS) });
  const note = `Every option can also be set by the environment variable named beside it${
    program.file ? ', or in the file of --config:\n--cloud-url is cloudUrl there' : ''
  }. Each switch has its opposite: --no-….`;
  const flags = readFlags(program, ownShape, argv, note);
  const problems: Problem[] = [];
  const configPath = flags.config ?? variable(environment, 'EDGE_RELAY_CONFIG');
  const file =
    program.file && typeof configPath === 'string' ? readConfigFile(configPath, environment) : undefined;
  if (file) problems.push(...file.problems, ...unknownKeys(file, program.file!));

  const missing = new Set(file?.problems.map(({ place }) => place));
  const values: Record<string, unknown> = {};
  const entries: Entry[] = [];
  const secrets: string[] = [];
  const chosen = new Map<string, { given: Given; level: number; value: unknown }>();
  // The file is read as a whole: what is only of use to another command must be in order, too.
  const shape: Shape = { ...(file && inFiles(program.file!)), ...ownShape };
  for (const [key, schema] of Object.entries(shape)) {
    const levels = [fromFlag(key, schema, flags), fromVariable(key, schema, environment)];
    const said = Object.hasOwn(ownShape, key) ? levels : [];
    const all = [...said, file && fromFile(key, schema, file)];
    for (const [level, given] of all.entries()) {
      if (!given) continue;
      const result = readValue(key, schema, given);
      // What a missing variable has left behind says nothing of its own.
      problems.push(...result.problems.filter(({ place }) => !missing.has(place)));
      if (!chosen.has(key)) chosen.set(key, { given, level, value: result.value });
    }
  }
  for (const [key, schema] of Object.entries(ownShape)) {
    const own = chosen.get(key);
    const { secret } = detailsOf(schema);
    const holder = secret ? chosen.get(secretFileOf(key)) : undefined;
    if (own && holder && own.level === holder.level) {
      const message = `${own.given.origin} and ${holder.given.origin} are both given: one of them says it.`;
      problems.push({ message });
    }
    if (holder && (!own || holder.level < own.level)) {
      // A name that is none has been complained of.
      if (holder.value !== undefined) {
        values[key] = readSecret(holder.value as string, holder.given, problems);
      }
      entries.push({ key, shown: '***', origin: `${holder.given.value} (${holder.given.origin})` });
    } else if (own) {
      values[key] = own.value;
      entries.push({
        key,
        shown: secret ? '***' : shownValue(readGiven(schema, own.given.value)),
        origin: own.given.origin,
      });
    } else {
      const usual = defaultOf(schema);
      if (usual !== undefined) values[key] = usual;
      if (usual !== undefined) entries.push({ key, shown: usual, origin: 'default' });
    }
    if (secret && typeof values[key] === 'string') secrets.push(values[key]);
  }
  const options = values as OptionsOf<Options>;
  const objections = problems.length === 0 ? (program.review?.(options) ?? []) : [];
  const asProblem = ({ option, message }: Objection): Problem => {
    if (!option) return { message };
    const [key] = option;
    const given = chosen.get(key)?.given ?? chosen.get(secretFileOf(key))?.given;
    return given
      ? problemWith(given, option, message)
      : { message: `option '${flagsOf(key, ownShape[key]!)}' is invalid. ${message}` };
  };
  problems.push(...objections.filter(({ isDoubt }) => !isDoubt).map(asProblem));
  if (problems.length > 0) refuse(program.name, problems);
  const isShown = ({ key }: Entry) =>
    detailsOf(ownShape[key]!).only === undefined && !isHolder(key, ownShape);
  return {
    options,
    isCheck: values.check === true,
    effective: effective(program.name, entries.filter(isShown)),
    secrets,
    warnings: [
      ...objections.filter(({ isDoubt }) => isDoubt).map(({ message }) => message),
      ...strangeVariables(environment, { ...shape, ...withSecretFiles(program.file ?? {}) }, program.name),
    ],
  };
}

function readSecret(path: string, { origin }: Given, problems: Problem[]): string | undefined {
  try {
    const secret = secretIn(path);
    if (secret !== '') return secret;
    problems.push({ message: `${origin}: the file ${path} is empty; it should hold the secret.` });
  } catch (error) {
    const why = `the secret cannot be read from ${path} (${(error as Error).message})`;
    problems.push({ message: `${origin}: ${why}. Name a file that holds it, and that we may read.` });
  }
  return undefined;
}

function unknownKeys(file: ConfigFile, shape: Shape): Problem[] {
  const known = Object.keys(inFiles(shape));
  return Object.keys(file.values)
    .filter((key) => !known.includes(key))
    .map((key) => ({
      place: file.placeOfName([key]),
      message: `there is no option '${key}'.${didYouMean(meantBy(key, file.values[key]), known)}`,
    }));
}

/** Some write `s3: { endpoint: … }` for s3Endpoint, or the variable's name. */
function meantBy(key: string, value: unknown): string {
  const [inner = ''] = typeof value === 'object' && value !== null ? Object.keys(value) : [];
  return `${key.replace(/^EDGE_RELAY_/, '')}${inner}`;
}

function isHolder(key: string, shape: Shape): boolean {
  return Object.entries(shape).some(
    ([other, schema]) => detailsOf(schema).secret === true && secretFileOf(other) === key,
  );
}

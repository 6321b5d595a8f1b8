import { loadYaml } from './yaml';

/** One option as it holds. */
export interface Entry {
  readonly key: string;
  readonly shown: unknown;
  readonly origin: string;
}

/** The configuration as a file could say it, with where each value comes from. */
export function effective(program: string, entries: readonly Entry[]): string {
  const { stringify } = loadYaml();
  const blocks = entries.map(({ key, shown, origin }) => {
    const [first = '', ...rest] = stringify({ [key]: shown }, { lineWidth: 0 })
      .trimEnd()
      .split('\n');
    return { first, rest, origin };
  });
  const width = Math.min(48, Math.max(0, ...blocks.map(({ first }) => first.length)));
  const lines = blocks.flatMap(({ first, rest, origin }) => [`${first.padEnd(width)}  # ${origin}`, ...rest]);
  return [`# ${program}: the configuration is in order`, ...lines, ''].join('\n');
}

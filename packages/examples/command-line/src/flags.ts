import { createRequire } from 'node:module';
import { Command, Option } from 'commander';
import { didYouMean } from './nearest';
import {
  choicesOf,
  defaultOf,
  detailsOf,
  flagOf,
  flagsOf,
  isSwitch,
  kebab,
  type Shape,
  variableOf,
} from './option';
import type { Program } from './settings';

/** What the command line says, by the names of the options; ends the process for help and for wrong use. */
export function readFlags(
  program: Pick<Program<Shape>, 'name' | 'description' | 'examples' | 'commands'>,
  shape: Shape,
  argv: readonly string[],
  note: string,
): Readonly<Record<string, unknown>> {
  const { name, description, examples, commands = [] } = program;
  const command = new Command(name)
    .description(description)
    .addHelpText('after', `\n${note}\n\n${examples}`)
    .configureHelp({ showGlobalOptions: false })
    .showHelpAfterError(`(${name} --help shows all options)`)
    .version(`${name} ${libraryVersion()}`, '--version', 'print the version and end')
    .allowExcessArguments()
    .showSuggestionAfterError(false)
    .configureOutput({ outputError: (text, write) => write(withSuggestion(text, shape)) })
    .exitOverride((error) => process.exit(error.exitCode === 0 ? 0 : 2));
  for (const [key, schema] of Object.entries(shape)) {
    const { text, repeatable } = detailsOf(schema);
    const option = new Option(flagsOf(key, schema), text);
    const variable = variableOf(key, schema);
    if (variable !== undefined) option.env(variable);
    const choices = choicesOf(schema);
    if (choices) option.argChoices = [...choices];
    if (repeatable) option.argParser((one: string, previous: string[] = []) => [...previous, one]);
    const usual = defaultOf(schema);
    if (usual !== undefined && !isSwitch(schema)) option.default(usual);
    command.addOption(option);
    // What a file or a variable turns on can be turned off here, and the other way round.
    if (isSwitch(schema)) command.addOption(new Option(opposite(option.long!)).hideHelp());
  }
  command.parse(argv as string[], { from: 'user' });
  const [surplus] = command.args;
  if (surplus !== undefined) {
    const known = commands.length === 0 ? '' : ` Commands: ${commands.join(', ')}.`;
    const near = didYouMean(surplus, commands);
    command.error(
      `error: ${name} can make nothing of '${surplus}': options begin with --.${near === '' ? known : near}`,
    );
  }
  const given = command.opts<Record<string, unknown>>();
  // Variables are read elsewhere; here they stand in the help alone.
  const entries = Object.keys(shape).filter((key) => command.getOptionValueSource(key) === 'cli');
  return Object.fromEntries(entries.map((key) => [key, given[key]]));
}

/** The switches' opposites are not in the help, but may be what was meant. */
function withSuggestion(text: string, shape: Shape): string {
  const flags = Object.entries(shape).flatMap(([key, schema]) => {
    const flag = flagOf(key, schema);
    return isSwitch(schema) ? [flag, opposite(flag)] : [flag];
  });
  return text.replace(/(?<=^error: )unknown option '([^'=]+)[^']*'/, (_, flag) => {
    const near = didYouMean(flag, ['--help', '--version', ...flags]);
    return `there is no option '${flag}'.${near}`;
  });
}

/** The apps go with the library of their release. */
function libraryVersion(): string {
  return (createRequire(import.meta.url)('edge-relay/package.json') as { version: string }).version;
}

function opposite(flag: string): string {
  return flag.startsWith('--no-') ? `--${flag.slice(5)}` : `--no-${flag.slice(2)}`;
}

/** The flag as it was written for a switch that is off: `--no-loop`. */
export function writtenFlag(key: string, schema: Shape[string], value: unknown): string {
  if (!isSwitch(schema)) return flagsOf(key, schema);
  return `--${value === false ? 'no-' : ''}${kebab(key)}`;
}

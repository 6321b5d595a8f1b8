import { readFileSync } from 'node:fs';
import { Command, InvalidArgumentError, Option } from 'commander';

export type { Command };
export { InvalidArgumentError };

export interface SettingDetails {
  readonly default?: string | number | boolean | readonly string[];
  readonly choices?: readonly string[];
  /**
   * Turns the text into the value; throws an `InvalidArgumentError` with what it should be. `previous` is the
   * value so far, for an option that may be given several times.
   */
  // biome-ignore lint/suspicious/noExplicitAny: what one parser gives, the same parser is given again.
  readonly parse?: (text: string, previous?: any) => unknown;
}

/** A program whose wrong use ends with exit code 2. */
export function command(name: string, description: string, examples: string): Command {
  return new Command(name)
    .description(description)
    .addHelpText(
      'after',
      `\nEvery option can also be set by the environment variable named beside it.\n\n${examples}`,
    )
    .configureHelp({ showGlobalOptions: false })
    .showHelpAfterError(`(${name} --help shows all options)`)
    .allowExcessArguments(false)
    .exitOverride((error) => process.exit(error.exitCode === 0 ? 0 : 2));
}

/** An option that can also be set by `EDGE_RELAY_…`, with the same name in capitals. */
export function setting(flags: string, description: string, details: SettingDetails = {}): Option {
  const option = new Option(flags, description);
  const variable = `EDGE_RELAY_${option.name().toUpperCase().replaceAll('-', '_')}`;
  tidy(variable, option.isBoolean());
  option.env(variable);
  if (details.default !== undefined) option.default(details.default);
  if (details.choices) option.choices(details.choices);
  if (details.parse) option.argParser(details.parse);
  return option;
}

/** An empty variable counts as none, as compose files make them; one for a switch must be true or false. */
function tidy(variable: string, isSwitch: boolean): void {
  const value = process.env[variable];
  if (value === '') delete process.env[variable];
  if (!isSwitch || !value || /^(true|1|yes|on)$/i.test(value)) return;
  if (!/^(false|0|no|off)$/i.test(value)) {
    process.stderr.write(`error: ${variable} must be true or false, not ${JSON.stringify(value)}\n`);
    process.exit(2);
  }
  delete process.env[variable];
}

/** Takes a number of at least `minimum`; a whole one unless `fraction` is set. */
export function whole(minimum: number, { fraction = false } = {}): (text: string) => number {
  return (text) => {
    const value = Number(text);
    if (
      text.trim() !== '' &&
      value >= minimum &&
      Number.isFinite(value) &&
      (fraction || Number.isInteger(value))
    ) {
      return value;
    }
    throw new InvalidArgumentError(`It must be a ${fraction ? '' : 'whole '}number of at least ${minimum}.`);
  };
}

/** Takes `on` or `off`, and what else switches are called; the option's value is a boolean. */
export function onOff(text: string): boolean {
  if (/^(on|true|yes|1)$/i.test(text)) return true;
  if (/^(off|false|no|0)$/i.test(text)) return false;
  throw new InvalidArgumentError('It must be on or off.');
}

/** Takes a day or a time, such as 2026-01-31 or 2026-01-31T12:00:00Z; without an offset it is UTC. */
export function date(text: string): Date {
  const match = /^(\d{4}-\d\d-\d\d)(?:T(\d\d:\d\d(?::\d\d(?:\.\d+)?)?)(Z|[+-]\d\d:\d\d)?)?$/.exec(text);
  const [, day, clock = '00:00', offset = 'Z'] = match ?? [];
  const value = new Date(`${day}T${clock}${offset}`);
  // A month has no 32nd, and February no 30th, which Date would take for the 2nd of March.
  const isDay = new Date(`${day}T00:00Z`).toJSON()?.startsWith(day ?? 'none');
  if (match && isDay && Number.isFinite(value.getTime())) return value;
  throw new InvalidArgumentError('It must be a day or a time, such as 2026-01-31 or 2026-01-31T12:00:00Z.');
}

/** Takes one address or several with commas between them (within an address a comma is written %2C). */
export function addresses(text: string): string[] {
  return text.split(',').map((address) => address.trim());
}

/** Takes the path of a file; the option's value is the text in it. */
export function textFile(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch (error) {
    throw new InvalidArgumentError(`It must be a file that can be read (${(error as Error).message}).`);
  }
}

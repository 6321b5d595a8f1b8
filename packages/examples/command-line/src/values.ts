import { readFileSync, statSync } from 'node:fs';
import { z } from 'zod';
import { nearest } from './nearest';

/** A whole number of at least `minimum`, and of at most `maximum` where there is one. */
export function whole(minimum: number, maximum?: number) {
  const error = `It must be a whole number ${range(minimum, maximum)}.`;
  const least = z.int({ error }).min(minimum, { error, abort: true });
  return maximum === undefined ? least : least.max(maximum, { error, abort: true });
}

/** A number of at least `minimum`, and of at most `maximum` where there is one. */
export function number(minimum: number, maximum?: number) {
  const error = `It must be a number ${range(minimum, maximum)}.`;
  const least = z.number({ error }).min(minimum, { error, abort: true });
  return maximum === undefined ? least : least.max(maximum, { error, abort: true });
}

/** 0 for any that is free. */
export function port() {
  const error = 'It must be a port from 0 to 65535.';
  return z.int({ error }).min(0, { error }).max(65_535, { error });
}

/** Given as `on` or `off`, and by what else switches are called. */
export function onOff() {
  return z.boolean({ error: 'It must be on or off.' });
}

export function text() {
  const error = ({ input }: { readonly input?: unknown }) =>
    input === ''
      ? 'It must not be empty.'
      : typeof input === 'object'
        ? 'It must be one text, without a list or names of its own.'
        : 'It must be text; a number is written in quotes.';
  return z.string({ error }).min(1, { error, abort: true });
}

export function choice<const Names extends readonly [string, ...string[]]>(...names: Names) {
  return z.enum(names, {
    error: ({ input }) => {
      const near = typeof input === 'string' ? nearest(input, names) : undefined;
      return `It must be ${listed(names)}.${near === undefined ? '' : ` Did you mean ${near}?`}`;
    },
  });
}

/** The path of a folder, which is made where it is missing. */
export function folder() {
  return text().refine((path) => statSync(path, { throwIfNoEntry: false })?.isDirectory() !== false, {
    error: 'It must be a folder, and a file has that name.',
  });
}

/** The path of a file; the option's value is the text in it. */
export function textFile() {
  return text().transform((path, context) => {
    try {
      return readFileSync(path, 'utf8');
    } catch (error) {
      const message = `It must be a file that can be read (${(error as Error).message}).`;
      context.addIssue({ code: 'custom', message });
      return z.NEVER;
    }
  });
}

/** A day or a time, such as 2026-01-31 or 2026-01-31T12:00:00Z; without an offset it is UTC. */
export function date() {
  return text().transform((given, context) => {
    const match = /^(\d{4}-\d\d-\d\d)(?:T(\d\d:\d\d(?::\d\d(?:\.\d+)?)?)(Z|[+-]\d\d:\d\d)?)?$/.exec(given);
    const [, day, clock = '00:00', offset = 'Z'] = match ?? [];
    const value = new Date(`${day}T${clock}${offset}`);
    // A month has no 32nd, and February no 30th, which Date would take for the 2nd of March.
    const isDay = new Date(`${day}T00:00Z`).toJSON()?.startsWith(day ?? 'none');
    if (match && isDay && Number.isFinite(value.getTime())) return value;
    const message = 'It must be a day or a time, such as 2026-01-31 or 2026-01-31T12:00:00Z.';
    context.addIssue({ code: 'custom', message });
    return z.NEVER;
  });
}

/** Reads one text or several with commas between them (within an address a comma is written %2C). */
export function commas(given: unknown): unknown {
  return typeof given === 'string' ? given.split(',').map((one) => one.trim()) : given;
}

/** Reads `name=value`, several with commas; gives back what is not so. */
export function pairs(given: unknown): unknown {
  if (typeof given !== 'string') return given;
  const found = given.split(',').map((pair) => pair.split('=').map((part) => part.trim()));
  const isSound = found.every((pair) => pair.length === 2 && pair.every((part) => part !== ''));
  return isSound ? Object.fromEntries(found) : given;
}

function range(minimum: number, maximum: number | undefined): string {
  return maximum === undefined ? `of at least ${minimum}` : `from ${minimum} to ${maximum}`;
}

/** `a, b or c` */
function listed(names: readonly string[]): string {
  return names.length === 1 ? `${names[0]}` : `${names.slice(0, -1).join(', ')} or ${names.at(-1)}`;
}

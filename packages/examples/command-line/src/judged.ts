import type { z } from 'zod';
import { kebab } from './option';
import type { Objection } from './settings';

/**
 * A value of the schema of which the library has nothing to say: `make` makes something with it that is never started.
 * So each rule stands in one place, and a complaint comes with the flag, the variable or the line of the file.
 */
export function judged<Schema extends z.ZodType>(
  schema: Schema,
  make: (value: z.output<Schema>) => unknown,
): Schema {
  return schema.superRefine((value, context) => {
    const complaint = complaintOf(() => make(value));
    if (complaint === undefined) return;
    // `url "x" must …` is said of the value, and `key must …` of what it stands in.
    const [, rest = complaint] =
      /^(?:topic filter|[A-Za-z]+(?:\[".*?"\])?) ((?:must |").*)$/s.exec(complaint) ?? [];
    context.addIssue({ code: 'custom', message: rest.startsWith('must ') ? `It ${rest}` : rest });
  });
}

/**
 * What the library says against options beside each other; it calls them by the same names.
 * @param names the options of which it may be said
 */
export function objectionsTo(make: () => unknown, names: readonly string[]): Objection[] {
  const complaint = complaintOf(make);
  if (complaint === undefined) return [];
  const [, name = '', rest = ''] = /^(\w+) ((?:must|is|does|belongs) .*)$/s.exec(complaint) ?? [];
  const flagged = (text: string) =>
    text.replaceAll(/\b[a-z]+[A-Z]\w*/g, (word) => (names.includes(word) ? `--${kebab(word)}` : word));
  return [
    names.includes(name)
      ? { option: [name], message: `It ${flagged(rest)}` }
      : { message: flagged(complaint) },
  ];
}

/** What the library says against what is made of it, without the stage; undefined where it makes it. */
export function complaintOf(make: () => unknown): string | undefined {
  try {
    make();
    return undefined;
  } catch (error) {
    if (error instanceof TypeError) return error.message.replace(/^[\w/-]+: /, '');
    throw error;
  }
}

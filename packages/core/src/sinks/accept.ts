import type { Message } from '../message';

/**
 * What is stored as what it is; anything else goes to `rejected/`. `image`: intact JPEGs, PNGs and WebPs.
 * `any`: everything. A function: what it says `true` for, without a look at the pixels; a text is the reason for a no.
 */
export type Accept = 'image' | 'any' | ((message: Message) => AcceptAnswer | Promise<AcceptAnswer>);

/** True to store it as a picture; false, or the reason as a text, to keep it apart. */
export type AcceptAnswer = boolean | string;

/** By topic filter (`+`, `#`): the first that fits a message's topic; `image` where none does. */
export type AcceptByTopic = Readonly<Record<string, Accept>>;

/** Gives what is accepted of a message. @throws `TypeError` that names the option */
export function acceptance(accept: Accept | AcceptByTopic): (message: Message) => Accept {
  if (typeof accept !== 'object' || accept === null) {
    assertAccept(accept, 'accept');
    return () => accept;
  }
  const rules = Object.entries(accept).map(([filter, each]) => {
    assertFilter(filter);
    assertAccept(each, `accept[${JSON.stringify(filter)}]`);
    return { levels: filter.split('/'), accept: each };
  });
  return ({ topic = '' }) => rules.find(({ levels }) => fits(levels, topic))?.accept ?? 'image';
}

function assertAccept(value: unknown, option: string): asserts value is Accept {
  if (value === 'image' || value === 'any' || typeof value === 'function') return;
  throw new TypeError(
    `${option} must be 'image', 'any' or a function, or such by topic filter, not ${JSON.stringify(value)}.`,
  );
}

function assertFilter(filter: string): void {
  const levels = filter.split('/');
  const isWrong = levels.some((level, index) =>
    level.includes('#') ? level !== '#' || index !== levels.length - 1 : level.includes('+') && level !== '+',
  );
  if (!isWrong && filter !== '' && !filter.startsWith('$share/')) return;
  throw new TypeError(
    `accept must have topic filters such as "hw3faces" or "logs/#" as names, not ${JSON.stringify(filter)}. ` +
      'A message does not know the $share that it came by.',
  );
}

/** MQTT 5 section 4.7: a wildcard in the first place does not stand for topics that begin with `$`. */
function fits(levels: readonly string[], topic: string): boolean {
  const names = topic.split('/');
  if (topic.startsWith('$') && /^[+#]$/.test(levels[0] ?? '')) return false;
  const end = levels.at(-1) === '#' ? levels.length - 1 : undefined;
  if (end === undefined ? names.length !== levels.length : names.length < end) return false;
  return levels.slice(0, end).every((level, index) => level === '+' || level === names[index]);
}

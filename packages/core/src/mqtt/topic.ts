/** Throws a `TypeError` for a name that one cannot publish on (MQTT 5 section 4.7). */
export function assertTopicName(topic: unknown, where: string): asserts topic is string {
  const problem = problemWith(topic);
  if (problem) throw new TypeError(`${where}: topic ${problem}.`);
  if (/[+#]/.test(topic as string)) {
    throw new TypeError(`${where}: topic ${JSON.stringify(topic)} must not contain the wildcards + and #.`);
  }
}

/** Throws a `TypeError` for a filter that one cannot subscribe to (MQTT 5 section 4.7.1). */
export function assertTopicFilter(filter: unknown, where: string): asserts filter is string {
  const problem = problemWith(filter);
  if (problem) throw new TypeError(`${where}: topic filter ${problem}.`);
  const levels = (filter as string).split('/');
  const isWrong = levels.some(
    (level, index) =>
      (level.includes('#') && (level !== '#' || index !== levels.length - 1)) ||
      (level.includes('+') && level !== '+'),
  );
  if (isWrong) {
    throw new TypeError(
      `${where}: topic filter ${JSON.stringify(filter)} is wrong: + stands for a whole level, # for all levels at the end.`,
    );
  }
}

function problemWith(topic: unknown): string | undefined {
  if (typeof topic !== 'string' || topic === '')
    return `must be a text that is not empty, not ${JSON.stringify(topic)}`;
  return problemWithText(topic);
}

/** Control characters, lone halves of a pair and what is no character (MQTT 5 section 1.5.4). */
const FORBIDDEN = /[\p{Cc}\p{Cs}\p{Noncharacter_Code_Point}]/u;

/** Why brokers hang up on a text, or undefined where they do not: it may be at most 65,535 bytes of clean UTF-8. */
export function problemWithText(text: string): string | undefined {
  if (FORBIDDEN.test(text)) return `${JSON.stringify(text)} contains characters that MQTT does not allow`;
  if (Buffer.byteLength(text) > 65_535) return 'is longer than 65,535 bytes';
  return undefined;
}

/** The filter behind `$share/{group}/` (MQTT 5 section 4.8.2). */
export function withoutShare(filter: string): string {
  return filter.replace(/^\$share\/[^/]+\//, '');
}

/** Whether there may be a topic that fits both filters; what stands before a share is not part of them. */
export function overlap(one: string, other: string): boolean {
  const [these, those] = [withoutShare(one).split('/'), withoutShare(other).split('/')];
  for (let index = 0; ; index += 1) {
    const [level, counterpart] = [these[index], those[index]];
    if (level === '#' || counterpart === '#') return true;
    if (level === undefined || counterpart === undefined) return level === counterpart;
    if (level !== '+' && counterpart !== '+' && level !== counterpart) return false;
  }
}

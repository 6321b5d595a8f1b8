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
  // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for.
  if (/[\u0000-\u001f\u007f]/.test(topic)) return `${JSON.stringify(topic)} contains control characters`;
  if (Buffer.byteLength(topic) > 65_535) return 'is longer than 65,535 bytes';
  return undefined;
}

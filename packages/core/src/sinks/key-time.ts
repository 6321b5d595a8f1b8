/** As strftime(3) has them, in UTC, but only those that are always equally long; %L is Ruby's milliseconds. */
export const TIME_DIRECTIVES: Readonly<Record<string, (time: Date) => string>> = {
  Y: (time) => digits(time.getUTCFullYear(), 4),
  m: (time) => digits(time.getUTCMonth() + 1, 2),
  d: (time) => digits(time.getUTCDate(), 2),
  j: (time) => digits(dayOfYear(time), 3),
  H: (time) => digits(time.getUTCHours(), 2),
  M: (time) => digits(time.getUTCMinutes(), 2),
  S: (time) => digits(time.getUTCSeconds(), 2),
  L: (time) => digits(time.getUTCMilliseconds(), 3),
  F: (time) => time.toISOString().slice(0, 10),
};

function digits(value: number, length: number): string {
  return String(value).padStart(length, '0');
}

function dayOfYear(time: Date): number {
  const newYear = new Date(time);
  newYear.setUTCMonth(0, 1);
  newYear.setUTCHours(0, 0, 0, 0);
  return Math.floor((time.getTime() - newYear.getTime()) / 86_400_000) + 1;
}

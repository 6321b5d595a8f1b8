import leven from 'leven';

/** The name that was probably meant; undefined where none is like it. */
export function nearest(written: string, names: readonly string[]): string | undefined {
  const plain = (name: string) => name.toLowerCase().replaceAll(/[^a-z0-9]/g, '');
  const wanted = plain(written);
  const [best] = names
    .map((name) => ({ name, distance: slips(wanted, plain(name)) }))
    .sort((one, other) => one.distance - other.distance);
  return best && best.distance <= allowed(wanted.length) ? best.name : undefined;
}

/** ` Did you mean …?`, or nothing. */
export function didYouMean(written: string, names: readonly string[]): string {
  const near = nearest(written, names);
  return near === undefined ? '' : ` Did you mean ${near}?`;
}

/** Letters that are missing, too many or other ones; two that have changed places are one slip. */
function slips(written: string, name: string): number {
  const swapped = Array.from({ length: Math.max(0, written.length - 1) }, (_, at) =>
    [written.slice(0, at), written[at + 1], written[at], written.slice(at + 2)].join(''),
  );
  return Math.min(leven(written, name), ...swapped.map((one) => 1 + leven(one, name)));
}

/** How many slips a word of so many letters may have: in a short one, two make another word of it. */
function allowed(letters: number): number {
  if (letters < 5) return 1;
  return letters < 12 ? 2 : 3;
}

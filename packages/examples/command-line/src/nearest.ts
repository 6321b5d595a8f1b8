import leven from 'leven';

/** The name that was probably meant; undefined where none is like it. */
export function nearest(written: string, names: readonly string[]): string | undefined {
  const plain = (name: string) => name.toLowerCase().replaceAll(/[^a-z0-9]/g, '');
  const wanted = plain(written);
  const [best] = names
    .map((name) => ({ name, distance: leven(wanted, plain(name)) }))
    .sort((one, other) => one.distance - other.distance);
  return best && best.distance <= Math.min(2, Math.max(1, Math.floor(wanted.length * 0.4)))
    ? best.name
    : undefined;
}

/** ` Did you mean …?`, or nothing. */
export function didYouMean(written: string, names: readonly string[]): string {
  const near = nearest(written, names);
  return near === undefined ? '' : ` Did you mean ${near}?`;
}

const next = new Map<string, number>();

/** The number of the next picture of a camera, from 0, without gaps within this process (see `bootId()`). */
export function nextNumber(camera: string): number {
  const number = next.get(camera) ?? 0;
  next.set(camera, number + 1);
  return number;
}

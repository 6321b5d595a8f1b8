const next = new Map<string, number>();

/** The number of the next picture of a camera, from 0, without gaps within this process (see `bootId()`). */
export function nextNumber(camera: string): number {
  return count(`picture/${camera}`);
}

/** The number of the next track of what a detector sees of a camera, from 0, within this process. */
export function nextTrack(camera: string, detector: string): number {
  return count(`track/${camera}/${detector}`);
}

function count(what: string): number {
  const number = next.get(what) ?? 0;
  next.set(what, number + 1);
  return number;
}

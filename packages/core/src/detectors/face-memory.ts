import type { Box, Face } from '../face';
import { overlap, SAME_FACE } from './look';

/** Where a face was, in pixels of the picture. */
export interface KnownFace {
  face: Face;
  /** When it was first found, in milliseconds of capture time. */
  readonly since: number;
  /** When it was last found, and when it was last looked for. */
  foundAt: number;
  lookedAt: number;
}

/** A face that is not found is looked for in its place for so long: somebody turns away and back. */
const FORGOTTEN_AFTER_MS = 500;

/** Where faces were in the last frames of one camera, so that the next looks can go there. */
export class FaceMemory {
  #known: KnownFace[] = [];

  /** Those that were found in the last frame in which they were looked for. */
  get present(): Face[] {
    return this.#known.filter(({ foundAt, lookedAt }) => foundAt === lookedAt).map(({ face }) => face);
  }

  /** Where to look, longest unseen first. */
  places(at: number): readonly KnownFace[] {
    this.#forget(at);
    return this.#known.toSorted((a, b) => a.lookedAt - b.lookedAt);
  }

  /** Where nobody has looked in a frame that looked at these places. */
  others(looked: readonly KnownFace[], at: number): Face[] {
    return this.#known
      .filter((known) => known.foundAt < at && !looked.includes(known))
      .map(({ face }) => face);
  }

  /** All that is to be known of a frame of which everything was looked at. */
  replace(faces: readonly Face[], at: number): void {
    this.#known = faces.map((face) => ({ face, since: at, foundAt: at, lookedAt: at }));
  }

  /** Takes in what was found in a frame, and at which places somebody has looked. */
  learn(faces: readonly Face[], looked: readonly Box[], at: number): void {
    for (const known of this.#known) {
      if (at > known.lookedAt && looked.some((box) => overlap(box, known.face.box) > 0.5))
        known.lookedAt = at;
    }
    for (const face of faces) {
      const known = this.#closest(face.box);
      if (!known) this.#known.push({ face, since: at, foundAt: at, lookedAt: at });
      else if (at >= known.foundAt)
        Object.assign(known, { face, foundAt: at, lookedAt: Math.max(at, known.lookedAt) });
    }
    this.#forget(at);
  }

  /** Those who were looked for and not found; one that waits for its turn is not gone. */
  #forget(at: number): void {
    const isGone = ({ foundAt, lookedAt }: KnownFace) =>
      foundAt < lookedAt && at - foundAt > FORGOTTEN_AFTER_MS;
    this.#known = this.#known.filter((known) => !isGone(known));
  }

  #closest(box: Box): KnownFace | undefined {
    const shared = (known: KnownFace) => overlap(known.face.box, box);
    const [best] = this.#known.toSorted((a, b) => shared(b) - shared(a));
    return best && shared(best) > SAME_FACE ? best : undefined;
  }
}

import type { Box, Face } from 'edge-relay';
import type { Clip } from './clips';

/** A face may be found a little before it is wholly in the picture, and after. */
const EDGE_FRAMES = 10;

/** Writes down which people of a clip were found in which frames, and what was found that is nobody. */
export class VisitorsBook {
  readonly #clip: Clip;
  /** By visit: frames in which the face was visible, in which it was found, and visible ones until it was. */
  readonly #visible: number[];
  readonly #found: number[];
  readonly #until: (number | undefined)[];
  #nobody = 0;
  /** By visit: pictures that were sent. */
  readonly #pictures: number[];
  #falsePictures = 0;

  constructor(clip: Clip) {
    this.#clip = clip;
    this.#visible = Array.from({ length: clip.visits }, () => 0);
    this.#found = [...this.#visible];
    this.#until = Array.from({ length: clip.visits });
    this.#pictures = [...this.#visible];
  }

  note(frame: number, faces: readonly Face[]): void {
    for (let visit = 0; visit < this.#clip.visits; visit += 1) {
      if (this.#clip.faceOf(visit, frame) && !this.#clip.isHidden(visit, frame)) this.#visible[visit]! += 1;
    }
    for (const { box } of faces) {
      const visit = this.whoIs(frame, box);
      if (visit === undefined) this.#nobody += 1;
      else {
        this.#found[visit]! += 1;
        this.#until[visit] ??= this.#visible[visit]!;
      }
    }
  }

  /** A picture that was sent of a face in a frame. */
  notePicture(frame: number, box: Box): void {
    const visit = this.whoIs(frame, box);
    if (visit === undefined) this.#falsePictures += 1;
    else this.#pictures[visit]! += 1;
  }

  /** Whose face it is, by its middle and its size; of two who cross, rather who is in front, and whose it covers best. */
  whoIs(frame: number, box: Box): number | undefined {
    let [best, bestShare]: [number | undefined, number] = [undefined, 0];
    for (let visit = 0; visit < this.#clip.visits; visit += 1) {
      const at = [0, EDGE_FRAMES, -EDGE_FRAMES].map((shift) => this.#clip.faceOf(visit, frame + shift));
      const face = at.find((seen) => seen !== undefined);
      if (!face || !isAlike(box, face)) continue;
      const share = sharedArea(box, face) + (this.#clip.isHidden(visit, frame) ? 0 : 1);
      if (share > bestShare) [best, bestShare] = [visit, share];
    }
    return best;
  }

  /** Those with a face of so many pixels at 1080p who were visible for half a second. */
  summary() {
    const half = this.#clip.framesPerSecond / 2;
    const counted = this.#visible.flatMap((visible, visit) => (visible >= half ? [visit] : []));
    const missed = counted.filter((visit) => this.#until[visit] === undefined);
    const until = counted.flatMap((visit) => this.#until[visit] ?? []);
    const sum = (values: readonly number[]) => values.reduce((total, value) => total + value, 0);
    const percent =
      (sum(counted.map((visit) => this.#found[visit]!)) * 100) / sum(counted.map((v) => this.#visible[v]!));
    return {
      people: counted.length,
      missed,
      framesUntilFound: {
        median: until.toSorted((a, b) => a - b)[until.length >> 1],
        most: Math.max(...until, 0),
      },
      foundInPercentOfFrames: Math.round(percent) || 0,
      falseFaces: this.#nobody,
      withoutPicture: counted.filter((visit) => this.#pictures[visit] === 0),
      withSeveralPictures: counted.filter((visit) => this.#pictures[visit]! > 1),
      falsePictures: this.#falsePictures,
    };
  }
}

/** Of two boxes, as a share of what both cover together. */
function sharedArea(a: Box, b: Box): number {
  const width = Math.max(0, Math.min(a.x + a.width, b.x + b.width) - Math.max(a.x, b.x));
  const height = Math.max(0, Math.min(a.y + a.height, b.y + b.height) - Math.max(a.y, b.y));
  return (width * height) / (a.width * a.height + b.width * b.height - width * height);
}

function isAlike(found: Box, face: Box): boolean {
  const apart = (from: number, size: number, other: number, otherSize: number) =>
    Math.abs(from + size / 2 - other - otherSize / 2);
  return (
    apart(found.x, found.width, face.x, face.width) < face.width / 2 &&
    apart(found.y, found.height, face.y, face.height) < face.height / 2 &&
    found.width > face.width / 1.8 &&
    found.width < face.width * 1.8
  );
}

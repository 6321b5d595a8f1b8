import type { Box, Face } from '../face';

/** How fast the place follows what the detector says, whose boxes tremble by some percent of their width. */
const PLACE_SECONDS = 0.04;
const SIZE_SECONDS = 0.2;
const VELOCITY_SECONDS = 0.3;
/** How long somebody unseen is believed to go on as before. */
const COAST_SECONDS = 3;
/** How far off a face may be, in widths, however little time has passed: the trembling of two boxes. */
const REACH = 0.6;
/** How much faster somebody may be than we know, in widths a second: new, and known for long. */
const UNKNOWN_SPEED = 4;
const KNOWN_SPEED = 1.2;
const LONGEST_REACH = 2.2;
/** What is no person yet reaches less far, or single mistakes of the detector would make one. */
const SHORTEST_REACH = 1;
/** How much nearer a flicker has to be than a person to get the face, in widths. */
const DOUBT = 0.3;

/** Somebody is out of sight who was missed in so many looks one after the other that this much is left to chance. */
const LOST_LOOKS = 4;
const CHANCE = 0.0001;
/** So many hits over so long, in milliseconds, show whether a new one is somebody who was out of sight. */
const REJOIN_HITS = 2;
const REJOIN_MS = 130;
/** What a width a second against the way that somebody went counts as, in widths: people stop, but seldom turn back. */
const TURN = 1.5;
/** What a second out of sight counts as, in widths: the longer it is, the rather somebody else has come meanwhile. */
const ABSENCE = 0.15;
/** How much a face trembles in size, and how fast it may grow or shrink: of the logarithm, and of that in a second. */
const SIZE_TREMBLES = 0.2;
const SIZE_DRIFTS = 0.15;
/** How far off somebody may be who was out of sight, in widths: at once, and after long. */
const REJOIN_REACH = 1.5;
const LONGEST_REJOIN_REACH = 2.5;

/** What it takes to count as a person. */
export interface Confirmation {
  readonly looks: number;
  readonly share: number;
  readonly milliseconds: number;
}

/** One person's way through the picture, from one look to the next. Times are milliseconds, of capture. */
export class Track {
  /** `{camera}-{boot}-{detector}-{number}`, or what the faces brought with them. */
  readonly id: string;
  /** Counts the visits by camera and detector, from 0. */
  readonly number: number;
  /** Capture time of its first frame, in milliseconds since 1970 (UTC). */
  readonly startedAt: number;
  /** Where the detector saw it last, in pixels of the full frame. */
  box: Box;
  /** Capture time of the last frame in which it was found, in milliseconds since 1970 (UTC). */
  seenAt: number;
  /** Looks in which it was found. */
  hits = 1;
  /** Whether it has been there for long enough to count as a person. */
  isConfirmed = false;
  /** Who it turned out to be: one who was out of sight for a while. */
  person: Track | undefined;
  /** The latest looks, for confirmation. */
  readonly #looks: { readonly at: number; readonly isHit: boolean }[] = [];
  #x: number;
  #y: number;
  #size: number;
  readonly #first: Box;
  #misses = 0;
  /** Looks until it was last found. */
  #lookedFor = 1;
  /** Pixels a second. */
  #velocityX = 0;
  #velocityY = 0;

  constructor(id: string, number: number, { box }: Face, at: number) {
    this.id = id;
    this.number = number;
    this.box = box;
    this.startedAt = at;
    this.seenAt = at;
    this.#looks.push({ at, isHit: true });
    [this.#x, this.#y] = centreOf(box);
    this.#size = sizeOf(box);
    this.#first = box;
  }

  /** A person whom so many looks one after the other have missed that it is no chance: hidden, or turned away. */
  get isLost(): boolean {
    const share = this.hits / this.#lookedFor;
    return this.isConfirmed && this.#misses >= LOST_LOOKS && (1 - share) ** this.#misses < CHANCE;
  }

  /** No person yet, and seen for long enough to tell whether it is one who was lost. */
  get mayRejoin(): boolean {
    return !this.isConfirmed && this.hits >= REJOIN_HITS && this.seenAt - this.startedAt >= REJOIN_MS;
  }

  /** Widths of the face that it moves in a second. */
  get speed(): number {
    return Math.hypot(this.#velocityX, this.#velocityY) / this.#size;
  }

  /** Where its centre is now, if it goes on as before. */
  predict(at: number): { x: number; y: number } {
    const gap = (at - this.seenAt) / 1000;
    const coasted = COAST_SECONDS * (1 - Math.exp(-gap / COAST_SECONDS));
    return { x: this.#x + this.#velocityX * coasted, y: this.#y + this.#velocityY * coasted };
  }

  /**
   * How far the face is from where this one is expected, in widths (a size that differs counts as way);
   * undefined where it is too far to be the same.
   */
  distance({ box }: Face, at: number): number | undefined {
    const gap = (at - this.seenAt) / 1000;
    const { x, y } = this.predict(at);
    const [faceX, faceY] = centreOf(box);
    const size = (this.#size + sizeOf(box)) / 2;
    const growth = Math.abs(Math.log(sizeOf(box) / this.#size));
    const distance = Math.hypot(faceX - x, faceY - y) / size + growth;
    const unknown = Math.max(KNOWN_SPEED, UNKNOWN_SPEED / this.hits);
    const longest = this.isConfirmed ? LONGEST_REACH : SHORTEST_REACH;
    if (distance > Math.min(longest, REACH + unknown * gap)) return undefined;
    // Of two that are as near, rather a person seen just now than a flicker.
    return distance + DOUBT * (this.isConfirmed ? Math.min(1, gap) : 1);
  }

  /**
   * How far another one, seen since this one was lost, began from where this one was expected, in widths; a size that
   * differs counts as way, and so do moving against its way and the time between. Undefined where it cannot be the same.
   */
  distanceOf(other: Track): number | undefined {
    const gap = (other.startedAt - this.seenAt) / 1000;
    if (gap <= 0) return undefined;
    const { x, y } = this.predict(other.startedAt);
    const [otherX, otherY] = centreOf(other.#first);
    const size = (this.#size + other.#size) / 2;
    const growth = Math.log(other.#size / this.#size);
    const unlike = growth ** 2 / (2 * (SIZE_TREMBLES ** 2 + (SIZE_DRIFTS * gap) ** 2));
    const [speedX, speedY] = other.#wayPerSecond();
    const turn = Math.sqrt(Math.max(0, -speedX * this.#velocityX - speedY * this.#velocityY)) / size;
    const distance = Math.hypot(otherX - x, otherY - y) / size + unlike + TURN * turn + ABSENCE * gap;
    return distance > Math.min(LONGEST_REJOIN_REACH, REJOIN_REACH + KNOWN_SPEED * gap) ? undefined : distance;
  }

  /** The other one was this one, seen again. */
  rejoin(other: Track): void {
    this.box = other.box;
    this.seenAt = other.seenAt;
    this.hits += other.hits;
    this.#lookedFor += other.#lookedFor;
    this.#misses = 0;
    [this.#x, this.#y] = [other.#x, other.#y];
    this.#size = other.#size;
    [this.#velocityX, this.#velocityY] = other.#wayPerSecond();
  }

  /** From where it was first seen to where it is now. */
  #wayPerSecond(): [number, number] {
    const [x, y] = centreOf(this.#first);
    const seconds = (this.seenAt - this.startedAt) / 1000;
    return seconds > 0 ? [(this.#x - x) / seconds, (this.#y - y) / seconds] : [0, 0];
  }

  /** It was found here. */
  hit({ box }: Face, at: number): void {
    const gap = (at - this.seenAt) / 1000;
    const { x, y } = this.predict(at);
    const [faceX, faceY] = centreOf(box);
    if (gap > 0) {
      const follow = shareOf(gap, VELOCITY_SECONDS) / gap;
      this.#velocityX += (faceX - x) * follow;
      this.#velocityY += (faceY - y) * follow;
    }
    const place = shareOf(gap, PLACE_SECONDS);
    this.#x = x + (faceX - x) * place;
    this.#y = y + (faceY - y) * place;
    this.#size += (sizeOf(box) - this.#size) * shareOf(gap, SIZE_SECONDS);
    this.box = box;
    this.seenAt = at;
    this.hits += 1;
    this.#lookedFor += this.#misses + 1;
    this.#misses = 0;
    if (!this.isConfirmed) this.#looks.push({ at, isHit: true });
  }

  /** Nothing moved, so it is still where it was. */
  stay(at: number): void {
    this.seenAt = at;
    this.#velocityX = 0;
    this.#velocityY = 0;
  }

  /** The detector looked and did not find it. */
  miss(at: number): void {
    this.#misses += 1;
    if (!this.isConfirmed) this.#looks.push({ at, isHit: false });
  }

  /** Whether it was found in a share of the latest looks, of which there were so many over so long, in milliseconds. */
  wasFound({ looks: needed, share, milliseconds }: Confirmation): boolean {
    const looks = this.#looks;
    const latest = looks.at(-1)!.at;
    const isLong = (from: number) =>
      looks.length - from >= needed && latest - looks[from]!.at >= milliseconds;
    while (looks.length > 1 && isLong(1)) looks.shift();
    const hits = looks.filter(({ isHit }) => isHit).length;
    return looks.at(-1)!.isHit && isLong(0) && hits >= Math.max(needed, share * looks.length);
  }

  /** Confirmed, its looks are not remembered. */
  confirm(): void {
    this.isConfirmed = true;
    this.#looks.length = 0;
  }
}

/** How much of the way to a new value is gone after a time, where one constant says how fast. */
function shareOf(gap: number, constant: number): number {
  return 1 - Math.exp(-gap / constant);
}

function centreOf({ x, y, width, height }: Box): [x: number, y: number] {
  return [x + width / 2, y + height / 2];
}

function sizeOf({ width, height }: Box): number {
  return Math.sqrt(width * height);
}

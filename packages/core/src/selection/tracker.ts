import type { Box, Face } from '../face';
import { type Confirmation, Track } from './track';

/** When a face counts as a person, and when a person has left. */
export interface TrackerOptions {
  /** Somebody unseen for so long has left. @default 4 */
  readonly gapSeconds?: number | undefined;
  /**
   * How long a face has to be there before it counts as a person: what a cascade takes for a face by
   * mistake flickers. @default 0.3
   */
  readonly confirmSeconds?: number | undefined;
  /** The share of the looks in that time that have to find it. @default 0.7 */
  readonly confirmShare?: number | undefined;
  /** The looks that have to find it at least; where frames come less than once a second, fewer. @default 3 */
  readonly confirmHits?: number | undefined;
  /** People followed at once; a face beyond them has no track. @default 100 */
  readonly maximumTracks?: number | undefined;
}

/** What a tracker is shown of a frame. */
export interface Sight {
  /** Capture time in milliseconds. */
  readonly at: number;
  /** The frame, in pixels. */
  readonly width: number;
  /** The frame, in pixels. */
  readonly height: number;
  /** What the detector found in it. */
  readonly faces: readonly Face[];
  /** False where nothing moved, and `faces` are those last seen. @default true */
  readonly looked?: boolean | undefined;
  /** Where known faces were that nobody has looked for in this frame. @default none */
  readonly waiting?: readonly Face[] | undefined;
  /** A picture of its own: everybody in it comes and goes with it. @default false */
  readonly still?: boolean | undefined;
}

/** What a tracker makes of it. */
export interface Tracking {
  /** The track of each face; undefined where there are too many. Two boxes on one face have one track. */
  readonly tracks: readonly (Track | undefined)[];
  /** Those that have just become people. */
  readonly confirmed: readonly Track[];
  /** Those that are over, people or not. */
  readonly ended: readonly Track[];
}

/** How a track is called. */
export interface TrackName {
  /** Its id, the `subject` of its pictures. */
  readonly id: string;
  /** Counts the visits by camera and detector, from 0. */
  readonly number: number;
}

/** Boxes that share so much of the smaller one lie on one face. */
const SAME_FACE = 0.5;
/** Somebody who walked out of the picture does not come back within the gap. */
const OUTSIDE_MS = 300;
/** What is no person yet is forgotten when it is unseen for so long. */
const FLICKER_MS = 1000;
/** Frames by whose pace confirmation goes: one long pause among them means nothing. */
const PACED_FRAMES = 5;

/**
 * Tells who is who from one frame to the next, by place, size and speed: a person has one track from coming
 * to leaving, over looks that missed and faces that were hidden for a while. It does no I/O and has no clock.
 */
export class Tracker {
  readonly #gapMs: number;
  readonly #confirmation: Confirmation;
  readonly #maximumTracks: number;
  readonly #name: () => TrackName;
  readonly #intervals: number[] = [];
  #tracks: Track[] = [];
  #at: number | undefined;

  /**
   * @param name gives each track its id.
   * @throws {TypeError} for an option that cannot be meant.
   */
  constructor(name: () => TrackName, options: TrackerOptions = {}) {
    const { gapSeconds = 4, confirmSeconds = 0.3, confirmShare = 0.7, confirmHits = 3 } = options;
    const { maximumTracks = 100 } = options;
    if (!(Number.isFinite(gapSeconds) && gapSeconds > 0)) {
      throw new TypeError(`gapSeconds must be a number of seconds above 0, not ${gapSeconds}.`);
    }
    if (!(Number.isFinite(confirmSeconds) && confirmSeconds >= 0)) {
      throw new TypeError(`confirmSeconds must be a number of seconds from 0, not ${confirmSeconds}.`);
    }
    if (!(confirmShare >= 0 && confirmShare <= 1)) {
      throw new TypeError(`confirmShare must be a share from 0 to 1, not ${confirmShare}.`);
    }
    for (const [option, value] of Object.entries({ confirmHits, maximumTracks })) {
      if (!(Number.isInteger(value) && value > 0)) {
        throw new TypeError(`${option} must be a whole number above 0, not ${value}.`);
      }
    }
    this.#name = name;
    this.#gapMs = gapSeconds * 1000;
    this.#confirmation = { looks: confirmHits, share: confirmShare, milliseconds: confirmSeconds * 1000 };
    this.#maximumTracks = maximumTracks;
  }

  /** Those who are here, people and what may become one. */
  get tracks(): readonly Track[] {
    return this.#tracks;
  }

  /** Takes the next frame, in the order of capture; one from before begins anew. */
  update(sight: Sight): Tracking {
    if (sight.still) return this.#still(sight);
    const confirmed: Track[] = [];
    const ended: Track[] = [];
    const at = this.#tick(sight.at, ended);
    // The pace may have shown itself only now.
    this.#consider(confirmed);
    this.#leave((track) => this.#hasLeft(track, at, sight), ended);

    const tracks = this.#rejoin(this.#match(sight, at), ended);
    this.#consider(confirmed);
    return { tracks, confirmed, ended };
  }

  /** Nothing more comes: everybody leaves. */
  end(): Pick<Tracking, 'confirmed' | 'ended'> {
    const confirmed: Track[] = [];
    // Where one frame was all there was, it has to do.
    if (this.#at !== undefined && this.#intervals.length === 0) {
      for (const track of this.#tracks) confirm(track, confirmed);
    }
    const ended: Track[] = [];
    this.#leave(() => true, ended);
    this.#at = undefined;
    this.#intervals.length = 0;
    return { confirmed, ended };
  }

  #still({ at, faces }: Sight): Tracking {
    const { confirmed, ended } = this.end();
    const tracks: Track[] = [];
    for (const face of faces) {
      const track = tracks.find(({ box }) => isSameFace(box, face.box)) ?? this.#begin(face, at);
      track.isConfirmed = true;
      tracks.push(track);
    }
    const unique = [...new Set(tracks)];
    return { tracks, confirmed: [...confirmed, ...unique], ended: [...ended, ...unique] };
  }

  /** The time of the frame, which does not go back; where the clock did, a new story begins. */
  #tick(time: number, ended: Track[]): number {
    const before = this.#at;
    if (before !== undefined && before - time > this.#gapMs) {
      this.#leave(() => true, ended);
      this.#at = time;
      return time;
    }
    const at = Math.max(time, before ?? time);
    if (before !== undefined && at > before) {
      this.#intervals.push(at - before);
      if (this.#intervals.length > PACED_FRAMES) this.#intervals.shift();
    }
    this.#at = at;
    return at;
  }

  /** What a track needs, by the pace of the frames. */
  get #needed(): Confirmation {
    const paces = this.#intervals.toSorted((a, b) => a - b);
    const pace = paces[Math.floor(paces.length / 2)] ?? 0;
    const looks = Math.min(this.#confirmation.looks, 1 + Math.floor(FLICKER_MS / pace));
    return looks === 1 ? { looks, share: 0, milliseconds: 0 } : { ...this.#confirmation, looks };
  }

  #consider(confirmed: Track[]): void {
    const needed = this.#needed;
    for (const track of this.#tracks) {
      if (!track.isConfirmed && track.wasFound(needed)) confirm(track, confirmed);
    }
  }

  #hasLeft(track: Track, at: number, { width, height }: Sight): boolean {
    const gap = at - track.seenAt;
    if (gap > this.#gapMs || (!track.isConfirmed && gap > FLICKER_MS)) return true;
    const { x, y } = track.predict(at);
    return gap > OUTSIDE_MS && (x < 0 || y < 0 || x > width || y > height);
  }

  #leave(isOver: (track: Track) => boolean, ended: Track[]): void {
    ended.push(...this.#tracks.filter(isOver));
    this.#tracks = this.#tracks.filter((track) => !ended.includes(track));
  }

  /**
   * Somebody who was hidden is not whoever appears there, but who goes on as they did: it takes some looks to tell,
   * and until then they are somebody new.
   */
  #rejoin(tracks: readonly (Track | undefined)[], ended: Track[]): (Track | undefined)[] {
    const lost = this.#tracks.filter(({ isLost }) => isLost);
    if (lost.length === 0) return [...tracks];
    const possible = this.#tracks
      .filter(({ mayRejoin }) => mayRejoin)
      .flatMap((track) => lost.map((person) => ({ track, person, distance: person.distanceOf(track) })))
      .filter((pair): pair is typeof pair & { distance: number } => pair.distance !== undefined)
      .toSorted((a, b) => a.distance - b.distance);
    const persons = new Map<Track | undefined, Track>();
    for (const { track, person } of possible) {
      if (persons.has(track) || !person.isLost) continue;
      person.rejoin(track);
      track.person = person;
      persons.set(track, person);
    }
    this.#leave((track) => persons.has(track), ended);
    return tracks.map((track) => persons.get(track) ?? track);
  }

  #match({ faces, looked = true, waiting = [] }: Sight, at: number): (Track | undefined)[] {
    const tracks = new Array<Track | undefined>(faces.length);
    const pairs = this.#pairs(faces, at);
    for (const track of this.#tracks) {
      const index = pairs.get(track);
      if (index === undefined) {
        const waits = waiting.some(({ box }) => isSameFace(box, track.box));
        if (looked && !waits) track.miss(at);
        continue;
      }
      if (looked) track.hit(faces[index]!, at);
      else track.stay(at);
      tracks[index] = track;
    }
    for (const [index, face] of faces.entries()) {
      if (tracks[index] !== undefined) continue;
      const same = tracks.find(
        (track, other) =>
          track && (face.track ? track.id === face.track : isSameFace(faces[other]!.box, face.box)),
      );
      tracks[index] = same ?? this.#enter(face, at);
    }
    return tracks;
  }

  /**
   * The nearest two first, and so on. (The assignment that is the best in sum, by the Hungarian method, confuses
   * no fewer people: see docs/decisions.) A face that somebody has named goes to its name.
   */
  #pairs(faces: readonly Face[], at: number): Map<Track, number> {
    const possible: { track: Track; index: number; distance: number }[] = [];
    for (const track of this.#tracks) {
      for (const [index, face] of faces.entries()) {
        const isNamed = face.track !== undefined;
        if (track.isLost && !isNamed) continue;
        const distance = isNamed ? (face.track === track.id ? -1 : undefined) : track.distance(face, at);
        if (distance !== undefined) possible.push({ track, index, distance });
      }
    }
    possible.sort((a, b) => a.distance - b.distance);
    const pairs = new Map<Track, number>();
    const taken = new Set<number>();
    for (const { track, index } of possible) {
      if (pairs.has(track) || taken.has(index)) continue;
      pairs.set(track, index);
      taken.add(index);
    }
    return pairs;
  }

  #enter(face: Face, at: number): Track | undefined {
    if (this.#tracks.length >= this.#maximumTracks) return undefined;
    const track = this.#begin(face, at);
    // Whoever named it is sure of it.
    if (face.track !== undefined) track.confirm();
    this.#tracks.push(track);
    return track;
  }

  #begin(face: Face, at: number): Track {
    const { id, number } = this.#name();
    return new Track(face.track ?? id, number, face, at);
  }
}

function confirm(track: Track, confirmed: Track[]): void {
  if (track.isConfirmed) return;
  track.confirm();
  confirmed.push(track);
}

function isSameFace(a: Box, b: Box): boolean {
  const width = Math.min(a.x + a.width, b.x + b.width) - Math.max(a.x, b.x);
  const height = Math.min(a.y + a.height, b.y + b.height) - Math.max(a.y, b.y);
  if (width <= 0 || height <= 0) return false;
  return width * height > SAME_FACE * Math.min(a.width * a.height, b.width * b.height);
}

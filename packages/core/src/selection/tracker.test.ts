import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { passersBy, type Walker, type WorldOptions, worldOf } from '../../test/face-world';
import type { Face } from '../face';
import { Tracker, type TrackerOptions, type Tracking } from './tracker';

const frame = { width: 1920, height: 1080 };

function trackerOf(options?: TrackerOptions): Tracker {
  let number = 0;
  return new Tracker(() => {
    number += 1;
    return { id: `track-${number}`, number };
  }, options);
}

function faceAt(x: number, y = 500, width = 100, track?: string): Face {
  const box = { x: x - width / 2, y: y - width / 2, width, height: width };
  return { box, score: 50, ...(track !== undefined && { track }) };
}

/** Shows faces one frame after the other, `everyMs` apart. */
function show(tracker: Tracker, frames: readonly (readonly Face[])[], { from = 0, everyMs = 33 } = {}) {
  return frames.map((faces, index) => tracker.update({ ...frame, at: from + index * everyMs, faces }));
}

const confirmedIn = (trackings: readonly Pick<Tracking, 'confirmed'>[]) =>
  trackings.flatMap(({ confirmed }) => confirmed.map(({ id }) => id));
const endedIn = (trackings: readonly Pick<Tracking, 'ended'>[]) =>
  trackings.flatMap(({ ended }) => ended.map(({ id }) => id));
const idsOf = ({ tracks }: Tracking) => tracks.map((track) => track?.id);
const still = (count: number, x = 500) => Array.from({ length: count }, () => [faceAt(x)]);
const empty = (count: number) => Array.from({ length: count }, () => []);

/** How well a tracker does in a world: persons seen for half a second or longer, and what became of them. */
function judge(walkers: readonly Walker[], options: WorldOptions, everyFrame = 1) {
  const tracker = trackerOf();
  const hits = new Map<string, Map<number, number>>();
  const confirmed = new Set<string>();
  const visible = new Map<number, number>();
  const frames = worldOf(walkers, options).filter((_, index) => index % everyFrame === 0);
  for (const { at, faces, persons, visible: seen } of frames) {
    for (const person of seen) visible.set(person, (visible.get(person) ?? 0) + 1);
    const tracking = tracker.update({ ...frame, at, faces });
    for (const { id } of tracking.confirmed) confirmed.add(id);
    for (const [index, track] of tracking.tracks.entries()) {
      const owners = hits.get(track!.id) ?? new Map<number, number>();
      owners.set(persons[index]!, (owners.get(persons[index]!) ?? 0) + 1);
      hits.set(track!.id, owners);
    }
  }
  const half = ((options.framesPerSecond ?? 30) / everyFrame) * 0.5;
  const people = [...visible].filter(([, count]) => count >= half).map(([person]) => person);
  const tracksOf = new Map<number, number>();
  let ghosts = 0;
  for (const id of confirmed) {
    const real = [...hits.get(id)!].filter(([person]) => person >= 0).sort((a, b) => b[1] - a[1]);
    if (real.length === 0) ghosts += 1;
    else tracksOf.set(real[0]![0], (tracksOf.get(real[0]![0]) ?? 0) + 1);
  }
  return {
    people: people.length,
    missing: people.filter((person) => !tracksOf.has(person)).length,
    doubled: people.filter((person) => (tracksOf.get(person) ?? 0) > 1).length,
    ghosts,
  };
}

function sum(results: readonly ReturnType<typeof judge>[]): ReturnType<typeof judge> {
  return results.reduce((a, b) => ({
    people: a.people + b.people,
    missing: a.missing + b.missing,
    doubled: a.doubled + b.doubled,
    ghosts: a.ghosts + b.ghosts,
  }));
}

const seeds = Array.from({ length: 30 }, (_, seed) => seed + 1);

describe('a person', () => {
  it('is one from coming to leaving', () => {
    const tracker = trackerOf();
    const trackings = [...show(tracker, still(60)), ...show(tracker, empty(130), { from: 2000 })];
    expect(new Set(trackings.slice(0, 60).flatMap(idsOf))).toEqual(new Set(['track-1']));
    expect(confirmedIn(trackings)).toEqual(['track-1']);
    expect(endedIn(trackings)).toEqual(['track-1']);
  });

  it('stays one while it is not found for less than the gap, and is another one after it', () => {
    const tracker = trackerOf({ gapSeconds: 1 });
    show(tracker, still(10));
    const within = show(tracker, still(1), { from: 1250 });
    expect(idsOf(within[0]!)).toEqual(['track-1']);
    const after = show(tracker, still(1), { from: 2300 });
    expect(idsOf(after[0]!)).toEqual(['track-2']);
    expect(endedIn(after)).toEqual(['track-1']);
  });

  it('comes back within the gap of four seconds as the one who was lost, and after it as somebody else', () => {
    const comesBackAfter = (seconds: number) => {
      const tracker = trackerOf();
      const absent = Math.round((seconds * 1000) / 33);
      const trackings = show(tracker, [...still(30), ...empty(absent), ...still(15)]);
      return { confirmed: confirmedIn(trackings), last: idsOf(trackings.at(-1)!) };
    };
    for (const seconds of [0.3, 1, 3, 3.8]) {
      expect(comesBackAfter(seconds)).toEqual({ confirmed: ['track-1'], last: ['track-1'] });
    }
    expect(comesBackAfter(4.2)).toEqual({ confirmed: ['track-1', 'track-2'], last: ['track-2'] });
    const faraway = show(trackerOf(), [...still(30), ...empty(91), ...still(15, 900)]);
    expect(idsOf(faraway.at(-1)!)).toEqual(['track-2']);
  });

  it('is found again where it walked to behind a pillar', () => {
    const tracker = trackerOf();
    const walk = (from: number, count: number) =>
      Array.from({ length: count }, (_, index) => [faceAt(from + index * 10)]);
    show(tracker, walk(200, 30));
    // 600 ms unseen at 300 pixels a second.
    const [again] = show(tracker, walk(200 + 47 * 10, 1), { from: 47 * 33 });
    expect(idsOf(again!)).toEqual(['track-1']);
  });

  it('is found again behind a pillar by a detector that goes on looking', () => {
    const tracker = trackerOf();
    const walk = (from: number, count: number) =>
      Array.from({ length: count }, (_, index) => [faceAt(200 + (from + index) * 10)]);
    const trackings = show(tracker, [...walk(0, 30), ...empty(30), ...walk(60, 12)]);
    expect(idsOf(trackings.at(-1)!)).toEqual(['track-1']);
    expect(confirmedIn(trackings)).toEqual(['track-1']);
    expect(endedIn(trackings)).toEqual(['track-2']);
    expect(tracker.tracks).toHaveLength(1);
  });

  it('is not whoever comes the other way where it was expected', () => {
    const tracker = trackerOf();
    const leftward = Array.from({ length: 30 }, (_, index) => [faceAt(900 - index * 9)]);
    // It would be at 369 by now, where somebody else comes out from behind.
    const rightward = Array.from({ length: 20 }, (_, index) => [faceAt(375 + index * 9)]);
    const trackings = show(tracker, [...leftward, ...empty(28), ...rightward]);
    expect(confirmedIn(trackings)).toEqual(['track-1', 'track-2']);
    expect(idsOf(trackings.at(-1)!)).toEqual(['track-2']);
  });

  it('is where its face was seen last, also in the look that shows who it is', () => {
    const tracker = trackerOf();
    const faces = [...still(30), ...empty(20), ...Array.from({ length: 8 }, (_, x) => [faceAt(500 + 4 * x)])];
    for (const [index, seen] of faces.entries()) {
      const [track] = tracker.update({ ...frame, at: index * 33, faces: seen }).tracks;
      expect(track?.box).toEqual(seen[0]?.box);
    }
    expect(tracker.tracks).toMatchObject([{ id: 'track-1' }]);
  });

  it('stands where nothing moves', () => {
    const tracker = trackerOf();
    show(
      tracker,
      Array.from({ length: 20 }, (_, index) => [faceAt(300 + index * 10)]),
    );
    expect(tracker.tracks[0]!.speed).toBeGreaterThan(2);
    tracker.update({ ...frame, at: 20 * 33, faces: [faceAt(490)], looked: false });
    expect(tracker.tracks[0]!.speed).toBe(0);
  });

  it('is not whoever only seems to go its way at first', () => {
    const tracker = trackerOf();
    const leftward = Array.from({ length: 30 }, (_, index) => [faceAt(900 - index * 9)]);
    // The second box trembles to the left.
    const rightward = [380, 377, ...Array.from({ length: 18 }, (_, index) => 390 + index * 9)];
    const trackings = show(tracker, [...leftward, ...empty(28), ...rightward.map((x) => [faceAt(x)])]);
    expect(idsOf(trackings.at(-1)!)).toEqual(['track-2']);
  });

  it('is not told by one look, however long nothing moves after it', () => {
    const tracker = trackerOf();
    const trackings = show(tracker, [...still(30), ...empty(20), ...still(1)]);
    expect(idsOf(trackings.at(-1)!)).toEqual(['track-2']);
    for (let at = 51 * 33; at < 51 * 33 + 900; at += 33) {
      const tracking = tracker.update({ ...frame, at, faces: [faceAt(500)], looked: false });
      expect(idsOf(tracking)).toEqual(['track-2']);
    }
  });

  it('is the nearer one of two who come where it was', () => {
    const tracker = trackerOf();
    const both = Array.from({ length: 8 }, () => [faceAt(380), faceAt(520)]);
    const trackings = show(tracker, [...still(30), ...empty(20), ...both]);
    expect(idsOf(trackings.at(-1)!)).toEqual(['track-2', 'track-1']);
  });

  it('is rather somebody else beside where it was, the longer it is gone', () => {
    const after = (looks: number) => {
      return idsOf(show(trackerOf(), [...still(30), ...empty(looks), ...still(15, 730)]).at(-1)!);
    };
    expect(after(30)).toEqual(['track-1']);
    expect(after(90)).toEqual(['track-2']);
  });

  it('is not somebody who was there beside it, or who is of another size', () => {
    const beside = show(trackerOf(), [
      ...still(30),
      ...Array.from({ length: 3 }, () => [faceAt(500), faceAt(610)]),
      ...Array.from({ length: 20 }, () => [faceAt(610)]),
    ]);
    expect(idsOf(beside.at(-1)!)).toEqual(['track-2']);
    const larger = Array.from({ length: 15 }, () => [faceAt(500, 500, 160)]);
    expect(idsOf(show(trackerOf(), [...still(30), ...empty(8), ...larger]).at(-1)!)).toEqual(['track-2']);
    const near = Array.from({ length: 30 }, () => [faceAt(500, 500, 220)]);
    const far = Array.from({ length: 15 }, () => [faceAt(500, 500, 25)]);
    expect(idsOf(show(trackerOf(), [...near, ...empty(8), ...far]).at(-1)!)).toEqual(['track-2']);
  });

  it('is the same at once where a few looks missed it, all the more where looks often do', () => {
    const missed = show(trackerOf(), [...still(30), ...empty(2), ...still(1)]);
    expect(idsOf(missed.at(-1)!)).toEqual(['track-1']);
    const often = Array.from({ length: 30 }, () => [...still(1), ...empty(1)]).flat();
    const missedMore = show(trackerOf(), [...still(12), ...often, ...empty(4), ...still(1)]);
    expect(idsOf(missedMore.at(-1)!)).toEqual(['track-1']);
    // The looks that missed before it was known again count as well.
    const lost = [...still(12), ...empty(10), ...still(1), ...empty(10), ...still(1)];
    const again = show(trackerOf(), [...lost, ...empty(5), ...still(1)]);
    expect(idsOf(again.at(-1)!)).toEqual(['track-1']);
  });

  it('goes on as it came back, when it is hidden once more', () => {
    const tracker = trackerOf();
    const walk = (from: number, speed: number, count: number) =>
      Array.from({ length: count }, (_, index) => [faceAt(from + index * speed)]);
    // It stands, walks on behind a pillar and is hidden for another 600 ms.
    const trackings = show(tracker, [
      ...walk(400, 0, 30),
      ...empty(10),
      ...walk(440, 20, 6),
      ...empty(18),
      ...walk(440 + 24 * 20, 20, 8),
    ]);
    expect(idsOf(trackings.at(-1)!)).toEqual(['track-1']);
    expect(confirmedIn(trackings)).toEqual(['track-1']);
    expect(tracker.tracks[0]).toMatchObject({ hits: 44, seenAt: 71 * 33 });
  });

  it('does not take the face of one who steps before it and goes the other way', () => {
    const tracker = trackerOf();
    const hidden = Array.from({ length: 30 }, (_, index) => [faceAt(500 + index * 12)]);
    const nearer = Array.from({ length: 20 }, (_, index) => [faceAt(980 - index * 15, 500, 110)]);
    const trackings = show(tracker, [...hidden, [], [], ...nearer]);
    expect(idsOf(trackings.at(-1)!)).toEqual(['track-2']);
    expect(confirmedIn(trackings)).toEqual(['track-1', 'track-2']);
  });

  it('is missed only where somebody has looked for it', () => {
    const confirmedAmong = (waits: boolean) => {
      const tracker = trackerOf();
      return Array.from({ length: 24 }, (_, index) => {
        const face = faceAt(500 + 3 * index);
        const isSeen = index % 3 === 0;
        const waiting = waits && !isSeen ? [faceAt(500 + 3 * (index - (index % 3)))] : [];
        return tracker.update({ ...frame, at: index * 33, faces: isSeen ? [face] : [], waiting });
      }).flatMap(({ confirmed }) => confirmed.map(({ id }) => id));
    };
    expect(confirmedAmong(true)).toEqual(['track-1']);
    expect(confirmedAmong(false)).toEqual([]);
  });

  it('is not followed out of the picture by the one who comes in there', () => {
    const tracker = trackerOf();
    const leaving = Array.from({ length: 30 }, (_, index) => [faceAt(1560 + index * 11)]);
    show(tracker, leaving);
    const entering = Array.from({ length: 20 }, (_, index) => [faceAt(1860 - index * 8)]);
    const trackings = show(tracker, entering, { from: 1800 });
    expect(idsOf(trackings[0]!)).toEqual(['track-2']);
    expect(endedIn(trackings)).toEqual(['track-1']);
  });

  it('may be unseen for a moment at the edge of the picture', () => {
    const tracker = trackerOf();
    show(
      tracker,
      Array.from({ length: 30 }, (_, index) => [faceAt(1300 + index * 20, 500, 60)]),
    );
    expect(endedIn(show(tracker, empty(6), { from: 30 * 33 }))).toEqual([]);
    expect(endedIn(show(tracker, empty(6), { from: 36 * 33 }))).toEqual(['track-1']);
  });

  it('is one from its first look on, though it is quick and looks are rare', () => {
    const walk = Array.from({ length: 6 }, (_, index) => [faceAt(300 + index * 90)]);
    expect(new Set(show(trackerOf(), walk, { everyMs: 200 }).flatMap(idsOf))).toEqual(new Set(['track-1']));
  });

  it('is not taken for another one of a different size at the same place', () => {
    const tracker = trackerOf();
    show(
      tracker,
      Array.from({ length: 12 }, () => [faceAt(500, 500, 200)]),
    );
    const [behind] = show(tracker, [[faceAt(500, 500, 60)]], { from: 12 * 33 });
    expect(idsOf(behind!)).toEqual(['track-2']);
  });

  it('keeps its face beside a flicker that is a little nearer', () => {
    const tracker = trackerOf();
    show(tracker, still(14));
    show(tracker, [[faceAt(500), faceAt(610)]], { from: 14 * 33 });
    const [next] = show(tracker, [[faceAt(556)]], { from: 15 * 33 });
    expect(idsOf(next!)).toEqual(['track-1']);
  });

  it('is one though the detector put two boxes on it', () => {
    const tracker = trackerOf();
    const trackings = show(
      tracker,
      Array.from({ length: 5 }, () => [faceAt(500), faceAt(530, 530, 60)]),
    );
    expect(trackings.flatMap(idsOf)).toEqual(Array(10).fill('track-1'));
    expect(tracker.tracks).toHaveLength(1);
    expect(tracker.tracks[0]!.hits).toBe(5);
  });

  it('is another one than who is a third behind it', () => {
    const tracker = trackerOf();
    show(
      tracker,
      Array.from({ length: 5 }, () => [faceAt(500), faceAt(570)]),
    );
    expect(tracker.tracks).toHaveLength(2);
  });

  it('keeps the name that it brings, wherever it is', () => {
    const tracker = trackerOf();
    const [first, second] = show(tracker, [[faceAt(100, 500, 100, 'Ada')], [faceAt(1800, 90, 40, 'Ada')]]);
    expect(idsOf(first!)).toEqual(['Ada']);
    expect(idsOf(second!)).toEqual(['Ada']);
    expect(first!.tracks[0]).toBe(second!.tracks[0]);
    expect(first!.tracks[0]!.isConfirmed).toBe(true);
  });
});

describe('confirmation', () => {
  it('comes when a face has been there for long enough', () => {
    const trackings = show(trackerOf({ confirmSeconds: 0.3 }), still(12));
    expect(trackings.findIndex(({ confirmed }) => confirmed.length > 0)).toBe(10);
    const slow = show(trackerOf({ confirmHits: 3 }), still(5), { everyMs: 200 });
    expect(slow.findIndex(({ confirmed }) => confirmed.length > 0)).toBe(2);
    const quick = show(trackerOf({ confirmSeconds: 0, confirmHits: 1 }), still(2));
    expect(confirmedIn(quick.slice(0, 1))).toEqual(['track-1']);
  });

  it('comes in spite of a miss, and not for what is there every other time', () => {
    const looks = (pattern: string) => [...pattern].map((look) => (look === '#' ? [faceAt(500)] : []));
    expect(confirmedIn(show(trackerOf(), looks('##.####.###')))).toEqual(['track-1']);
    expect(confirmedIn(show(trackerOf(), looks('##.##..##.#.##..#.##.'.repeat(5))))).toEqual([]);
    expect(confirmedIn(show(trackerOf({ confirmShare: 0.5 }), looks('##.##..##.#.##..')))).toEqual([
      'track-1',
    ]);
  });

  it('takes so many hits, also where a smaller share of the looks is enough', () => {
    const looks = (pattern: string) => [...pattern].map((look) => (look === '#' ? [faceAt(500)] : []));
    const confirmed = (pattern: string) =>
      confirmedIn(show(trackerOf({ confirmShare: 0.5 }), looks(pattern), { everyMs: 200 }));
    expect(confirmed('#.#')).toEqual([]);
    expect(confirmed('#.###')).toEqual(['track-1']);
  });

  it('does not come with a look that missed', () => {
    // Nine hits are 264 ms; the look that makes it more than 300 is none.
    expect(confirmedIn(show(trackerOf(), [...still(9), ...empty(3)]))).toEqual([]);
  });

  it('does not come for what flickers', () => {
    const tracker = trackerOf();
    const flicker = [...still(2), ...empty(40), ...still(2, 1200), ...empty(40)];
    const trackings = show(tracker, flicker);
    expect(confirmedIn(trackings)).toEqual([]);
    expect(endedIn(trackings)).toEqual(['track-1', 'track-2']);
    expect(tracker.tracks).toEqual([]);
  });

  it('is not made of two mistakes that lie apart', () => {
    const apart = show(trackerOf(), [[faceAt(500)], [faceAt(650)]], { everyMs: 300 });
    expect(apart.flatMap(idsOf)).toEqual(['track-1', 'track-2']);
  });

  it('asks for no more hits than frames as rare as these can give', () => {
    expect(confirmedIn(show(trackerOf(), still(2), { everyMs: 1000 }))).toEqual(['track-1']);
    const everyMinute = show(trackerOf(), [[faceAt(500)], [], []], { everyMs: 60_000 });
    expect(confirmedIn(everyMinute)).toEqual(['track-1']);
    expect(endedIn(everyMinute)).toEqual(['track-1']);
  });

  it('goes by the pace of the latest frames', () => {
    const tracker = trackerOf();
    show(tracker, empty(100));
    show(tracker, empty(6), { from: 100 * 33, everyMs: 1000 });
    const slow = show(tracker, still(2), { from: 100 * 33 + 6000, everyMs: 1000 });
    expect(confirmedIn(slow)).toEqual(['track-1']);
  });

  it('is not made easier by one long pause', () => {
    const tracker = trackerOf();
    show(tracker, empty(20));
    expect(confirmedIn(show(tracker, still(2), { from: 30_000 }))).toEqual([]);
  });

  it('counts no frame that the detector took for unchanged', () => {
    const tracker = trackerOf();
    show(tracker, still(1));
    for (let at = 33; at < 5000; at += 33) {
      const tracking = tracker.update({ ...frame, at, faces: [faceAt(500)], looked: false });
      expect(tracking.confirmed).toEqual([]);
      expect(idsOf(tracking)).toEqual(['track-1']);
    }
    const between = trackerOf();
    const trackings = Array.from({ length: 36 }, (_, index) => {
      const looked = index % 3 === 0;
      return between.update({ ...frame, at: index * 33, faces: looked ? [faceAt(500)] : [], looked });
    });
    expect(confirmedIn(trackings)).toEqual(['track-1']);
  });

  it('is not needed in a picture of its own', () => {
    const tracker = trackerOf();
    const faces = [faceAt(300), faceAt(900), faceAt(902, 500, 90)];
    const first = tracker.update({ ...frame, at: 0, faces, still: true });
    const second = tracker.update({ ...frame, at: 1, faces, still: true });
    expect(idsOf(first)).toEqual(['track-1', 'track-2', 'track-2']);
    expect(idsOf(second)).toEqual(['track-3', 'track-4', 'track-4']);
    for (const tracking of [first, second]) {
      expect(confirmedIn([tracking])).toEqual(endedIn([tracking]));
      expect(tracking.ended).toHaveLength(2);
    }
    expect(tracker.tracks).toEqual([]);
  });

  it('comes at the end where one frame was all there was', () => {
    const tracker = trackerOf();
    show(tracker, still(1));
    expect(confirmedIn([tracker.end()])).toEqual(['track-1']);
    show(tracker, still(2));
    const { confirmed, ended } = tracker.end();
    expect(confirmed).toEqual([]);
    expect(ended).toHaveLength(1);
    // What comes after that is a new story, from whenever it is.
    const [anew] = show(tracker, still(1), { from: -1000 });
    expect(anew!.tracks[0]!.startedAt).toBe(-1000);
    expect(confirmedIn([tracker.end()])).toEqual(['track-3']);
  });
});

describe('several people', () => {
  it('keep their tracks when they cross, though the far one is hidden', () => {
    const walker = (person: number, size: number, from: number, speed: number): Walker => ({
      person,
      from: 0,
      until: 10,
      size,
      place: (now) => ({ x: from + speed * now, y: 500 + person * 20 }),
    });
    const walkers = [walker(0, 140, 100, 260), walker(1, 90, 1700, -200), walker(2, 70, 900, 10)];
    const all = sum(seeds.map((seed) => judge(walkers, { seed, seconds: 6, flickers: 0 })));
    expect(all).toMatchObject({ people: 90, missing: 0, ghosts: 0 });
    // Two who are hidden by the same third one at once may change their tracks.
    expect(all.doubled).toBeLessThan(4);
  });

  it('get a track each and only one, passing by in front of a detector that misses and sees ghosts', () => {
    const few = sum(seeds.map((seed) => judge(passersBy(3, { seed }), { seed })));
    expect(few.people).toBeGreaterThan(80);
    expect(few).toMatchObject({ missing: 0, doubled: 0, ghosts: 0 });
  });

  it.each([
    ['eight at 30 looks a second', 8, 1, {}],
    ['eight at 5 looks a second', 8, 6, {}],
    ['eight of whom each look misses two in five', 8, 1, { misses: 0.4, jitter: 0.06, flickers: 0.1 }],
    ['a crowd of fifteen', 15, 1, {}],
  ])('are seldom confused: %s', (_, count, everyFrame, how) => {
    const options = { seconds: 15, ...how };
    const all = sum(
      seeds.map((seed) => judge(passersBy(count, { ...options, seed }), { ...options, seed }, everyFrame)),
    );
    expect(all.people).toBeGreaterThan(count * 25);
    // Who stands behind somebody for longer than the gap comes back as another one.
    expect(all.missing + all.doubled).toBeLessThan(all.people * 0.05);
    expect(all.ghosts).toBeLessThan(all.people * 0.01);
  });
});

describe('a tracker', () => {
  it('gives every face a track of its own, remembers no more than it may, and lets go of all', () => {
    const coordinate = fc.integer({ min: -50, max: 1900 });
    const face = fc.record({ x: coordinate, y: coordinate, width: fc.integer({ min: 1, max: 900 }) });
    const look = fc.record({
      step: fc.integer({ min: -9000, max: 9000 }),
      faces: fc.array(face, { maxLength: 8 }),
      looked: fc.boolean(),
      still: fc.constantFrom(false, false, false, true),
    });
    fc.assert(
      fc.property(fc.array(look, { maxLength: 40 }), (looks) => {
        const tracker = trackerOf({ maximumTracks: 10 });
        const begun = new Set<string>();
        const confirmed: string[] = [];
        const ended: string[] = [];
        let at = 1_000_000;
        for (const { step, faces: places, ...rest } of looks) {
          at += step;
          const faces = places.map(({ x, y, width }) => faceAt(x, y, width));
          const tracking = tracker.update({ ...frame, at, faces, ...rest });
          expect(tracking.tracks).toHaveLength(faces.length);
          for (const track of tracking.tracks) if (track) begun.add(track.id);
          confirmed.push(...confirmedIn([tracking]));
          ended.push(...endedIn([tracking]));
          expect(tracker.tracks.length).toBeLessThanOrEqual(10);
          const here = tracker.tracks.map(({ id }) => id);
          if (!rest.still) expect(here).toEqual(expect.arrayContaining(idsOf(tracking).filter(Boolean)));
          expect(here.filter((id) => ended.includes(id))).toEqual([]);
        }
        const rest = tracker.end();
        confirmed.push(...confirmedIn([rest]));
        ended.push(...endedIn([rest]));
        expect(tracker.tracks).toEqual([]);
        expect(ended.toSorted()).toEqual([...begun].toSorted());
        expect(new Set(confirmed).size).toBe(confirmed.length);
        expect(ended).toEqual(expect.arrayContaining(confirmed));
      }),
    );
  });

  it('has no track for a face beyond those that it may follow', () => {
    const tracker = trackerOf({ maximumTracks: 2 });
    const [tracking] = show(tracker, [[faceAt(200), faceAt(800), faceAt(1400)]]);
    expect(idsOf(tracking!)).toEqual(['track-1', 'track-2', undefined]);
  });

  it('begins anew where time goes back, and takes a frame that is a little late', () => {
    const tracker = trackerOf();
    show(tracker, still(10), { from: 10_000 });
    const [late] = show(tracker, still(1), { from: 9_990 });
    expect(idsOf(late!)).toEqual(['track-1']);
    expect(late!.tracks[0]!.seenAt).toBe(10_000 + 9 * 33);
    const [again] = show(tracker, still(1), { from: 1_000 });
    expect(endedIn([again!])).toEqual(['track-1']);
    expect(idsOf(again!)).toEqual(['track-2']);
  });

  it.each([
    [{ gapSeconds: 0 }, 'gapSeconds'],
    [{ confirmSeconds: Number.NaN }, 'confirmSeconds'],
    [{ confirmHits: 1.5 }, 'confirmHits'],
    [{ confirmShare: 2 }, 'confirmShare'],
    [{ maximumTracks: 0 }, 'maximumTracks'],
  ])('throws a TypeError for %j', (options, name) => {
    expect(() => trackerOf(options)).toThrow(TypeError);
    expect(() => trackerOf(options)).toThrow(name);
  });
});

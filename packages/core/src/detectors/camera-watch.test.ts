import { describe, expect, it, onTestFinished } from 'vitest';
import type { Box, Face } from '../face';
import { SeededRandom } from '../testing/seeded-random';
import { CameraWatch, type LookCounts, type Seen, type WatchSettings } from './camera-watch';
import type { Look } from './look';
import { overlap } from './look';
import type { GreyImage } from './model';

const [width, height] = [960, 540];
const settings: WatchSettings = {
  motionGate: true,
  closeLooks: true,
  fullLookMs: 0,
  budgetMs: 0,
  detectionWidth: 400,
  minFaceSize: 0,
  maxFaceSize: 0,
  shrinksWhole: false,
  window: { width: 20, height: 20 },
};

/** A camera with people before it, and a model that sees those who lie whole in what it is shown. */
class World {
  readonly counts: LookCounts = { whole: 0, fields: 0, close: 0, unchanged: 0 };
  people: Box[] = [];
  /** The looks of each frame. */
  readonly looks: (readonly Look[])[] = [];
  /** What a look takes, in milliseconds a pixel. */
  cost = 0;
  readonly #random = new SeededRandom(3);
  readonly #watch: CameraWatch;
  #at = 0;

  constructor(overrides: Partial<WatchSettings> = {}) {
    this.#watch = new CameraWatch({ ...settings, ...overrides }, this.counts);
  }

  /** What was looked at in the last frame. */
  get last(): readonly Look[] {
    return this.looks.at(-1) ?? [];
  }

  next({
    after = 33,
    still = false,
    ...overrides
  }: { after?: number; still?: boolean } & Partial<Seen> = {}) {
    this.#at += after;
    const people = [...this.people];
    const looks: Look[] = [];
    this.looks.push(looks);
    return this.#watch.look({
      picture: this.#picture(),
      at: this.#at,
      still,
      width,
      search: async (wanted) => {
        looks.push(...wanted);
        return {
          findings: wanted.map((look) => seenIn(look, people)),
          milliseconds: wanted.map(({ image }) => image.data.length * this.cost),
        };
      },
      ...overrides,
    });
  }

  async frames(count: number): Promise<(readonly Face[])[]> {
    const found: (readonly Face[])[] = [];
    for (let frame = 0; frame < count; frame += 1) found.push((await this.next()).faces);
    return found;
  }

  /** Noise, and bright squares for the people. */
  #picture(): GreyImage {
    const data = new Uint8Array(width * height);
    for (let index = 0; index < data.length; index += 1) data[index] = 90 + 8 * this.#random.next();
    for (const { x, y, width: across, height: down } of this.people) {
      for (let row = y; row < y + down; row += 1) data.fill(180, row * width + x, row * width + x + across);
    }
    return { data, width, height };
  }
}

function seenIn({ image, part, search }: Look, people: readonly Box[]) {
  const scale = image.width / part.width;
  return people
    .filter(({ x, y, width: across, height: down }) => {
      const isInside =
        x >= part.x && y >= part.y && x + across <= part.x + part.width && y + down <= part.y + part.height;
      const size = across * scale;
      return (
        isInside && size >= Math.max(20, search.smallest ?? 0) * 0.98 && size <= (search.largest || 9999)
      );
    })
    .map(({ x, y, width: across, height: down }) => ({
      box: { x: (x - part.x) * scale, y: (y - part.y) * scale, width: across * scale, height: down * scale },
      score: 5,
    }));
}

const person = (x: number, y: number, size = 60): Box => ({ x, y, width: size, height: size });
const isAt = (faces: readonly Face[], box: Box) => faces.some((face) => overlap(face.box, box) > 0.8);
/** Which field was looked at: by its place, and how often the picture was halved. */
const fieldOf = ({ part, image }: Look) =>
  JSON.stringify([part, Math.round(Math.log2(part.width / image.width))]);
const kinds = (looks: readonly Look[]) =>
  looks.map(({ search }) => (search.quick ? 'field' : search.expected ? 'known' : 'fine'));

describe('CameraWatch', () => {
  it('looks at the whole of the first frame, and at nothing while nothing moves', async () => {
    const world = new World();
    world.people = [person(300, 200)];
    const first = await world.next();
    expect(first).toMatchObject({ looked: true, faces: [{ box: world.people[0] }] });
    const second = await world.next();
    expect(second).toEqual({ looked: false, faces: first.faces, waiting: [] });
    expect(world.last).toEqual([]);
    expect(world.counts).toMatchObject({ whole: 1, fields: 0, unchanged: 1 });
  });

  it('finds somebody who comes, by the field in which it moved, and looks at the place of a known face only', async () => {
    const world = new World();
    await world.next({ after: 200 });
    await world.next({ after: 200 });
    world.people = [person(620, 300)];
    const { faces, looked } = await world.next({ after: 200 });
    expect(looked).toBe(true);
    expect(isAt(faces, world.people[0]!)).toBe(true);
    expect(kinds(world.last)).toContain('field');
    // What a field shows is looked at again, closely.
    expect(kinds(world.last).at(-1)).toBe('fine');
    // The left half of the picture was left alone.
    expect(world.last.every(({ part }) => part.width === width || part.x > 0)).toBe(true);

    world.people = [person(640, 305)];
    expect(isAt((await world.next()).faces, world.people[0]!)).toBe(true);
    expect(kinds(world.last)).toEqual(['fine']);
    const { part } = world.last[0]!;
    expect(part.width * part.height).toBeLessThan(5 * 60 * 60);
  });

  it('looks for others around somebody who is known and moves less often than where something else does', async () => {
    const world = new World();
    world.people = [person(300, 200)];
    await world.next();
    const looked: number[] = [];
    for (let frame = 1; looked.length === 0 && frame <= 40; frame += 1) {
      world.people = [person(300 + 8 * (frame % 2), 200)];
      expect((await world.next()).faces).toHaveLength(1);
      if (kinds(world.last).includes('field')) looked.push(frame);
    }
    // 800 ms at 33 ms a frame.
    expect(looked[0]).toBeGreaterThanOrEqual(25);
    expect(looked[0]).toBeLessThanOrEqual(27);

    // Somebody comes beside, right after all was looked at: 200 ms later.
    await world.next({ still: true });
    let frame = 0;
    for (let found = 1; found < 2 && frame < 30; frame += 1) {
      world.people = [person(300 + 8 * (frame % 2), 200), person(430, 220)];
      found = (await world.next()).faces.length;
    }
    expect(frame).toBeLessThanOrEqual(8);
  });

  it('sees soon who comes beside somebody known that moves, and not only in the turn of those who are known', async () => {
    const world = new World();
    world.people = [person(300, 200)];
    await world.next();
    const known = (frame: number) => person(300 + 8 * (frame % 2), 200);
    for (let frame = 1; frame <= 3; frame += 1) {
      world.people = [known(frame)];
      await world.next();
    }
    let frame = 3;
    for (let found = 1; found < 2 && frame < 40; ) {
      frame += 1;
      world.people = [known(frame), person(430, 220)];
      found = (await world.next()).faces.length;
    }
    expect(frame).toBeLessThanOrEqual(10);
  });

  it('looks at what moves and is nobody five times a second at the most', async () => {
    const world = new World();
    await world.next();
    const looks: number[] = [];
    for (let frame = 0; frame < 30; frame += 1) {
      // Too small to be a face.
      world.people = [person(300 + 20 * (frame % 2), 200, 30)];
      await world.next();
      looks.push(kinds(world.last).filter((kind) => kind === 'field').length);
    }
    const frames = looks.filter((count) => count > 0).length;
    expect(frames).toBeGreaterThanOrEqual(4);
    expect(frames).toBeLessThanOrEqual(6);
  });

  it('makes sure four times a second at the most of who does not move', async () => {
    const world = new World();
    world.people = [person(300, 200)];
    await world.next();
    const looked = [];
    for (let frame = 0; frame < 40; frame += 1) looked.push((await world.next()).looked);
    expect(looked.filter(Boolean).length).toBeGreaterThanOrEqual(4);
    expect(looked.filter(Boolean).length).toBeLessThanOrEqual(6);
  });

  it('looks where something moved before it looks where it is only time', async () => {
    const framesUntilFound = async (motionGate: boolean) => {
      let frames = 0;
      for (const place of [
        person(60, 60, 40),
        person(400, 200, 40),
        person(700, 60, 40),
        person(60, 400, 40),
        person(800, 440, 40),
      ]) {
        const world = new World({ fullLookMs: 1, budgetMs: 5, motionGate, detectionWidth: 800 });
        world.cost = 0.0004;
        await world.next();
        await world.frames(50);
        world.people = [place];
        for (let found = 0; found === 0; frames += 1) found = (await world.next()).faces.length;
      }
      return frames;
    };
    expect(await framesUntilFound(true)).toBeLessThan(0.8 * (await framesUntilFound(false)));
  });

  it('looks at a face of the full frame where the picture is smaller', async () => {
    const world = new World();
    world.people = [person(300, 200)];
    const { faces } = await world.next({ width: width * 2 });
    expect(faces).toMatchObject([{ box: { x: 600, y: 400, width: 120, height: 120 } }]);

    const busy = new World({ budgetMs: 1 });
    busy.cost = 0.0005;
    const people = [person(200, 200), person(600, 200)];
    busy.people = people;
    await busy.next({ width: width * 2 });
    busy.people = people.map((box) => ({ ...box, x: box.x + 2 }));
    const sight = await busy.next({ width: width * 2 });
    const seen = [...sight.faces, ...sight.waiting].map(({ box }) => box.x).sort((a, b) => a - b);
    expect(sight.waiting).toHaveLength(1);
    expect(seen.map((x) => Math.round(x / 10))).toEqual([40, 120]);
  });

  it('gives a face once, though two who were known were looked for where it is', async () => {
    const world = new World();
    world.people = [person(300, 200), person(340, 200)];
    await world.next();
    world.people = [person(320, 200)];
    expect((await world.next()).faces).toHaveLength(1);
  });

  it('reports somebody who is not seen any more in no frame that was looked at, and looks for them for a while', async () => {
    const world = new World();
    world.people = [person(300, 200)];
    await world.next();
    world.people = [];
    expect((await world.next()).faces).toEqual([]);
    expect(kinds(world.last)).toContain('fine');
    world.people = [person(305, 204)];
    expect(isAt((await world.next()).faces, world.people[0]!)).toBe(true);
    world.people = [];
    await world.frames(20);
    world.people = [person(700, 400)];
    await world.next();
    expect(world.last.every(({ part }) => part.width * part.height > 5 * 60 * 60 || part.x > 400)).toBe(true);
  });

  it('looks at everything in the time of a full look, where nothing moves, within the budget of each frame', async () => {
    const world = new World({ fullLookMs: 1000, budgetMs: 10 });
    // A whole look takes 260 ms, the largest field 20.
    world.cost = 0.0005;
    world.people = [person(300, 200)];
    await world.next();
    await world.frames(75);
    const frames = world.looks.slice(31);
    const parts = new Set(
      frames
        .flat()
        .filter(({ search }) => search.quick)
        .map(fieldOf),
    );
    expect(parts.size).toBe(5);
    const costs = frames.map((looks) =>
      looks.reduce((sum, { image }) => sum + image.data.length * 0.0005, 0),
    );
    expect(Math.max(...costs)).toBeLessThan(10 + 40);
    expect(costs.reduce((sum, cost) => sum + cost, 0) / costs.length).toBeLessThan(10);
    expect(world.counts.unchanged).toBeGreaterThan(20);
  });

  it('stays within the budget where everything moves, and leaves no field out', async () => {
    const world = new World({ fullLookMs: 1000, budgetMs: 4, motionGate: false });
    world.cost = 0.0005;
    await world.next();
    await world.frames(60);
    const costs = world.looks
      .slice(1)
      .map((looks) => looks.reduce((sum, { image }) => sum + image.data.length * 0.0005, 0));
    expect(costs.reduce((sum, cost) => sum + cost, 0) / costs.length).toBeLessThan(5);
    const parts = world.looks.slice(1, 30).flat().map(fieldOf);
    expect(new Set(parts).size).toBe(5);
  });

  it('keeps to the budget among many known faces, and sees each of them in turn', async () => {
    const world = new World({ budgetMs: 10 });
    // A close look takes 3.2 ms.
    world.cost = 0.0005;
    world.people = Array.from({ length: 12 }, (_, index) =>
      person(40 + 150 * (index % 6), 60 + 200 * Math.floor(index / 6), 50),
    );
    await world.next();
    const seen = new Set<number>();
    for (let frame = 0; frame < 16; frame += 1) {
      world.people = world.people.map((box) => ({ ...box, x: box.x + 2 }));
      const { faces } = await world.next();
      expect(faces.length).toBeLessThanOrEqual(4);
      for (const face of faces) seen.add(world.people.findIndex((box) => overlap(box, face.box) > 0.8));
    }
    expect(seen.size).toBe(12);
  });

  it('has less time for the rest of the frame, the more close looks take', async () => {
    const world = new World({ budgetMs: 10, fullLookMs: 100, motionGate: false });
    world.cost = 0.0005;
    world.people = Array.from({ length: 6 }, (_, index) => person(40 + 150 * index, 60, 50));
    await world.next();
    await world.frames(80);
    const costs = world.looks
      .slice(1)
      .map((looks) => looks.reduce((sum, { image }) => sum + image.data.length * 0.0005, 0));
    expect(costs.reduce((sum, cost) => sum + cost, 0) / costs.length).toBeLessThan(11);
  });

  it('has time for some of the newcomers of one frame only, and finds all of them', async () => {
    const world = new World({ budgetMs: 10 });
    world.cost = 0.0005;
    await world.next();
    await world.frames(10);
    world.people = Array.from({ length: 12 }, (_, index) =>
      person(40 + 150 * (index % 6), 60 + 200 * Math.floor(index / 6), 50),
    );
    const seen = new Set<number>();
    const costs: number[] = [];
    for (let frame = 0; frame < 180; frame += 1) {
      world.people = world.people.map((box) => ({ ...box, x: box.x + (frame % 2 ? 3 : -3) }));
      for (const face of (await world.next()).faces)
        seen.add(world.people.findIndex((box) => overlap(box, face.box) > 0.8));
      expect(world.last.filter(({ search }) => !search.quick).length).toBeLessThanOrEqual(4);
      costs.push(world.last.reduce((sum, { image }) => sum + image.data.length * 0.0005, 0));
    }
    expect(seen.size).toBe(12);
    expect(costs.reduce((sum, cost) => sum + cost, 0) / costs.length).toBeLessThan(11);
  });

  it('takes a look for as dear as when nothing disturbs it, and learns when all have become dearer', async () => {
    const pixelsOf = async (frames: number, change: (frame: number) => number) => {
      const world = new World({ fullLookMs: 100, budgetMs: 15, motionGate: false });
      world.cost = 0.0005;
      await world.next();
      const pixels: number[] = [];
      for (let frame = 0; frame < frames; frame += 1) {
        world.cost = change(frame);
        await world.next();
        pixels.push(world.last.reduce((sum, { image }) => sum + image.data.length, 0));
      }
      return pixels;
    };
    const sum = (values: readonly number[]) => values.reduce((total, value) => total + value, 0);
    const quiet = sum(await pixelsOf(100, () => 0.0005));
    // Every tenth frame something else takes the processor for a while.
    const disturbed = sum(await pixelsOf(100, (frame) => (frame % 10 === 0 ? 0.05 : 0.0005)));
    expect(disturbed).toBeGreaterThan(0.7 * quiet);
    const slower = await pixelsOf(320, (frame) => (frame < 20 ? 0.0005 : 0.0015));
    expect((sum(slower.slice(-60)) * 0.0015) / 60).toBeLessThan(20);
  });

  it('says which known faces it had no time for, and looks at those first that are new', async () => {
    const world = new World({ budgetMs: 10 });
    world.cost = 0.0005;
    world.people = Array.from({ length: 6 }, (_, index) => person(40 + 150 * index, 60, 50));
    await world.next();
    const move = () => {
      world.people = world.people.map((box) => ({ ...box, x: box.x + 2 }));
    };
    for (let frame = 0; frame < 30; frame += 1) {
      move();
      const { faces, waiting } = await world.next();
      const all = [...faces, ...waiting];
      for (const box of world.people) expect(all.some((face) => overlap(face.box, box) > 0.5)).toBe(true);
      expect(faces.length).toBeLessThan(6);
      for (const face of faces) expect(waiting.every(({ box }) => overlap(box, face.box) < 0.3)).toBe(true);
    }
    world.people.push(person(440, 400, 50));
    let found = -1;
    const seen = [0, 0];
    for (let frame = 0; frame < 60 && (found < 0 || frame < found + 12); frame += 1) {
      move();
      const { faces } = await world.next();
      const isNew = (box: Box) => box.y > 300;
      if (found < 0 && faces.some(({ box }) => isNew(box))) found = frame;
      if (found < 0) continue;
      seen[0]! += faces.filter(({ box }) => isNew(box)).length;
      seen[1]! += faces.filter(({ box }) => !isNew(box)).length;
    }
    // More than twice as often as one of the six others.
    expect(seen[0]).toBeGreaterThan((2 * seen[1]!) / 6);
  });

  it('knows in the next frame what the one before has shown, though both are in work at once', async () => {
    const world = new World();
    await world.next({ after: 200 });
    world.people = [person(620, 300)];
    const [first, second] = await Promise.all([world.next({ after: 200 }), world.next()]);
    expect(isAt(first.faces, world.people[0]!)).toBe(true);
    expect([...second.faces, ...second.waiting].some(({ box }) => overlap(box, world.people[0]!) > 0.8)).toBe(
      true,
    );
  });

  it('waits for what the frame before has shown before it says who waits', async () => {
    const world = new World();
    await world.next({ after: 200 });
    const people = [person(620, 300)];
    world.people = people;
    let finish = () => {};
    const waiting = new Promise<void>((resolve) => (finish = resolve));
    const first = world.next({
      after: 200,
      search: async (looks) => {
        await waiting;
        return { findings: looks.map((look) => seenIn(look, people)), milliseconds: looks.map(() => 1) };
      },
    });
    // Somebody else comes elsewhere, so that this frame is looked at.
    world.people = [...people, person(100, 100)];
    const second = world.next();
    await new Promise((resolve) => setImmediate(resolve));
    finish();
    expect(isAt((await first).faces, people[0]!)).toBe(true);
    const { faces, waiting: unseen, looked } = await second;
    expect(looked).toBe(true);
    expect(isAt(faces, world.people[1]!)).toBe(true);
    expect(isAt([...faces, ...unseen], people[0]!)).toBe(true);
  });

  it.each([
    ['a picture of its own', { still: true }],
    ['a frame long after the one before', { after: 400 }],
    ['a frame of the same time', { after: 0 }],
    ['a frame from before', { after: -5000 }],
  ])('looks at the whole of %s', async (_, options) => {
    const world = new World();
    await world.frames(2);
    world.people = [person(300, 200)];
    const { faces } = await world.next(options);
    expect(faces).toHaveLength(1);
    expect(world.counts).toMatchObject({ whole: 2, fields: 0 });
  });

  it('begins anew with a picture of another size', async () => {
    const world = new World();
    await world.frames(2);
    const picture = { data: new Uint8Array(640 * 360), width: 640, height: 360 };
    await world.next({ picture });
    await world.next({ picture });
    expect(world.counts).toMatchObject({ whole: 2, unchanged: 2 });
  });

  it('looks at each whole frame without close looks, and only at those in which something moved with the gate', async () => {
    const plain = new World({ closeLooks: false, motionGate: false });
    await plain.frames(3);
    expect(plain.counts).toMatchObject({ whole: 3, unchanged: 0 });
    const gated = new World({ closeLooks: false, fullLookMs: 1000 });
    await gated.frames(3);
    expect(gated.counts).toMatchObject({ whole: 1, unchanged: 2 });
    gated.people = [person(300, 200)];
    expect((await gated.next()).faces).toHaveLength(1);
    await gated.frames(40);
    expect(gated.counts).toMatchObject({ whole: 3 });
  });

  it('gives the faces of an unchanged frame when the frame before it is through', async () => {
    const world = new World({ closeLooks: false });
    world.people = [person(300, 200)];
    let finish = () => {};
    const waiting = new Promise<void>((resolve) => (finish = resolve));
    const first = world.next({
      search: async (looks) => {
        await waiting;
        return {
          findings: looks.map((look) => seenIn(look, world.people)),
          milliseconds: looks.map(() => 1),
        };
      },
    });
    const second = world.next();
    let isThrough = false;
    void second.then(() => (isThrough = true));
    await new Promise((resolve) => setImmediate(resolve));
    expect(isThrough).toBe(false);
    finish();
    expect(await second).toMatchObject({ faces: (await first).faces, looked: false });
  });

  it('plans frames in their order, also when a picture is there later than the next one', async () => {
    const world = new World();
    let show = (_: GreyImage) => {};
    const late = new Promise<GreyImage>((resolve) => (show = resolve));
    const empty = { data: new Uint8Array(width * height).fill(90), width, height };
    const first = world.next({ picture: late });
    const second = world.next({ picture: empty });
    show(empty);
    expect(await first).toMatchObject({ looked: true });
    expect(await second).toMatchObject({ looked: false });
  });

  it('lets a picture that is damaged fail in its turn, however soon it fails', async () => {
    const unhandled: unknown[] = [];
    const listen = (reason: unknown) => unhandled.push(reason);
    process.on('unhandledRejection', listen);
    onTestFinished(() => void process.off('unhandledRejection', listen));
    const world = new World();
    let show = (_: GreyImage) => {};
    const late = new Promise<GreyImage>((resolve) => (show = resolve));
    const outcomes = Promise.allSettled([
      world.next({ picture: late }),
      world.next({ picture: Promise.reject(new Error('damaged')) }),
      world.next(),
    ]);
    await new Promise((resolve) => setImmediate(resolve));
    show({ data: new Uint8Array(width * height).fill(90), width, height });
    expect((await outcomes).map(({ status }) => status)).toEqual(['fulfilled', 'rejected', 'fulfilled']);
    expect(unhandled).toEqual([]);
  });

  it('holds nothing of frames that are through', async () => {
    const world = new World();
    const sights: WeakRef<object>[] = [];
    for (let frame = 0; frame < 40; frame += 1) {
      world.people = [person(300 + 8 * (frame % 2), 200)];
      sights.push(new WeakRef(await world.next()));
    }
    await new Promise((resolve) => setImmediate(resolve));
    globalThis.gc!();
    expect(sights.filter((sight) => sight.deref() !== undefined).length).toBeLessThan(10);
  });

  it('goes on after a frame that failed', async () => {
    const world = new World();
    await expect(world.next({ picture: Promise.reject(new Error('damaged')) })).rejects.toThrow('damaged');
    await expect(world.next({ search: () => Promise.reject(new Error('out of luck')) })).rejects.toThrow(
      'luck',
    );
    world.people = [person(300, 200)];
    expect((await world.next()).faces).toHaveLength(1);
  });
});

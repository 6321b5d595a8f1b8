import type { Box, Face } from '../src/face';

/** Numbers from 0 to below 1 that look random and are the same for a seed (mulberry32, T. Ettinger). */
export function randomFrom(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** Somebody who walks by: a box at any time between coming and leaving, and what hides it. */
export interface Walker {
  readonly person: number;
  /** Seconds. */
  readonly from: number;
  readonly until: number;
  /** Width of the face in pixels; who is nearer hides who is farther. */
  readonly size: number;
  /** The centre, by seconds. */
  place(seconds: number): { readonly x: number; readonly y: number };
}

export interface WorldOptions {
  readonly width?: number;
  readonly height?: number;
  readonly framesPerSecond?: number;
  readonly seconds?: number;
  readonly seed?: number;
  /** How far boxes are off, as a share of their width (standard deviation). */
  readonly jitter?: number;
  /** Share of the faces that a look does not find. */
  readonly misses?: number;
  /** Boxes on nothing, in a frame, on average. */
  readonly flickers?: number;
}

/** A frame of the world: what a detector says, and who it really is (-1: nobody). */
export interface WorldFrame {
  /** Milliseconds. */
  readonly at: number;
  readonly faces: readonly Face[];
  readonly persons: readonly number[];
  /** Who is to be seen, found or not. */
  readonly visible: readonly number[];
}

/** The looks of a detector at people who walk by, with the truth beside them. */
export function worldOf(walkers: readonly Walker[], options: WorldOptions = {}): WorldFrame[] {
  const { width = 1920, height = 1080, framesPerSecond = 30, seconds = 10, seed = 1 } = options;
  const { jitter = 0.03, misses = 0.15, flickers = 0.05 } = options;
  const random = randomFrom(seed);
  const normal = () => Math.sqrt(-2 * Math.log(1 - random())) * Math.cos(2 * Math.PI * random());
  return Array.from({ length: Math.round(seconds * framesPerSecond) }, (_, index) => {
    const now = index / framesPerSecond;
    const here = walkers
      .filter(({ from, until }) => now >= from && now < until)
      .map((walker) => ({ ...walker, box: boxAt(walker, now) }))
      .filter(({ box }) => inside(box, width, height));
    const seen = here.filter(
      ({ box, size }) => !here.some((other) => other.size > size && covers(other.box, box)),
    );
    const found = seen
      .filter(() => random() >= misses)
      .map(({ person, box }) => ({
        person,
        face: { box: shaken(box, () => normal() * jitter), score: 50 + normal() },
      }));
    while (random() < flickers / (1 + flickers)) {
      const side = 30 + random() * 120;
      const box = { x: random() * (width - side), y: random() * (height - side), width: side, height: side };
      found.push({ person: -1, face: { box, score: 48 + normal() } });
    }
    found.sort(() => random() - 0.5);
    return {
      at: Math.round(now * 1000),
      faces: found.map(({ face }) => face),
      persons: found.map(({ person }) => person),
      visible: seen.map(({ person }) => person),
    };
  });
}

/** People who enter at one side and leave at the other, some of whom stop on the way. */
export function passersBy(count: number, options: WorldOptions = {}): Walker[] {
  const { width = 1920, height = 1080, seconds = 10, seed = 1 } = options;
  const random = randomFrom(seed * 7919 + 13);
  return Array.from({ length: count }, (_, person) => {
    const size = 50 + random() * 130;
    const toRight = random() < 0.5;
    const speed = size * (0.8 + random() * 2.4);
    const y = size + random() * (height - 2 * size);
    const bob = size * 0.05;
    const stopAt = random() < 0.4 ? random() * width : undefined;
    const stopFor = 1 + random() * 3;
    const way = width + size;
    const from = random() * seconds * 0.6;
    const until = from + way / speed + (stopAt === undefined ? 0 : stopFor);
    return {
      person,
      from,
      until,
      size,
      place(now) {
        let gone = (now - from) * speed;
        if (stopAt !== undefined) gone = Math.min(gone, Math.max(stopAt, gone - stopFor * speed));
        const x = gone - size / 2;
        return { x: toRight ? x : width - x, y: y + bob * Math.sin(now * 11) };
      },
    };
  });
}

function boxAt({ size, place }: Walker, now: number): Box {
  const { x, y } = place(now);
  return { x: x - size / 2, y: y - size / 2, width: size, height: size };
}

function inside({ x, y, width, height }: Box, frameWidth: number, frameHeight: number): boolean {
  return x >= 0 && y >= 0 && x + width <= frameWidth && y + height <= frameHeight;
}

/** A face that is covered by a third is not found any more. */
function covers(near: Box, far: Box): boolean {
  const width = Math.min(near.x + near.width, far.x + far.width) - Math.max(near.x, far.x);
  const height = Math.min(near.y + near.height, far.y + far.height) - Math.max(near.y, far.y);
  return width > 0 && height > 0 && width * height > (far.width * far.height) / 3;
}

function shaken({ x, y, width }: Box, off: () => number): Box {
  const side = width * (1 + off());
  return {
    x: Math.round(x + width / 2 + width * off() - side / 2),
    y: Math.round(y + width / 2 + width * off() - side / 2),
    width: Math.round(side),
    height: Math.round(side),
  };
}

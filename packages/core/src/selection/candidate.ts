import type { PictureAttributes } from '../attributes';
import type { Face } from '../face';
import type { Frame } from '../frame';
import { bootId, pictureId } from '../identity';
import type { RawImage } from '../image';
import type { Measures } from './quality';
import type { Thumbnail } from './thumbnail';
import type { Track } from './track';

/** What is known of a picture before it is sent; its number and the reason come then. */
export type CandidateAttributes = Omit<PictureAttributes, 'number' | 'reason'>;

/** A face that may be sent: its pixels, cut out of the frame, and what is known of it. */
export interface Candidate {
  readonly pixels: RawImage;
  readonly attributes: CandidateAttributes;
  /** Capture time in milliseconds. */
  readonly at: number;
  /** From 0 to 1. */
  readonly quality: number;
  readonly thumbnail: Thumbnail;
  /** Lets go of the item it came with, where the pipeline has to wait for it. */
  readonly release: (() => void) | undefined;
}

/** What a face's attributes are made of, beside the frame and the face. */
export interface FaceCircumstances {
  /** Which of the frame's finds, from 0. */
  readonly index: number;
  readonly detector: string;
  /** When the detector was done with the frame, in milliseconds since 1970 (UTC). */
  readonly detectedAt: number | undefined;
  readonly track: Track | undefined;
  readonly type: string;
  readonly policy: string;
  readonly quality: number;
  readonly measures: Measures;
}

export function attributesOf(
  { camera, sequence, capturedAt, clock, readAt, image }: Frame,
  { box, score }: Face,
  { index, detector, detectedAt, track, type, policy, quality, measures }: FaceCircumstances,
): CandidateAttributes {
  const boot = bootId();
  return {
    specversion: '1.0',
    id: pictureId({ camera, capturedAt, boot, sequence, detector, face: index, track: track?.number }),
    source: `/${camera}`,
    type,
    time: new Date(capturedAt).toISOString(),
    ...(track && { subject: track.id }),
    camera,
    boot,
    sequence: String(sequence),
    detector,
    box: [box.x, box.y, box.width, box.height].join(','),
    framesize: `${image.width}x${image.height}`,
    score: String(rounded(score)),
    quality: String(rounded(quality)),
    measures: Object.entries(measures)
      .map(([name, value]) => `${name}=${rounded(value, 100)}`)
      .join(','),
    policy,
    clock,
    readat: new Date(readAt).toISOString(),
    ...(detectedAt !== undefined && { detectedat: new Date(detectedAt).toISOString() }),
  };
}

function rounded(value: number, steps = 1000): number {
  return Math.round(value * steps) / steps;
}

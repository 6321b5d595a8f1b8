import type { PictureAttributes } from '../attributes';
import { type Properties, propertyOf } from '../message';

/** S3 allows 2 KB of names and values; those of other scripts grow by a third and a frame on the way. */
const BUDGET_BYTES = 1_900;
const FRAME_BYTES = 12;

const ATTRIBUTES: Readonly<Record<keyof PictureAttributes, true>> = {
  specversion: true,
  id: true,
  source: true,
  type: true,
  time: true,
  subject: true,
  camera: true,
  boot: true,
  sequence: true,
  number: true,
  detector: true,
  box: true,
  framesize: true,
  score: true,
  quality: true,
  measures: true,
  policy: true,
  reason: true,
  clock: true,
  readat: true,
  detectedat: true,
  publishedat: true,
  bridgedat: true,
  receiptms: true,
};

/**
 * What goes with a picture's object: the SHA-256 of its bytes and its attributes, as long as they fit.
 * Anything else that came with the message stays out, and so does what is too long to be one of them.
 */
export function objectMetadata(attributes: Properties, sha256: string): Record<string, string> {
  const metadata: Record<string, string> = { sha256 };
  let left = BUDGET_BYTES - sizeOf('sha256', sha256);
  for (const name of Object.keys(ATTRIBUTES)) {
    const value = propertyOf({ properties: attributes }, name);
    if (value === undefined || sizeOf(name, value) > left) continue;
    left -= sizeOf(name, value);
    metadata[name] = value;
  }
  return metadata;
}

function sizeOf(name: string, value: string): number {
  const isPlain = /^[\x21-\x7e]*$/.test(value);
  return name.length + (isPlain ? value.length : Math.ceil(Buffer.byteLength(value) / 3) * 4 + FRAME_BYTES);
}

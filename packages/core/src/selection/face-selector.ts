import { EventEmitter } from 'eventemitter3';
import { FACE_EVENT_TYPE, type PictureAttributes } from '../attributes';
import { DEFAULT_MAX_PIXELS, decode } from '../codec';
import type { Detection, Face } from '../face';
import type { Frame } from '../frame';
import { assertName, bootId, pictureId } from '../identity';
import { isRaw, type RawImage } from '../image';
import type { Message } from '../message';
import type { Transform } from '../stage';
import { cut, widened } from './cutter';
import { encodePicture, PICTURE_FORMATS, type PictureFormat } from './picture-encoder';
import { nextNumber } from './picture-number';

const POLICIES = ['all'] as const;

export interface FaceSelectorOptions {
  /** Which faces are sent: `all` of every frame. @default 'all' */
  readonly policy?: (typeof POLICIES)[number] | undefined;
  /** What is added on each side, as a fraction of the face's width and height. @default 0.2 */
  readonly margin?: number | undefined;
  /** @default 'png' */
  readonly format?: PictureFormat | undefined;
  /** 1 to 100, for `jpeg` and `webp`. @default 90 */
  readonly quality?: number | undefined;
  /** The CloudEvents `type` of the messages. @default 'dev.edge-relay.face.v1' */
  readonly type?: string | undefined;
  /** Width times height of an encoded frame that is decoded at the most. @default 100,000,000 */
  readonly maxPixels?: number | undefined;
  /** The name in errors. @default 'selector' */
  readonly name?: string | undefined;
}

export interface FaceSelectorEvents {
  /** A face has become a message. */
  select: [{ readonly id: string; readonly camera: string; readonly number: number; readonly bytes: number }];
}

export interface FaceSelectorStats {
  readonly frames: number;
  readonly faces: number;
  /** Faces that became messages. */
  readonly selected: number;
  /** Their pictures together. */
  readonly bytes: number;
}

/**
 * Cuts the faces out of the frames and makes a message of each: a picture with its id and all that is
 * known of it, as CloudEvents properties beside the picture and as EXIF inside. It names no topic.
 *
 * @example
 * await pipeline(camera, detector, new FaceSelector({ format: 'jpeg', margin: 0.3 }), publisher);
 */
export class FaceSelector
  extends EventEmitter<FaceSelectorEvents>
  implements Transform<Detection, Message>, AsyncDisposable
{
  /** The name in errors. */
  readonly name: string;
  readonly concurrency = 2;
  readonly #margin: number;
  readonly #format: PictureFormat;
  readonly #quality: number;
  readonly #type: string;
  readonly #maxPixels: number;
  readonly #counts = { frames: 0, faces: 0, selected: 0, bytes: 0 };

  /** @throws {TypeError} for an option that cannot be meant. */
  constructor(options: FaceSelectorOptions = {}) {
    super();
    const {
      policy = 'all',
      margin = 0.2,
      format = 'png',
      quality,
      type = FACE_EVENT_TYPE,
      maxPixels = DEFAULT_MAX_PIXELS,
    } = options;
    assertOneOf('policy', policy, POLICIES);
    assertOneOf('format', format, PICTURE_FORMATS);
    if (!(Number.isFinite(margin) && margin >= 0)) {
      throw new TypeError(`margin must be a fraction of at least 0, such as 0.2, not ${margin}.`);
    }
    if (quality !== undefined && format === 'png') {
      throw new TypeError(
        `quality is for jpeg and webp; png loses nothing. Leave it out, or choose a format.`,
      );
    }
    if (quality !== undefined && !(Number.isInteger(quality) && quality >= 1 && quality <= 100)) {
      throw new TypeError(`quality must be a whole number from 1 to 100, not ${quality}.`);
    }
    if (!/^[\x21-\x7e]+$/.test(type)) {
      throw new TypeError(`type must be ASCII without spaces, such as ${FACE_EVENT_TYPE}, not ${type}.`);
    }
    if (!(Number.isInteger(maxPixels) && maxPixels > 0)) {
      throw new TypeError(`maxPixels must be a whole number above 0, not ${maxPixels}.`);
    }
    this.name = options.name === undefined ? 'selector' : assertName(options.name, 'name');
    this.#margin = margin;
    this.#format = format;
    this.#quality = quality ?? 90;
    this.#type = type;
    this.#maxPixels = maxPixels;
  }

  get stats(): FaceSelectorStats {
    return { ...this.#counts };
  }

  /** @throws {RelayError} `PICTURE_DAMAGED` or `PICTURE_TOO_LARGE`. */
  async transform({ frame, faces, detector }: Detection): Promise<Message[]> {
    this.#counts.frames += 1;
    this.#counts.faces += faces.length;
    if (faces.length === 0) return [];
    // The numbers are drawn before anything is awaited: two frames are in work at once.
    const selected = faces.map((face, index) => ({
      face,
      attributes: attributesOf(frame, face, { index, detector, type: this.#type }),
    }));
    const pixels = await this.#pixels(frame);
    return Promise.all(selected.map(({ face, attributes }) => this.#message(pixels, face, attributes)));
  }

  /** There is nothing to let go of. */
  async close(): Promise<void> {}

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  #pixels({ image, camera, sequence }: Frame): RawImage | Promise<RawImage> {
    if (isRaw(image)) return image;
    const name = `Frame ${sequence} of camera ${camera}`;
    return decode(image.data, { stage: this.name, name, maxPixels: this.#maxPixels });
  }

  async #message(pixels: RawImage, face: Face, attributes: PictureAttributes): Promise<Message> {
    const payload = await encodePicture(cut(pixels, widened(face.box, this.#margin, pixels)), attributes, {
      format: this.#format,
      quality: this.#quality,
      stage: this.name,
    });
    const { id, camera } = attributes;
    this.#counts.selected += 1;
    this.#counts.bytes += payload.length;
    this.emit('select', { id, camera, number: Number(attributes.number), bytes: payload.length });
    return { id, payload, contentType: `image/${this.#format}`, properties: { ...attributes } };
  }
}

function attributesOf(
  { camera, sequence, capturedAt, clock, readAt, image }: Frame,
  { box, score, track }: Face,
  { index, detector, type }: { index: number; detector: string; type: string },
): PictureAttributes {
  const boot = bootId();
  return {
    specversion: '1.0',
    id: pictureId({ camera, capturedAt, boot, sequence, detector, face: index }),
    source: `/${camera}`,
    type,
    time: new Date(capturedAt).toISOString(),
    ...(track !== undefined && { subject: track }),
    camera,
    boot,
    sequence: String(sequence),
    number: String(nextNumber(camera)),
    detector,
    box: [box.x, box.y, box.width, box.height].join(','),
    framesize: `${image.width}x${image.height}`,
    score: String(Math.round(score * 1000) / 1000),
    clock,
    readat: new Date(readAt).toISOString(),
  };
}

function assertOneOf(option: string, value: string, allowed: readonly string[]): void {
  if (allowed.includes(value)) return;
  throw new TypeError(`${option} must be one of ${allowed.join(', ')}, not ${String(value)}.`);
}

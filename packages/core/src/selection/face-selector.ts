import { EventEmitter } from 'eventemitter3';
import type { PictureAttributes } from '../attributes';
import { decode } from '../codec';
import { RelayError } from '../errors';
import type { Box, Detection } from '../face';
import type { Frame } from '../frame';
import { isRaw, type RawImage } from '../image';
import type { Look, SeenFace } from '../look';
import type { Message } from '../message';
import { type Combined, combine, type StageContext, type Transform } from '../stage';
import { attributesOf, type Candidate } from './candidate';
import { cut, widened } from './cutter';
import { greyPatch } from './grey-patch';
import { nextNumber } from './numbers';
import { encodePicture } from './picture-encoder';
import { bestQualityOf, measureInside, measureOutside, qualityOf } from './quality';
import { Scene } from './scene';
import { type FaceSelectorOptions, type SelectorSettings, selectorSettings } from './selector-options';
import { thumbnailOf } from './thumbnail';
import type { Track } from './track';
import type { Due, SelectionReason } from './visit';

/** Somebody's visit, as events tell of it. */
export interface VisitEvent {
  /** The track's id, the `subject` of its pictures. */
  readonly track: string;
  /** The camera's name. */
  readonly camera: string;
  /** The detector's name. */
  readonly detector: string;
  /** When it was first seen, in milliseconds since 1970 (UTC). */
  readonly startedAt: number;
  /** When it was last seen. */
  readonly seenAt: number;
  /** Where it was last seen, in pixels of the full frame. */
  readonly box: Box;
}

/** News of a FaceSelector; what it selects goes through the pipeline. */
export interface FaceSelectorEvents {
  /** What was seen in a frame, whoever of them is sent. */
  look: [Look];
  /** Somebody is here: a face that has been there for long enough to be no mistake. */
  begin: [VisitEvent];
  /** Somebody has left; `looks` is in how many frames it was found. */
  end: [VisitEvent & { readonly looks: number }];
  /** A face has become a message. */
  select: [
    {
      readonly id: string;
      readonly camera: string;
      readonly number: number;
      readonly bytes: number;
      readonly track?: string;
      readonly quality: number;
      readonly reason: SelectionReason;
    },
  ];
  /** A frame could not be decoded, whole as it seemed; none of its faces is sent. */
  damaged: [{ readonly camera: string; readonly sequence: number; readonly error: RelayError }];
  /** A face was to be sent, and was not: for the budget of pictures or of bytes, or for its quality. */
  refuse: [
    {
      readonly camera: string;
      readonly detector: string;
      readonly track?: string;
      readonly quality: number;
      readonly reason: 'pictures' | 'bytes' | 'quality';
    },
  ];
}

/** Counters since the selector was made, and what it holds now. */
export interface FaceSelectorStats {
  /** Frames it was given. */
  readonly frames: number;
  /** Faces in them. */
  readonly faces: number;
  /** Visits of people so far. */
  readonly people: number;
  /** Tracks that were never taken for people. */
  readonly flickers: number;
  /** Faces that had no track, since there were too many at once. */
  readonly untracked: number;
  /** Encoded frames that could not be decoded. */
  readonly damaged: number;
  /** Faces that became messages. */
  readonly selected: number;
  /** Their pictures together. */
  readonly bytes: number;
  /** Faces that the policy chose and that the budget or their quality kept back. */
  readonly refused: number;
  /** Faces that wait for the end of a visit, and the bytes of their pixels. */
  readonly held: number;
  /** The bytes of the pixels that wait. */
  readonly heldBytes: number;
}

type Selected = Message | Combined<Message>;

/**
 * Follows the faces of each camera from frame to frame, chooses which are worth sending, cuts them out and makes
 * a message of each: a picture with its id and all that is known of it, as CloudEvents properties beside the
 * picture and as EXIF inside. It names no topic.
 *
 * @example
 * await pipeline(camera, detector, new FaceSelector({ format: 'webp', margin: 0.3 }), publisher);
 */
export class FaceSelector
  extends EventEmitter<FaceSelectorEvents>
  implements Transform<Detection, Message>, AsyncDisposable
{
  /** The name in errors. */
  readonly name: string;
  readonly #settings: SelectorSettings;
  readonly #scenes = new Map<string, Scene>();
  readonly #counts = {
    frames: 0,
    faces: 0,
    people: 0,
    flickers: 0,
    untracked: 0,
    damaged: 0,
    selected: 0,
    bytes: 0,
    refused: 0,
  };

  /** @throws {TypeError} for an option that cannot be meant. */
  constructor(options: FaceSelectorOptions = {}) {
    super();
    this.#settings = selectorSettings(options);
    // Checks what scenes are made with now, and not when the first frame comes.
    new Scene('camera', 'detector', this.#settings);
    this.name = this.#settings.name;
  }

  /** Counters since the selector was made, and what it holds now. */
  get stats(): FaceSelectorStats {
    const held = [...this.#scenes.values()].flatMap((scene) => scene.held);
    const heldBytes = held.reduce((sum, { pixels }) => sum + pixels.data.length, 0);
    return { ...this.#counts, held: held.length, heldBytes };
  }

  /**
   * Takes the frames of a camera in the order of capture; gives what is due by now, of this frame or of earlier
   * ones. With a context, frames whose faces are held are not acknowledged before those are sent.
   * @throws {RelayError} `PICTURE_TOO_LARGE`.
   */
  transform(detection: Detection): Promise<Message[]>;
  transform(detection: Detection, context: StageContext): Promise<Selected[]>;
  async transform(detection: Detection, context?: StageContext): Promise<Selected[]> {
    this.#counts.frames += 1;
    this.#counts.faces += detection.faces.length;
    const overdue = await this.idle();
    const scene = this.#sceneOf(detection);
    const { tracks, confirmed, ended } = scene.see(detection);
    this.#begin(scene, confirmed);
    const seen = await this.#look(scene, detection, tracks, context);
    const due = [...seen, ...scene.due(), ...this.#leave(scene, ended, 'left')];
    return [...overdue, ...(await this.#send(scene, due))];
  }

  /** No frame comes: what would have been sent by now is sent. */
  async idle(): Promise<Selected[]> {
    return this.#sendOf((scene) => scene.overdue());
  }

  /** The source has ended: what is the best so far is sent. */
  async end(): Promise<Selected[]> {
    return this.#sendOf((scene) => {
      const { confirmed, ended } = scene.end();
      this.#begin(scene, confirmed);
      return this.#leave(scene, ended, 'end');
    });
  }

  /** Lets go of all faces that are held: `end()`, which a pipeline calls, sends them. */
  async close(): Promise<void> {
    this.#scenes.clear();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  #sceneOf({ frame: { camera }, detector }: Detection): Scene {
    const key = `${camera}/${detector}`;
    const scene = this.#scenes.get(key) ?? new Scene(camera, detector, this.#settings);
    this.#scenes.set(key, scene);
    return scene;
  }

  #begin(scene: Scene, confirmed: readonly Track[]): void {
    this.#counts.people += confirmed.length;
    for (const track of confirmed) this.emit('begin', visitEventOf(scene, track));
  }

  #leave(scene: Scene, ended: readonly Track[], reason: 'left' | 'end'): Due[] {
    return ended.flatMap((track) => {
      const due = scene.leave(track, reason);
      if (track.isConfirmed) this.emit('end', { ...visitEventOf(scene, track), looks: track.hits });
      else if (!track.person) this.#counts.flickers += 1;
      return due ?? [];
    });
  }

  /** Judges the faces of a frame and keeps those that may be sent; gives those that are, whatever comes. */
  async #look(
    scene: Scene,
    { frame, faces, detector, detectedAt, looked = true }: Detection,
    tracks: readonly (Track | undefined)[],
    context: StageContext | undefined,
  ): Promise<Due[]> {
    const { policy, type, margin } = this.#settings;
    const isWatched = this.listenerCount('look') > 0;
    const seen: Candidate[] = [];
    const shown: SeenFace[] = [];
    let decoded: Promise<RawImage | undefined> | undefined;
    for (const [index, face] of faces.entries()) {
      const track = tracks[index];
      this.#counts.untracked += track ? 0 : 1;
      // Of two boxes on one person the first is the better one.
      const visit = track && looked && tracks.indexOf(track) === index ? scene.visitOf(track) : undefined;
      const outside = measureOutside(face.box, frame.image, {
        score: scene.scores.place(face.score),
        speed: track?.speed ?? 0,
      });
      const mayBeSent = policy === 'all' || (visit?.wants(bestQualityOf(outside)) ?? false);
      let quality: number | undefined;
      if (mayBeSent || (isWatched && isRaw(frame.image))) decoded ??= this.#pixels(frame);
      const pixels = await decoded;
      if (pixels) {
        const patch = greyPatch(pixels, face.box);
        const measures = { ...outside, ...measureInside(patch) };
        quality = qualityOf(measures);
        if (mayBeSent && (policy === 'all' || visit!.wants(quality))) {
          const candidate: Candidate = {
            pixels: cut(pixels, widened(face.box, margin, pixels)),
            attributes: attributesOf(frame, face, {
              index,
              detector,
              detectedAt,
              track,
              type,
              policy,
              quality,
              measures,
            }),
            at: frame.capturedAt,
            quality,
            thumbnail: thumbnailOf(patch),
            release: policy === 'all' ? undefined : context?.hold(),
          };
          if (policy === 'all') seen.push(candidate);
          else visit!.offer(candidate);
        }
      }
      shown.push({
        ...face,
        ...(track && { track: track.id }),
        ...(quality !== undefined && { quality }),
        isPerson: track?.isConfirmed ?? false,
      });
    }
    if (isWatched) this.emit('look', { frame, detector, faces: shown });
    return seen.length > 0 ? [{ candidates: seen, reason: 'seen' }] : [];
  }

  /** Undefined for an encoded frame that cannot be decoded: another one will do. */
  async #pixels({ image, camera, sequence }: Frame): Promise<RawImage | undefined> {
    if (isRaw(image)) return image;
    const name = `Frame ${sequence} of camera ${camera}`;
    const { maxPixels } = this.#settings;
    try {
      return await decode(image.data, { stage: this.name, name, maxPixels });
    } catch (error) {
      if (!(error instanceof RelayError) || error.code !== 'PICTURE_DAMAGED') throw error;
      this.#counts.damaged += 1;
      this.emit('damaged', { camera, sequence, error });
      return undefined;
    }
  }

  async #sendOf(dueOf: (scene: Scene) => Due[]): Promise<Selected[]> {
    const selected: Selected[] = [];
    for (const scene of this.#scenes.values()) selected.push(...(await this.#send(scene, dueOf(scene))));
    return selected;
  }

  async #send(scene: Scene, due: readonly Due[]): Promise<Selected[]> {
    const all = due.flatMap(({ candidates, reason }) =>
      candidates.map((candidate) => ({ candidate, reason })),
    );
    const allowed = all.filter(({ candidate }) => this.#isAllowed(scene, candidate));
    return Promise.all(allowed.map(({ candidate, reason }) => this.#message(scene, candidate, reason)));
  }

  #isAllowed(scene: Scene, candidate: Candidate): boolean {
    const { quality, attributes, release } = candidate;
    const isGood = quality >= this.#settings.minimumQuality;
    const reason = isGood ? scene.budget.refusal(scene.at) : 'quality';
    if (reason === undefined) {
      scene.budget.takePicture();
      return true;
    }
    this.#counts.refused += 1;
    const { camera, detector, subject } = attributes;
    this.emit('refuse', { camera, detector, ...(subject && { track: subject }), quality, reason });
    release?.();
    return false;
  }

  async #message(scene: Scene, candidate: Candidate, reason: SelectionReason): Promise<Selected> {
    const { pixels, attributes, quality, release } = candidate;
    const { id, camera, subject } = attributes;
    // Drawn before anything is awaited, and only for what is sent: numbers have no gaps and keep the order.
    const number = nextNumber(camera);
    const properties: PictureAttributes = { ...attributes, number: String(number), reason };
    const { format } = this.#settings;
    const payload = await encodePicture(pixels, properties, {
      format,
      quality: this.#settings.quality,
      stage: this.name,
    });
    scene.budget.takeBytes(payload.length);
    this.#counts.selected += 1;
    this.#counts.bytes += payload.length;
    const track = subject === undefined ? {} : { track: subject };
    this.emit('select', { id, camera, number, bytes: payload.length, ...track, quality, reason });
    const message = { id, payload, contentType: `image/${format}`, properties: { ...properties } };
    return release ? combine(message, [release]) : message;
  }
}

function visitEventOf({ camera, detector }: Scene, { id, startedAt, seenAt, box }: Track): VisitEvent {
  return { track: id, camera, detector, startedAt, seenAt, box };
}

import { readFile, stat } from 'node:fs/promises';
import { decode, readHeader } from '../codec';
import { messageOf, RelayError } from '../errors';
import type { Capture, CaptureDescription, CapturedFrame, CaptureListener } from './capture';
import { assertCaptureOptions, type CaptureOptions, PICTURE_OPTIONS, startTimeOf } from './capture-options';
import { exifTime } from './exif-time';
import { nameOfPath } from './input-path';
import { Pace } from './pace';
import { isPattern, listPictures, splitPattern } from './picture-files';

/** What a capture of pictures can be told. */
export type ImageCaptureOptions = Pick<CaptureOptions, (typeof PICTURE_OPTIONS)[number]>;

/** Where nothing says how fast a loop of pictures was taken. */
const DEFAULT_STEP_MS = 40;
const NAMED_IN_ERROR = 5;

/**
 * The pictures of a folder, of a pattern such as `photos/**\/*.jpg`, or a single one, in natural order,
 * decoded to RGB and turned as EXIF says. `capturedAt` is the EXIF time, else `startTime` plus the
 * picture's position at `framesPerSecond`, else the file's date; in further rounds of a `loop`, one
 * step (1 / `framesPerSecond`, or 40 ms) after the latest before.
 *
 * A picture that cannot be read loses no other: it is skipped, and when all others are through, the
 * iteration fails with `PICTURE_DAMAGED` and their names. A loop is never through, unless all are bad.
 */
export class ImageCapture implements Capture {
  readonly name: string;
  readonly live = false;
  readonly #location: string;
  readonly #stage: string;
  readonly #options: ImageCaptureOptions;

  constructor(location: string, options: ImageCaptureOptions = {}) {
    assertCaptureOptions(options, 'a capture of pictures', PICTURE_OPTIONS);
    this.#location = location;
    this.#options = { ...options };
    this.name = nameOfPath(isPattern(location) ? splitPattern(location).folder : location);
    this.#stage = `camera ${this.name}`;
  }

  async describe(): Promise<CaptureDescription> {
    const paths = await listPictures(this.#location, this.#stage);
    const size = await readFile(paths[0]!)
      .then((data) => readHeader(data, this.#decodeOptions(paths[0]!)))
      // A damaged picture is the business of the iteration, which goes on behind it.
      .catch(() => undefined);
    return {
      ...(!this.#options.loop && { frames: paths.length }),
      ...(size && { width: size.width, height: size.height }),
    };
  }

  async *frames(signal: AbortSignal, listener?: CaptureListener): AsyncGenerator<CapturedFrame, void> {
    const paths = await listPictures(this.#location, this.#stage);
    const { framesPerSecond, loop } = this.#options;
    const stepMs = framesPerSecond ? 1000 / framesPerSecond : DEFAULT_STEP_MS;
    const pace = framesPerSecond ? new Pace(signal) : undefined;
    const damaged = new Map<string, RelayError>();
    let given = 0;
    let latest = Number.NEGATIVE_INFINITY;
    for (let round = 0; round === 0 || (loop && damaged.size < paths.length); round += 1) {
      for (const [position, path] of paths.entries()) {
        if (damaged.has(path)) continue;
        await pace?.until(given * stepMs);
        if (signal.aborted) return;
        const picture = await this.#read(path, position).catch(asDamage);
        if (picture instanceof RelayError) {
          damaged.set(path, picture);
          listener?.damaged({ name: path, error: picture });
          continue;
        }
        const { takenAt, ...frame } = picture;
        const capturedAt = round === 0 ? takenAt : latest + stepMs;
        latest = Math.max(latest, capturedAt);
        given += 1;
        yield { ...frame, capturedAt };
      }
    }
    if (damaged.size > 0) throw this.#failure(damaged, paths.length);
  }

  async #read(path: string, position: number) {
    const { data, modifiedAt } = await this.#load(path);
    const readAt = Date.now();
    const { exif } = await readHeader(data, this.#decodeOptions(path));
    const image = await decode(data, this.#decodeOptions(path));
    const startTime = startTimeOf(this.#options);
    const { framesPerSecond } = this.#options;
    const positionMs = framesPerSecond ? (position * 1000) / framesPerSecond : 0;
    const fallback = startTime === undefined ? modifiedAt : startTime + positionMs;
    return {
      image,
      takenAt: (exif && (await exifTime(exif))) ?? fallback,
      clock: 'file',
      readAt,
      still: true,
    } as const;
  }

  async #load(path: string) {
    try {
      const [data, { mtimeMs }] = await Promise.all([readFile(path), stat(path)]);
      return { data, modifiedAt: Math.floor(mtimeMs) };
    } catch (error) {
      throw new RelayError(`${path} cannot be read (${messageOf(error)}). Check its permissions.`, {
        code: 'PICTURE_DAMAGED',
        stage: this.#stage,
        cause: error,
      });
    }
  }

  #decodeOptions(path: string) {
    const { maxPixels } = this.#options;
    return { stage: this.#stage, name: path, ...(maxPixels !== undefined && { maxPixels }) };
  }

  #failure(damaged: ReadonlyMap<string, RelayError>, total: number): RelayError {
    const [first] = damaged.values();
    if (total === 1) return first!;
    const named = [...damaged.keys()].slice(0, NAMED_IN_ERROR).join(', ');
    const others = damaged.size > NAMED_IN_ERROR ? ` and ${damaged.size - NAMED_IN_ERROR} more` : '';
    return new RelayError(
      `${damaged.size} of ${total} pictures of ${this.#location} could not be read: ${named}${others}. ` +
        `The others went through. The first one says: ${first!.message}`,
      { code: 'PICTURE_DAMAGED', stage: this.#stage, cause: first },
    );
  }
}

function asDamage(error: unknown): RelayError {
  if (error instanceof RelayError) return error;
  throw error;
}

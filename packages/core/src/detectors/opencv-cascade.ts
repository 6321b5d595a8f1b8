import { RelayError } from '../errors';
import { cascadeWindow, withSizeForOpenCv } from './cascade-window';
import type { GreyImage, Model, ModelFinding, Search } from './model';
import { type CascadeClassifier, loadOpenCv, type Mat, type OpenCv, type Rect, reasonOf } from './opencv';

export interface OpencvCascadeSettings {
  /** The cascade's XML. */
  readonly cascade: Uint8Array;
  /** By how much each look is coarser than the one before. */
  readonly scaleFactor: number;
  /** How many neighbouring windows have to agree. */
  readonly minNeighbors: number;
  /** A wider image is made this wide before the search, in pixels; 0 never. */
  readonly detectionWidth: number;
}

/** Takes half the time and finds nearly all that 1.1 and 4 find, and as much again that is none. */
const QUICK = { scaleFactor: 1.2, minNeighbors: 1 };

/** Of the neighbours, for a face that is expected: of those in a place known to be a face, 26 of 26 are found with 2. */
const EXPECTED_SHARE = 0.5;

/** The same for a fine look: there a face has more neighbours, and so has what is none. */
const FINE_SHARE = 2;

/**
 * A Haar or LBP cascade on OpenCV. The boxes are those of OpenCV's `detectMultiScale()`; the score is the
 * sum that the cascade's last stage gave the best window in the group (`detectMultiScale3()`).
 */
export class OpencvCascade implements Model {
  readonly window: Model['window'];
  readonly #cv: OpenCv;
  readonly #classifier: CascadeClassifier;
  readonly #settings: OpencvCascadeSettings;
  readonly #boxes;
  readonly #levels;
  readonly #weights;
  readonly #small: Mat;
  #full: Mat;
  #closed = false;

  /** @throws {RelayError} `MODEL_INVALID` when the XML is not a cascade. */
  static async load(settings: OpencvCascadeSettings): Promise<OpencvCascade> {
    const cv = await loadOpenCv();
    return new OpencvCascade(cv, settings);
  }

  private constructor(cv: OpenCv, settings: OpencvCascadeSettings) {
    this.#cv = cv;
    this.#settings = settings;
    this.#classifier = loadClassifier(cv, settings.cascade);
    this.window = cascadeWindow(settings.cascade);
    this.#boxes = new cv.RectVector();
    this.#levels = new cv.IntVector();
    this.#weights = new cv.DoubleVector();
    this.#small = new cv.Mat();
    this.#full = new cv.Mat();
  }

  get heapBytes(): number {
    return this.#cv.HEAP8.length;
  }

  detect(image: GreyImage, search: Search = {}): ModelFinding[] {
    try {
      this.#hold(image);
      return this.#search(this.#scaled(), search);
    } catch (error) {
      throw new RelayError(`OpenCV failed (${reasonOf(this.#cv, error)}).`, {
        code: 'DETECTOR_FAILED',
        stage: 'detector',
      });
    }
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    for (const held of [this.#full, this.#small, this.#boxes, this.#levels, this.#weights]) held.delete();
    this.#classifier.delete();
  }

  /** Copies the pixels into OpenCV's heap; images of one size use the same place. */
  #hold({ data, width, height }: GreyImage): void {
    if (this.#full.cols !== width || this.#full.rows !== height) {
      this.#full.delete();
      this.#full = new this.#cv.Mat(height, width, this.#cv.CV_8UC1);
    }
    this.#full.data.set(data);
  }

  /** Area averaging keeps the sums that the cascade's features compare; skipping pixels would add noise. */
  #scaled(): Mat {
    const { detectionWidth } = this.#settings;
    const { cols, rows } = this.#full;
    if (detectionWidth === 0 || cols <= detectionWidth) return this.#full;
    const size = new this.#cv.Size(detectionWidth, Math.max(1, Math.round((rows * detectionWidth) / cols)));
    this.#cv.resize(this.#full, this.#small, size, 0, 0, this.#cv.INTER_AREA);
    return this.#small;
  }

  #search(image: Mat, { smallest = 0, largest = 0, ...looks }: Search): ModelFinding[] {
    const { scaleFactor, minNeighbors } = this.#parameters(looks);
    const scaleX = this.#full.cols / image.cols;
    const scaleY = this.#full.rows / image.rows;
    const shape = this.window.height / this.window.width;
    const size = (width: number) =>
      new this.#cv.Size(Math.round(width / scaleX), Math.round((width * shape) / scaleY));
    this.#classifier.detectMultiScale3(
      image,
      this.#boxes,
      this.#levels,
      this.#weights,
      scaleFactor,
      minNeighbors,
      0,
      size(smallest),
      size(largest),
      true,
    );
    return Array.from({ length: this.#boxes.size() }, (_, index) => ({
      box: enlarged(this.#boxes.get(index), scaleX, scaleY),
      score: this.#weights.get(index),
    }));
  }

  #parameters({ quick, expected, fine }: Search) {
    const { scaleFactor, minNeighbors } = this.#settings;
    if (quick) {
      return {
        scaleFactor: Math.max(scaleFactor, QUICK.scaleFactor),
        minNeighbors: Math.min(minNeighbors, QUICK.minNeighbors),
      };
    }
    const share = expected ? EXPECTED_SHARE : fine ? FINE_SHARE : 1;
    return { scaleFactor, minNeighbors: Math.ceil(minNeighbors * share) };
  }
}

/** Rounds the edges, not the sizes: a box inside the small image stays inside the full one. */
function enlarged({ x, y, width, height }: Rect, scaleX: number, scaleY: number) {
  const left = Math.round(x * scaleX);
  const top = Math.round(y * scaleY);
  return {
    x: left,
    y: top,
    width: Math.round((x + width) * scaleX) - left,
    height: Math.round((y + height) * scaleY) - top,
  };
}

function loadClassifier(cv: OpenCv, cascade: Uint8Array): CascadeClassifier {
  const classifier = new cv.CascadeClassifier();
  try {
    cv.FS_createDataFile('/', 'cascade.xml', withSizeForOpenCv(cascade), true, false, false);
    if (!classifier.load('cascade.xml')) throw new Error('it holds no cascade');
    return classifier;
  } catch (error) {
    classifier.delete();
    throw new RelayError(reasonOf(cv, error), { code: 'MODEL_INVALID', stage: 'detector' });
  } finally {
    cv.FS_unlink('/cascade.xml');
  }
}

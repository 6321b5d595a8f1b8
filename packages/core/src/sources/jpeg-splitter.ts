/** Half as large again as a JPEG of 24 megapixels of the best quality: more is no picture of a camera. */
const LONGEST_JPEG_BYTES = 32 * 1024 * 1024;
const SOI = Buffer.from([0xff, 0xd8, 0xff]);

/** One JPEG out of a stream. */
export interface SplitJpeg {
  /** Its own memory. Not whole where the stream went on with another; `readJpegHeader()` sees that. */
  readonly data: Buffer;
  /** When its beginning came, in milliseconds since 1970 (UTC). */
  readonly startedAt: number;
  /** The text that stood before it, at most 1,000 characters: the headers of a part of a multipart stream. */
  readonly before: string;
}

const LONGEST_TEXT = 1_000;

/** What is looked for: a picture's beginning, its next marker, the end of a scan, or another beginning. */
type State = 'between' | 'marker' | 'scan' | 'lost';

/**
 * Takes a stream of JPEGs apart that follow each other, as commands write them: feed it chunks as they
 * come. It walks from marker to marker (ITU-T T.81, annex B), so that a thumbnail inside an EXIF block,
 * which has a beginning and an end of its own, is jumped over. A picture that is cut off is given as far
 * as it came, once the next one begins.
 */
export class JpegSplitter {
  readonly #longestBytes: number;
  #buffer = Buffer.allocUnsafeSlow(256 * 1024);
  #length = 0;
  #state: State = 'between';
  /** How far the picture at the start of the buffer is looked through. */
  #at = 0;
  #lastMarkerAt = 0;
  #startedAt = 0;
  #skipped = 0;
  #before = '';

  constructor(longestBytes = LONGEST_JPEG_BYTES) {
    this.#longestBytes = longestBytes;
  }

  /** Bytes that belong to no picture, or to one that was too long. */
  get skipped(): number {
    return this.#skipped;
  }

  /** Bytes of a picture that has begun. */
  get waiting(): number {
    return this.#state === 'between' ? 0 : this.#length;
  }

  /** The pictures whose end is known with this chunk. */
  *feed(chunk: Uint8Array, readAt: number): Generator<SplitJpeg, void> {
    this.#append(chunk);
    for (;;) {
      if (this.#state === 'between' && !this.#findBeginning(readAt)) return;
      const end = this.#findEnd();
      if (end === undefined) break;
      const data = Buffer.allocUnsafeSlow(end);
      this.#buffer.copy(data, 0, 0, end);
      this.#remove(end);
      yield { data, startedAt: this.#startedAt, before: this.#before };
      this.#before = '';
    }
    if (this.#length <= this.#longestBytes) return;
    this.#skipped += this.#length;
    this.#remove(this.#length);
  }

  #append(chunk: Uint8Array): void {
    const needed = this.#length + chunk.length;
    if (needed > this.#buffer.length) {
      const larger = Buffer.allocUnsafeSlow(Math.max(needed, this.#buffer.length * 2));
      this.#buffer.copy(larger, 0, 0, this.#length);
      this.#buffer = larger;
    }
    this.#buffer.set(chunk, this.#length);
    this.#length = needed;
  }

  #remove(bytes: number): void {
    this.#buffer.copyWithin(0, bytes, this.#length);
    this.#length -= bytes;
    this.#state = 'between';
  }

  #findBeginning(readAt: number): boolean {
    const found = this.#indexOfBeginning(0);
    // The last bytes may be the first of a beginning.
    const noise = found < 0 ? Math.max(0, this.#length - SOI.length + 1) : found;
    this.#skipped += noise;
    const text = this.#buffer.toString('latin1', Math.max(0, noise - LONGEST_TEXT), noise);
    this.#before = (this.#before + text).slice(-LONGEST_TEXT);
    if (noise > 0) this.#remove(noise);
    if (found < 0) return false;
    this.#state = 'marker';
    this.#at = 2;
    this.#startedAt = readAt;
    return true;
  }

  /** Where the picture ends; undefined until more has come. */
  #findEnd(): number | undefined {
    const bytes = this.#buffer;
    for (;;) {
      if (this.#state === 'lost') {
        const next = this.#indexOfBeginning(this.#at);
        if (next < 0) this.#at = Math.max(this.#at, this.#length - SOI.length + 1);
        return next < 0 ? undefined : next;
      }
      if (this.#state === 'scan') {
        const found = bytes.subarray(0, this.#length).indexOf(0xff, this.#at);
        this.#at = found < 0 ? this.#length : found;
      }
      if (this.#at + 2 > this.#length) return undefined;
      const marker = bytes[this.#at + 1]!;
      // Within a scan, zero means a byte of 0xff, and restart markers are no end.
      if (this.#state === 'scan' && (marker === 0 || isRestart(marker))) {
        this.#at += 2;
        continue;
      }
      this.#state = 'marker';
      if (bytes[this.#at] !== 0xff) this.#lose();
      else if (marker === 0xd9) return this.#at + 2;
      else if (marker === 0xd8) return this.#at;
      else if (marker === 0xff) this.#at += 1;
      else if (isRestart(marker) || marker === 0x01) this.#at += 2;
      else {
        if (this.#at + 4 > this.#length) return undefined;
        this.#lastMarkerAt = this.#at;
        this.#at += 2 + bytes.readUInt16BE(this.#at + 2);
        if (marker === 0xda) this.#state = 'scan';
      }
    }
  }

  /** A length led astray: the next picture may begin anywhere behind the marker that had it. */
  #lose(): void {
    this.#state = 'lost';
    this.#at = this.#lastMarkerAt + 2;
  }

  #indexOfBeginning(from: number): number {
    return this.#buffer.subarray(0, this.#length).indexOf(SOI, from);
  }
}

function isRestart(marker: number): boolean {
  return marker >= 0xd0 && marker <= 0xd7;
}

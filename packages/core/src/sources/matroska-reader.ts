/** One frame out of a Matroska stream. */
export interface MatroskaFrame {
  /** Its own memory: nothing else refers to it. */
  readonly data: Buffer;
  /** Since the beginning of the stream, in milliseconds. */
  readonly positionMs: number;
  /** Pixels. */
  readonly width: number;
  /** Pixels. */
  readonly height: number;
}

// Element ids of RFC 8794 (EBML) and RFC 9559 (Matroska).
const SEGMENT = 0x18538067;
const INFO = 0x1549a966;
const TIMESTAMP_SCALE = 0x2ad7b1;
const TRACKS = 0x1654ae6b;
const TRACK_ENTRY = 0xae;
const VIDEO = 0xe0;
const PIXEL_WIDTH = 0xb0;
const PIXEL_HEIGHT = 0xba;
const CLUSTER = 0x1f43b675;
const TIMESTAMP = 0xe7;
const BLOCK_GROUP = 0xa0;
const BLOCK = 0xa1;
const SIMPLE_BLOCK = 0xa3;

/** Elements that are walked into; what they hold follows as if it stood beside them. */
const ENTERED = new Set([SEGMENT, INFO, TRACKS, TRACK_ENTRY, VIDEO, CLUSTER, BLOCK_GROUP]);
const NUMBERS = new Set([TIMESTAMP_SCALE, PIXEL_WIDTH, PIXEL_HEIGHT, TIMESTAMP]);
/** Track number (1 byte for the first 126 tracks), relative time (2 bytes), flags (1 byte). */
const BLOCK_HEADER_BYTES = 4;
/** An id has up to 4 bytes, a size up to 8. */
const LONGEST_HEADER_BYTES = 12;

/**
 * Reads a Matroska stream of one uncompressed video track, as ffmpeg writes it into a pipe: feed it
 * chunks as they come. A frame's bytes are copied once, from the chunks into the frame's own memory.
 */
export class MatroskaReader {
  #pending: Buffer = Buffer.alloc(0);
  #skip = 0;
  #frame: { readonly data: Buffer; readonly positionMs: number; filled: number } | undefined;
  #width = 0;
  #height = 0;
  #millisecondsPerTick = 1;
  #clusterTicks = 0;

  /** Whether the stream stopped within a frame, as far as it was fed. */
  get isMidFrame(): boolean {
    return this.#frame !== undefined;
  }

  /** The frames that are whole with this chunk. Throws an `Error` for what is not Matroska. */
  *feed(chunk: Buffer): Generator<MatroskaFrame, void> {
    let rest = chunk;
    while (rest.length > 0) {
      if (this.#frame) {
        const { data, positionMs, filled } = this.#frame;
        const copied = rest.copy(data, filled);
        rest = rest.subarray(copied);
        this.#frame.filled += copied;
        if (this.#frame.filled < data.length) return;
        this.#frame = undefined;
        yield { data, positionMs, width: this.#width, height: this.#height };
      } else if (this.#skip > 0) {
        const skipped = Math.min(this.#skip, rest.length);
        this.#skip -= skipped;
        rest = rest.subarray(skipped);
      } else {
        const bytes = this.#pending.length > 0 ? Buffer.concat([this.#pending, rest]) : rest;
        const consumed = this.#element(bytes);
        // Headers and numbers are a few bytes: what is kept for the next chunk is as small.
        this.#pending = consumed === 0 ? bytes : Buffer.alloc(0);
        rest = bytes.subarray(consumed === 0 ? bytes.length : consumed);
      }
    }
  }

  /** Takes in the element at the start; gives how many bytes of it are done with, 0 when more are needed. */
  #element(bytes: Buffer): number {
    const id = readNumber(bytes, 0, 4, true);
    const size = id && readNumber(bytes, id.length, 8, false);
    if (!id || !size) {
      if (bytes.length >= LONGEST_HEADER_BYTES) throw new Error('The stream is not Matroska.');
      return 0;
    }
    const header = id.length + size.length;
    if (ENTERED.has(id.value)) return header;
    const isBlock = id.value === SIMPLE_BLOCK || id.value === BLOCK;
    const needed = isBlock ? BLOCK_HEADER_BYTES : NUMBERS.has(id.value) ? size.value : 0;
    if (bytes.length < header + needed) return 0;
    if (isBlock) {
      const ticks = this.#clusterTicks + bytes.readInt16BE(header + 1);
      this.#frame = {
        data: Buffer.allocUnsafeSlow(size.value - BLOCK_HEADER_BYTES),
        positionMs: ticks * this.#millisecondsPerTick,
        filled: 0,
      };
    } else if (needed > 0) {
      this.#remember(id.value, readUnsigned(bytes.subarray(header, header + needed)));
    } else {
      this.#skip = size.value;
    }
    return header + needed;
  }

  #remember(id: number, value: number): void {
    if (id === TIMESTAMP) this.#clusterTicks = value;
    if (id === TIMESTAMP_SCALE) this.#millisecondsPerTick = value / 1e6;
    if (id === PIXEL_WIDTH) this.#width = value;
    if (id === PIXEL_HEIGHT) this.#height = value;
  }
}

/** A number of variable length (RFC 8794, section 4); `marked` keeps the length marker, as ids do. */
function readNumber(
  bytes: Buffer,
  start: number,
  longest: number,
  marked: boolean,
): { readonly value: number; readonly length: number } | undefined {
  const first = bytes[start];
  if (first === undefined) return undefined;
  const length = Math.clz32(first) - 23;
  if (length > longest) throw new Error('The stream is not Matroska.');
  if (bytes.length < start + length) return undefined;
  const head = marked ? first : first & (0xff >> length);
  let value = head;
  for (let index = 1; index < length; index += 1) value = value * 256 + bytes[start + index]!;
  return { value, length };
}

function readUnsigned(bytes: Buffer): number {
  return bytes.reduce((value, byte) => value * 256 + byte, 0);
}

import { NUT_INVALID, NUT_STARTCODE, type NutCode, readNutCodes } from './nut-codes';
import { NutCursor } from './nut-cursor';

/** One frame out of a NUT stream. */
export interface NutFrame {
  /** Its own memory: nothing else refers to it. */
  readonly data: Buffer;
  /** By the clock of the stream, in milliseconds. */
  readonly positionMs: number;
  /** Pixels. */
  readonly width: number;
  /** Pixels. */
  readonly height: number;
}

/**
 * How ffmpeg is to write such a stream into a pipe: each frame at once, and as it lies in memory. (Its
 * Matroska keeps a frame until the next one is there.)
 */
export const NUT_TO_PIPE = ['-flush_packets', '1', '-avioflags', 'direct', '-f', 'nut', 'pipe:1'] as const;

/**
 * Pixels as they are. ffmpeg has an encoder for that, too, which keeps a frame for each thread but one that
 * it has.
 */
export const RAW_VIDEO = ['-c:v', 'rawvideo', '-threads', '1'] as const;

// By "NUT Open Container Format", the draft of 2013 (version 3).
const FILE_ID = Buffer.from('nut/multimedia container\0', 'latin1');
const MAIN = 0x7a561f5f04adn;
const STREAM = 0x11405bf2f9dbn;
const SYNCPOINT = 0xe4adeeca4569n;
const STARTCODE_BYTES = 8;
const CHECKSUM_BYTES = 4;
/** Packets that are longer have a checksum in their heads, too. */
const SHORT_PACKET_BYTES = 4096;
/** A header of a frame is a few numbers: what does not end after so many bytes is none. */
const LONGEST_HEAD_BYTES = 256;

const CODED_PTS = 1 << 3;
const STREAM_ID = 1 << 4;
const SIZE_MSB = 1 << 5;
const CHECKSUM = 1 << 6;
const RESERVED = 1 << 7;
const HEADER_INDEX = 1 << 10;
const MATCH_TIME = 1 << 11;
const CODED_FLAGS = 1 << 12;

/**
 * Reads a NUT stream of one video track, as ffmpeg writes it into a pipe: feed it chunks as they come; none of
 * them is kept. A frame's bytes are copied once, from the chunks into the frame's own memory.
 */
export class NutReader {
  #pending: Buffer = Buffer.alloc(0);
  #skip = 0;
  #frame: { readonly data: Buffer; readonly positionMs: number; filled: number } | undefined;
  #isIdentified = false;
  #codes: readonly NutCode[] = [];
  /** Beginnings that frames share, and leave out. */
  #elided: Buffer[] = [Buffer.alloc(0)];
  #millisecondsPerTick = { numerator: 1, denominator: 1 };
  #ptsBits = 0;
  #lastPts = 0;
  #width = 0;
  #height = 0;

  /** Whether the stream stopped within a frame, as far as it was fed. */
  get isMidFrame(): boolean {
    return this.#frame !== undefined;
  }

  /** The frames that are whole with this chunk. Throws an `Error` for what is not NUT. */
  *feed(chunk: Buffer): Generator<NutFrame, void> {
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
        // Heads and headers are small: what is kept for the next chunk is, too.
        this.#pending = consumed === 0 ? Buffer.from(bytes) : Buffer.alloc(0);
        rest = bytes.subarray(consumed === 0 ? bytes.length : consumed);
      }
    }
  }

  /** Takes in what stands at the start; gives how many bytes of it are done with, 0 when more are needed. */
  #element(bytes: Buffer): number {
    if (!this.#isIdentified) return this.#identify(bytes);
    return bytes[0] === NUT_STARTCODE ? this.#packet(bytes) : this.#frameHead(bytes);
  }

  #identify(bytes: Buffer): number {
    const length = Math.min(bytes.length, FILE_ID.length);
    if (!bytes.subarray(0, length).equals(FILE_ID.subarray(0, length))) throw notNut();
    this.#isIdentified = length === FILE_ID.length;
    return this.#isIdentified ? length : 0;
  }

  #packet(bytes: Buffer): number {
    if (bytes.length < STARTCODE_BYTES) return 0;
    const startcode = BigInt.asUintN(48, bytes.readBigUInt64BE());
    const cursor = new NutCursor(bytes, STARTCODE_BYTES);
    const length = cursor.unsigned();
    if (length > SHORT_PACKET_BYTES) cursor.skip(CHECKSUM_BYTES);
    if (cursor.isShort) return 0;
    const isRead = startcode === MAIN || startcode === STREAM || startcode === SYNCPOINT;
    if (!isRead) {
      this.#skip = length;
      return cursor.at;
    }
    const end = cursor.at + length;
    if (bytes.length < end) return 0;
    if (startcode === MAIN) this.#main(cursor);
    else if (startcode === STREAM) this.#stream(cursor);
    else this.#lastPts = cursor.unsigned();
    return end;
  }

  #main(cursor: NutCursor): void {
    const version = cursor.unsigned();
    if (version > 3) cursor.unsigned();
    const streams = cursor.unsigned();
    cursor.unsigned(); // The greatest distance of syncpoints.
    const timeBases = cursor.unsigned();
    if (streams !== 1 || timeBases !== 1) throw new Error(`The NUT stream has ${streams} tracks, not one.`);
    this.#millisecondsPerTick = { numerator: cursor.unsigned() * 1000, denominator: cursor.unsigned() };
    this.#codes = readNutCodes(cursor);
    const elided = cursor.unsigned();
    for (let index = 0; index < elided; index += 1) this.#elided.push(cursor.bytes(cursor.unsigned()));
  }

  #stream(cursor: NutCursor): void {
    cursor.unsigned(); // Its number.
    cursor.unsigned(); // Its class.
    cursor.bytes(cursor.unsigned()); // Its codec.
    cursor.unsigned(); // Its time base.
    this.#ptsBits = cursor.unsigned();
    cursor.unsigned(); // The greatest distance of times.
    cursor.unsigned(); // The delay of the decoder.
    cursor.unsigned(); // Flags.
    cursor.bytes(cursor.unsigned()); // For the decoder.
    this.#width = cursor.unsigned();
    this.#height = cursor.unsigned();
  }

  #frameHead(bytes: Buffer): number {
    const code = this.#codes[bytes[0]!];
    if (!code) throw notNut();
    const cursor = new NutCursor(bytes, 1);
    let { flags, headerIndex, reserved } = code;
    if (flags & CODED_FLAGS) flags ^= cursor.unsigned();
    if (flags & NUT_INVALID) throw notNut();
    if (flags & STREAM_ID) cursor.unsigned();
    const pts = flags & CODED_PTS ? this.#ptsOf(cursor.unsigned()) : this.#lastPts + code.ptsDelta;
    const sizeMsb = flags & SIZE_MSB ? cursor.unsigned() : 0;
    if (flags & MATCH_TIME) cursor.signed();
    if (flags & HEADER_INDEX) headerIndex = cursor.unsigned();
    if (flags & RESERVED) reserved = cursor.unsigned();
    for (; reserved > 0 && !cursor.isShort; reserved -= 1) cursor.unsigned();
    if (flags & CHECKSUM) cursor.skip(CHECKSUM_BYTES);
    if (cursor.isShort) {
      if (bytes.length > LONGEST_HEAD_BYTES) throw notNut();
      return 0;
    }
    const elided = this.#elided[headerIndex];
    if (!elided) throw notNut();
    const length = sizeMsb * code.sizeMultiplier + code.sizeRemainder;
    const data = Buffer.allocUnsafeSlow(length);
    const { numerator, denominator } = this.#millisecondsPerTick;
    this.#lastPts = pts;
    this.#frame = { data, positionMs: (pts * numerator) / denominator, filled: elided.copy(data) };
    return cursor.at;
  }

  /** A time may be written by its last bits only: the one nearest to the last time is meant. */
  #ptsOf(coded: number): number {
    const period = 2 ** this.#ptsBits;
    if (coded >= period) return coded - period;
    const least = this.#lastPts - Math.floor((period - 1) / 2);
    const beyond = (coded - least) % period;
    return least + (beyond < 0 ? beyond + period : beyond);
  }
}

function notNut(): Error {
  return new Error('The stream is not NUT.');
}

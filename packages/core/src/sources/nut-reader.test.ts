import { spawnSync } from 'node:child_process';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { packagedFfmpeg } from '../../test/media';
import { NUT_TO_PIPE, NutReader } from './nut-reader';

/** As ffmpeg writes it into a pipe. */
function write(options: string): Buffer {
  const args = ['-v', 'error', '-f', 'lavfi', '-i', ...options.split(' '), ...NUT_TO_PIPE];
  return spawnSync(packagedFfmpeg, args, { maxBuffer: 1 << 28 }).stdout;
}

const raw = '-c:v rawvideo -pix_fmt yuv420p';
/** Five frames of 8 x 6 pixels, one in two seconds. */
const stream = write(`testsrc=size=8x6:rate=0.5:duration=10 ${raw}`);

/** The memory of a chunk is another's once it is read. */
function readAll(reader: NutReader, chunks: readonly Buffer[]) {
  return chunks.flatMap((chunk) => {
    const lent = Buffer.from(chunk);
    const frames = [...reader.feed(lent)];
    lent.fill(0xff);
    return frames;
  });
}

describe('NutReader', () => {
  it('gives every frame with its time and size', () => {
    const frames = readAll(new NutReader(), [stream]);
    expect(frames.map(({ positionMs }) => positionMs)).toEqual([0, 2000, 4000, 6000, 8000]);
    for (const { data, width, height } of frames) expect([data.length, width, height]).toEqual([72, 8, 6]);
  });

  it('gives times exactly, also far from 0, uneven, and of frames that have a syncpoint each', () => {
    const uneven = "setpts='(1795478400000000+N*33333+mod(N*7,13)*1000)/TB/1000000'";
    const frames = readAll(new NutReader(), [
      write(
        `testsrc=size=640x480:rate=30:duration=2,settb=1/1000000,${uneven} -copyts -vsync passthrough -enc_time_base 1:1000000 ${raw}`,
      ),
    ]);
    expect(frames.map(({ positionMs }) => Math.round(positionMs * 1000))).toEqual(
      Array.from({ length: 60 }, (_, n) => 1_795_478_400_000_000 + n * 33_333 + ((n * 7) % 13) * 1000),
    );
  });

  it('gives small frames with the beginnings that they leave out', () => {
    const options = 'testsrc=size=64x48:rate=25:duration=4 -c:v mpeg4 -q:v 20';
    const frames = readAll(new NutReader(), [write(options)]);
    expect(frames).toHaveLength(100);
    for (const [index, { data, positionMs }] of frames.entries()) {
      // A picture of MPEG-4 begins with a startcode, at the head of a group behind others.
      expect([data.readUIntBE(0, 3), positionMs]).toEqual([1, index * 40]);
    }
  });

  it('gives the same frames however the stream is cut into chunks', () => {
    const expected = readAll(new NutReader(), [stream]);
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 0, max: stream.length })), (cuts) => {
        const ends = [...cuts.sort((left, right) => left - right), stream.length];
        const chunks = ends.map((end, index) => stream.subarray(ends[index - 1] ?? 0, end));
        expect(readAll(new NutReader(), chunks)).toEqual(expected);
      }),
    );
    const bytes = Array.from(stream, (_, index) => stream.subarray(index, index + 1));
    expect(readAll(new NutReader(), bytes)).toEqual(expected);
  });

  it('knows that a stream stopped within a frame', () => {
    const [reader, whole] = [new NutReader(), new NutReader()];
    const last = readAll(whole, [stream]).at(-1)!;
    expect(readAll(reader, [stream.subarray(0, stream.lastIndexOf(last.data) + 10)])).toHaveLength(4);
    expect([reader.isMidFrame, whole.isMidFrame]).toEqual([true, false]);
  });

  it('throws for what is not NUT, or is so no more', () => {
    expect(() => readAll(new NutReader(), [Buffer.alloc(100)])).toThrow(/not NUT/);
    const broken = Buffer.concat([stream.subarray(0, stream.length >> 1), Buffer.alloc(1000)]);
    expect(() => readAll(new NutReader(), [broken])).toThrow(/not NUT/);
  });
});

import { spawnSync } from 'node:child_process';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { packagedFfmpeg } from '../../test/media';
import { MatroskaReader } from './matroska-reader';

/** Five frames of 8 x 6 pixels, one in two seconds, so that each has a cluster; as ffmpeg writes them into a pipe. */
const options = '-v error -f lavfi -i testsrc=size=8x6:rate=0.5:duration=10 -c:v rawvideo -pix_fmt yuv420p';
const { stdout: stream } = spawnSync(packagedFfmpeg, [...options.split(' '), '-f', 'matroska', '-']);

function readAll(reader: MatroskaReader, chunks: readonly Buffer[]) {
  return chunks.flatMap((chunk) => [...reader.feed(chunk)]);
}

describe('MatroskaReader', () => {
  it('gives every frame with its time and size', () => {
    const frames = readAll(new MatroskaReader(), [stream]);
    expect(frames.map(({ positionMs }) => positionMs)).toEqual([0, 2000, 4000, 6000, 8000]);
    for (const { data, width, height } of frames) expect([data.length, width, height]).toEqual([72, 8, 6]);
  });

  it('gives the same frames however the stream is cut into chunks', () => {
    const expected = readAll(new MatroskaReader(), [stream]);
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 0, max: stream.length })), (cuts) => {
        const ends = [...cuts.sort((left, right) => left - right), stream.length];
        const chunks = ends.map((end, index) => stream.subarray(ends[index - 1] ?? 0, end));
        expect(readAll(new MatroskaReader(), chunks)).toEqual(expected);
      }),
    );
    const bytes = Array.from(stream, (_, index) => stream.subarray(index, index + 1));
    expect(readAll(new MatroskaReader(), bytes)).toEqual(expected);
  });

  it('gives frames their own memory', () => {
    const copy = Buffer.from(stream);
    const [frame] = readAll(new MatroskaReader(), [copy]);
    const before = Buffer.from(frame!.data);
    copy.fill(0);
    expect(frame!.data.equals(before)).toBe(true);
  });

  it('knows that a stream stopped within a frame', () => {
    const [reader, whole] = [new MatroskaReader(), new MatroskaReader()];
    const last = readAll(whole, [stream]).at(-1)!;
    expect(readAll(reader, [stream.subarray(0, stream.lastIndexOf(last.data) + 10)])).toHaveLength(4);
    expect([reader.isMidFrame, whole.isMidFrame]).toEqual([true, false]);
  });

  it('throws for what is not Matroska', () => {
    expect(() => readAll(new MatroskaReader(), [Buffer.alloc(100)])).toThrow(/not Matroska/);
  });
});

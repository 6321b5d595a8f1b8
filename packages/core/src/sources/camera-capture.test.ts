import { spawnSync } from 'node:child_process';
import { chmod, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { beforeAll, describe, expect, it } from 'vitest';
import { c920, jetsonSensor } from '../../test/camera-listings';
import { numberOf, writeCodedJpegs } from '../../test/coded-picture';
import { makeVideo, packagedFfmpeg, temporaryFolder } from '../../test/media';
import { isRaw } from '../image';
import { captureSuite } from '../testing/capture-suite';
import { CameraCapture, type CameraCaptureOptions } from './camera-capture';
import { nameOfDevice } from './camera-device';
import type { CapturedFrame, CaptureMismatch } from './capture';
import { FrameSource } from './frame-source';
import { NutReader } from './nut-reader';

// The real driver is looked at by test/camera. Here is what it cannot do: JPEGs, a full bus, a slow sensor.
const temporary = temporaryFolder();
/** A device that anybody may open, and hardly anybody does. */
const DEVICE = '/dev/full';

/**
 * A program that says what a camera's ffmpeg says of its modes, and for the camera runs the real ffmpeg on
 * `input`, with the times of a driver: since the machine was started. Each frame has waited for half a second.
 */
async function standIn(name: string, listing: readonly string[], input: string): Promise<string> {
  const path = join(await temporary.folder('programs'), name);
  const script = `#!/bin/sh
case " $* " in
  *' -list_formats '*) cat >&2 <<'LINES'
${listing.join('\n')}
LINES
  exit 1 ;;
  *' -f v4l2 '*) while [ "$1" != -map ]; do shift; done
  uptime=$(awk '{ printf "%.2f", $1 - 0.5 }' /proc/uptime)
  echo "$uptime" > '${path}.uptime'
  ${input} "$@" ;;
  *) exec '${packagedFfmpeg}' "$@" ;;
esac
`;
  await writeFile(path, script);
  await chmod(path, 0o755);
  return path;
}

const clip = () => join(temporary.path, 'clip.nut');
const ffmpegOn = (input: string) =>
  `exec '${packagedFfmpeg}' -hide_banner -nostdin -nostats -re ${input} -output_ts_offset "$uptime"`;
let jpegCamera: string;
let pixelCamera: string;

beforeAll(async () => {
  const source = ['-f', 'lavfi', '-i', 'testsrc2=size=1920x1080:rate=30:duration=4'];
  await makeVideo(...source, '-c:v', 'mjpeg', '-q:v', '5', '-pix_fmt', 'yuvj422p', clip());
  jpegCamera = await standIn('jpeg', c920.ffmpeg, ffmpegOn(`-i '${clip()}'`));
  pixelCamera = await standIn('pixels', c920.ffmpeg, ffmpegOn('-f lavfi -i testsrc2=size=640x480:rate=30'));
});

async function read(ffmpegPath: string, options: CameraCaptureOptions, count: number) {
  const frames: CapturedFrame[] = [];
  const mismatches: CaptureMismatch[] = [];
  let damages = 0;
  const capture = new CameraCapture(DEVICE, { ffmpegPath, ...options });
  const listener = {
    damaged: () => {
      damages += 1;
    },
    dropped: () => {},
    mismatched: (mismatch: CaptureMismatch) => mismatches.push(mismatch),
  };
  const error = await (async () => {
    for await (const frame of capture.frames(new AbortController().signal, listener)) {
      if (frames.push(frame) === count) break;
    }
  })().catch((failure) => failure);
  return { frames, mismatches, damages, error };
}

captureSuite({
  describe,
  it,
  name: 'CameraCapture of JPEGs',
  create: () => new CameraCapture(DEVICE, { ffmpegPath: jpegCamera, inputFormat: 'mjpeg' }),
});
captureSuite({
  describe,
  it,
  name: 'CameraCapture of pixels',
  create: () => new CameraCapture(DEVICE, { ffmpegPath: pixelCamera, width: 640, height: 480 }),
});

describe('CameraCapture', () => {
  it('passes JPEGs through as the camera made them, dated by the driver', async () => {
    const { frames, mismatches } = await read(jpegCamera, { inputFormat: 'mjpeg' }, 5);
    const packets = [...new NutReader().feed(await readFile(clip()))].map(({ data }) => data);
    const positions = frames.map(({ image }) => packets.findIndex((packet) => packet.equals(image.data)));
    expect(positions).toEqual([0, 1, 2, 3, 4]);
    for (const { image, clock } of frames) {
      expect([image.format, image.width, image.height, clock]).toEqual(['jpeg', 1920, 1080, 'device']);
    }
    expect(mismatches).toEqual([]);
  });

  it.each([
    ['at full speed', 0],
    ['with a slow consumer', 130],
  ])('gives each frame the time of its driver, not that of its neighbour, %s', async (name, delayMs) => {
    const pictures = await writeCodedJpegs(await temporary.folder('coded'), 120);
    const coded = join(temporary.path, `coded-${delayMs}.nut`);
    await makeVideo('-framerate', '25', '-i', pictures, '-c:v', 'copy', coded);
    const ffmpegPath = await standIn(`coded-${delayMs}`, c920.ffmpeg, ffmpegOn(`-i '${coded}'`));
    const source = new FrameSource(DEVICE, { ffmpegPath, inputFormat: 'mjpeg' });
    let taken = 0;
    for await (const { image, sequence, capturedAt, clock } of source) {
      expect([sequence, clock], name).toEqual([await numberOf(image), 'device']);
      // What the driver said, by the clock that has run since the machine was started.
      const startedAt = Number(await readFile(`${ffmpegPath}.uptime`, 'utf8')) * 1000;
      const sinceBoot = startedAt + sequence * 40;
      const age = Number(process.hrtime.bigint()) / 1e6 - sinceBoot;
      expect(Math.abs(Date.now() - age - capturedAt), name).toBeLessThan(30);
      taken += 1;
      if (taken === 20) break;
      if (delayMs > 0) await sleep(delayMs);
    }
    if (delayMs > 0) expect(source.stats.dropped).toBeGreaterThan(taken);
  });

  it('skips a JPEG that is damaged, and tells', async () => {
    const bytes = await readFile(clip());
    const third = [...new NutReader().feed(bytes)][2]!.data;
    bytes.fill(0, bytes.indexOf(third) + third.length - 100, bytes.indexOf(third) + third.length);
    const damaged = join(temporary.path, 'damaged.nut');
    await writeFile(damaged, bytes);
    const noisy = await standIn('noisy', c920.ffmpeg, ffmpegOn(`-i '${damaged}'`));
    const { frames, damages, error } = await read(noisy, { inputFormat: 'mjpeg' }, 6);
    expect(error).toBeUndefined();
    expect([frames.length, damages]).toEqual([6, 1]);
    expect(frames.some(({ image }) => Buffer.from(image.data).includes(third.subarray(0, -100)))).toBe(false);
  });

  it('gives pixels as planes, luma first', async () => {
    const { frames } = await read(pixelCamera, { width: 640, height: 480 }, 2);
    const options = '-f lavfi -i testsrc2=size=640x480:rate=30 -frames:v 1 -pix_fmt yuv420p -f rawvideo -';
    const { stdout } = spawnSync(packagedFfmpeg, ['-v', 'error', ...options.split(' ')]);
    const [{ image }] = frames as [CapturedFrame];
    expect(isRaw(image) && image.format).toBe('yuv420p');
    expect(Buffer.compare(image.data, stdout)).toBe(0);
  });

  it('tells of a camera that gives fewer frames than its driver has agreed to, as in the dark', async () => {
    const slow = await standIn('slow', c920.ffmpeg, ffmpegOn(`-itsscale 2 -stream_loop 9 -i '${clip()}'`));
    const jpeg = { inputFormat: 'mjpeg' } as const;
    const [found] = (await read(slow, jpeg, 60)).mismatches;
    expect(found!.requested).toEqual({ width: 1920, height: 1080, framesPerSecond: 30 });
    expect(found!.got.framesPerSecond).toBeCloseTo(15, 0);
    expect(found!.offers).toContain('1920 x 1080 (yuyv422, mjpeg)');
    const { error } = await read(slow, { ...jpeg, exact: true, framesPerSecond: 30 }, 60);
    expect(error).toMatchObject({ code: 'SOURCE_UNSUITABLE', retryable: false });
    expect((await read(slow, { ...jpeg, exact: true }, 60)).error).toBeUndefined();
  });

  it.each([
    [
      'ioctl(VIDIOC_STREAMON): No space left on device',
      'SOURCE_BUSY',
      /USB .* no room .* inputFormat 'mjpeg'/,
    ],
    ['/dev/video0: Device or resource busy', 'SOURCE_BUSY', /in use by .*Only one program at a time/],
    ['ioctl(VIDIOC_DQBUF): No such device', 'SOURCE_NOT_FOUND', /was unplugged.*goes on by itself/],
    [
      'ioctl(VIDIOC_STREAMON): Protocol error',
      'SOURCE_FAILED',
      /dmesg.* ffmpeg says: ioctl\(.*\): Protocol error$/,
    ],
  ])('says what is the matter, and the same each time, where ffmpeg says %s', async (line, code, message) => {
    const says = `echo "[video4linux2,v4l2 @ 0x$$] ${line}" >&2; exit 1;`;
    const failing = await standIn('failing', c920.ffmpeg, says);
    const first = (await read(failing, {}, 1)).error;
    expect(first).toMatchObject({ code, retryable: true, message: expect.stringMatching(message) });
    expect((await read(failing, {}, 1)).error.message).toBe(first.message);
  });

  it('does not wait for a camera that has nothing that can be read', async () => {
    const sensor = await standIn('sensor', jetsonSensor.ffmpeg, 'exit 1;');
    expect((await read(sensor, {}, 1)).error).toMatchObject({
      code: 'SOURCE_UNSUITABLE',
      retryable: false,
      message: expect.stringMatching(/offers 10-bit Bayer RGRG\/GBGB\..*nvarguscamerasrc/),
    });
  });

  it('does no I/O where it is made, and refuses options that are not its own', () => {
    expect(new CameraCapture('/dev/video99').live).toBe(true);
    for (const options of [
      { loop: true },
      { inputFormat: 'yuyv' },
      { controls: { 'brightness=1,gain': 1 } },
      { controls: { brightness: 'high' } },
      { width: 640 },
    ]) {
      expect(() => new CameraCapture(DEVICE, options as CameraCaptureOptions)).toThrow(TypeError);
    }
  });
});

describe('nameOfDevice', () => {
  it.each([
    ['/dev/video0', 'video0'],
    ['/dev/v4l/by-id/usb-046d_HD_Pro_Webcam_C920_8B1F3A9F-video-index0', 'HD_Pro_Webcam_C920_8B1F3A9F'],
    [
      '/dev/v4l/by-id/usb-Arducam_Technology_Co.__Ltd._USB_Camera_SN0001-video-index0',
      'Arducam_Technology_Co.__Ltd._USB_Camera_SN0001',
    ],
    [
      '/dev/v4l/by-path/platform-3530000.xhci-usb-0:2.1:1.0-video-index0',
      'platform-3530000.xhci-usb-0-2.1-1.0',
    ],
    ['/dev/front door', 'front-door'],
  ])('calls %s %s', (path, name) => {
    expect(nameOfDevice(path)).toBe(name);
  });
});

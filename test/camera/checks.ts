import assert from 'node:assert/strict';
import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmod, mkdir, mkdtemp, readdir, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';
import {
  CameraCapture,
  type CameraCaptureOptions,
  type CapturedFrame,
  type CaptureMismatch,
  FrameSource,
  listCameras,
  type RelayError,
} from 'edge-relay';

/** What is checked on the machine with the webcams, by name; each throws where it does not hold. */
export const checks: Readonly<Record<string, () => Promise<void>>> = {
  'lists the cameras with their modes, lasting names and what would be chosen': async () => {
    await withStableName(async (stablePath) => {
      const cameras = await listCameras({ ffmpegPath });
      assert.deepEqual(
        cameras.map(({ path, label }) => [path, label]),
        [
          ['/dev/video0', 'vivid-000-vid-cap'],
          ['/dev/video1', 'vivid-001-vid-cap'],
        ],
      );
      const [first] = cameras;
      assert.equal(first!.stablePath, stablePath);
      const best = first!.modes.find(isMode('yuv420p', 1920, 1080, 5));
      assert.deepEqual(first!.chosen, { ...best, framesPerSecond: 5 });
    });
  },

  'gives 1920 x 1080 where nothing is asked for, as fast as the camera can': async () => {
    const { frames, mismatches } = await read('/dev/video0', {}, 5);
    assert.deepEqual(mismatches, []);
    assertPlanes(frames, 1920, 1080);
    await assertGranted(1920, 1080, 5);
  },

  'gives the size and the rate that are asked for': async () => {
    const { frames, mismatches } = await read('/dev/video0', small, 5);
    assert.deepEqual(mismatches, []);
    assertPlanes(frames, 640, 360);
    await assertGranted(640, 360, 10);
  },

  'tries modes where nothing tells their rates, and gets the rate all the same': async () => {
    const options = { width: 640, height: 360, framesPerSecond: 25 };
    await withoutV4lUtils(async () => {
      const [camera] = await listCameras({ ffmpegPath });
      assert.deepEqual(camera!.modes.find(isMode('nv12', 640, 480)), {
        encoding: 'nv12',
        width: 640,
        height: 480,
      });
      const { frames, mismatches } = await read('/dev/video0', options, 5);
      assert.deepEqual(mismatches, []);
      assertPlanes(frames, 640, 360);
    });
    await assertGranted(640, 360, 25);
  },

  'tells of a size that the camera does not have, and goes on with the nearest': async () => {
    const { frames, mismatches } = await read('/dev/video0', { width: 1000, height: 700 }, 5);
    assertPlanes(frames, 1280, 720);
    const [{ requested, got, offers }] = mismatches as [CaptureMismatch];
    assert.deepEqual([requested, got.width, got.height], [{ width: 1000, height: 700 }, 1280, 720]);
    assert.ok(
      offers.some((offer) => /^640 x 480 \(yuyv422 25, .*yuv420p 25, .* a second\)$/.test(offer)),
      offers.join(),
    );
    assert.equal(mismatches.length, 1);
  },

  'refuses a size or a rate that is not exactly what was asked for': async () => {
    const size = await failureOf('/dev/video0', { width: 1000, height: 700, exact: true });
    assert.equal(size.code, 'SOURCE_UNSUITABLE');
    assert.match(size.message, /1280 x 720.*exactly 1000 x 700.*1920 x 1080 \(/);
    const rate = await failureOf('/dev/video0', {
      width: 1280,
      height: 720,
      framesPerSecond: 30,
      exact: true,
    });
    assert.equal(rate.code, 'SOURCE_UNSUITABLE');
    assert.match(rate.message, /1280 x 720 at 12\.5 frames a second, and exactly .* at 30 /);
    assert.equal(rate.retryable, false);
  },

  'tells of a rate that the camera does not reach, also where no listing tells rates': async () => {
    const options = { width: 1280, height: 720, framesPerSecond: 30 };
    const listed = await read('/dev/video0', options, 3);
    const tried = await withoutV4lUtils(() => read('/dev/video0', options, 3));
    for (const { mismatches } of [listed, tried]) {
      assert.deepEqual(
        mismatches.map(({ got }) => got),
        [{ width: 1280, height: 720, framesPerSecond: 12.5 }],
      );
    }
  },

  'refuses an input format that the camera does not have': async () => {
    const error = await failureOf('/dev/video0', { inputFormat: 'mjpeg' });
    assert.equal(error.code, 'SOURCE_UNSUITABLE');
    assert.match(error.message, /has no mjpeg mode; it offers 320 x 180 \(/);
  },

  'knows a camera that is in use, and by whom': async () => {
    const other = await useCamera();
    try {
      const error = await failureOf('/dev/video0', small);
      assert.equal(error.code, 'SOURCE_BUSY');
      assert.match(error.message, new RegExp(`in use by \\w+ \\(process ${other.pid}\\)`));
      assert.equal(error.retryable, true);
      assert.equal((await listCameras({ ffmpegPath }))[0]!.chosen?.width, 1920);
    } finally {
      other.kill('SIGKILL');
      await once(other, 'close');
    }
    assert.equal((await read('/dev/video0', small, 3)).frames.length, 3);
  },

  'knows a camera that is missing, in a container too': async () => {
    await writeFile('/.dockerenv', '');
    const contained = await failureOf('/dev/video7', small);
    await rm('/.dockerenv');
    assert.match(contained.message, /start the container with --device \/dev\/video7/);
    const error = await failureOf('/dev/video7', small);
    assert.equal(error.code, 'SOURCE_NOT_FOUND');
    assert.match(error.message, /no camera \/dev\/video7.*here are \/dev\/video0, \/dev\/video1/);
    assert.equal(error.retryable, true);
  },

  'knows a device that is no camera': async () => {
    const error = await failureOf('/dev/video2', small);
    assert.equal(error.code, 'SOURCE_UNSUITABLE');
    assert.match(error.message, /\/dev\/video2 gives no pictures.*-video-index0/);
  },

  'knows a user without permission': async () => {
    await chmod('/dev/video0', 0o660);
    process.setegid!(65534);
    process.seteuid!(65534);
    try {
      const error = await failureOf('/dev/video0', small);
      assert.equal(error.code, 'SOURCE_DENIED');
      assert.match(
        error.message,
        /user \(number \d+\) may not use the camera \/dev\/video0.*usermod -aG video/,
      );
      assert.equal(error.retryable, true);
      const [camera] = await listCameras({ ffmpegPath });
      assert.equal(camera!.error?.code, 'SOURCE_DENIED');
    } finally {
      process.seteuid!(0);
      process.setegid!(0);
    }
    assert.equal((await read('/dev/video0', small, 3)).frames.length, 3);
  },

  'knows a container that was not given the camera': async () => {
    // What a container runtime does with cgroups: the device file is there, using it is not permitted.
    const folder = '/tmp/cgroup';
    await mkdir(folder);
    await execute('mount', ['-t', 'cgroup', '-o', 'devices', 'none', folder]);
    await mkdir(`${folder}/box`);
    await writeFile(`${folder}/box/devices.deny`, 'c 81:* rwm');
    await writeFile(`${folder}/box/cgroup.procs`, String(process.pid));
    try {
      const error = await failureOf('/dev/video0', small);
      assert.equal(error.code, 'SOURCE_DENIED');
      assert.match(error.message, /container may not use the camera \/dev\/video0.*--device \/dev\/video0/);
      assert.equal(error.retryable, true);
    } finally {
      await writeFile(`${folder}/cgroup.procs`, String(process.pid));
    }
  },

  'sets controls, and names one that the camera does not take': async () => {
    await read('/dev/video0', { ...small, controls: { brightness: 33, horizontal_flip: true } }, 2);
    assert.match(await control('brightness'), /: 33$/);
    assert.match(await control('horizontal_flip'), /: 1$/);
    await read('/dev/video0', { ...small, controls: { brightness: 128, horizontal_flip: false } }, 2);
    const error = await failureOf('/dev/video0', { ...small, controls: { sharpness_of_mind: 3 } });
    assert.equal(error.code, 'SOURCE_UNSUITABLE');
    assert.match(error.message, /does not take the control sharpness_of_mind=3 .*--list-ctrls/);
    const missing = await withoutV4lUtils(() =>
      failureOf('/dev/video0', { ...small, controls: { brightness: 1 } }),
    );
    assert.equal(missing.code, 'V4L_UTILS_MISSING');
    assert.match(missing.message, /brightness.*apt-get install v4l-utils/);
  },

  'dates a frame by the driver’s clock to within a frame': () => blink(() => {}),

  'dates a frame as well where nobody takes frames for a while': () =>
    // The whole process stands still: what is read then has waited in ffmpeg and in the driver.
    blink(() => Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 400)),

  'reads two cameras at once, and confuses nothing': async () => {
    await execute('v4l2-ctl', ['--device', '/dev/video1', '--set-ctrl', 'brightness=0']);
    const [first, second] = await Promise.all([
      read('/dev/video0', small, 8),
      read('/dev/video1', { ...small, width: 320, height: 180 }, 8),
    ]);
    await execute('v4l2-ctl', ['--device', '/dev/video1', '--set-ctrl', 'brightness=128']);
    assertPlanes(first.frames, 640, 360);
    assertPlanes(second.frames, 320, 180);
    assert.ok(first.frames.every((frame) => !darkness(frame)));
    assert.ok(second.frames.every(darkness));
  },

  'goes on by itself when the camera is unplugged and plugged in again': async () => {
    await withStableName(async (stablePath) => {
      const source = new FrameSource(stablePath, { ...small, ffmpegPath, controls: { brightness: 77 } });
      assert.equal(source.camera, 'HD_Pro_Webcam_C920_8B1F3A9F');
      const errors: RelayError[] = [];
      source.on('offline', ({ error }) => errors.push(error));
      let last = -1;
      let plugged = Number.POSITIVE_INFINITY;
      for await (const { sequence, capturedAt } of source) {
        assert.ok(sequence > last);
        last = sequence;
        if (sequence === 10) {
          await plug('unbind');
          await until(() => errors.length > 0);
          await plug('bind');
          plugged = Date.now();
        }
        if (capturedAt > plugged + 500) break;
      }
      await source.close();
      assert.deepEqual([...new Set(errors.map(({ code }) => code))], ['SOURCE_NOT_FOUND']);
      assert.match(errors[0]!.message, /was unplugged|There is no camera/);
      assert.match(await control('brightness'), /: 77$/);
    });
  },

  'waits for a camera that is in use, and takes it when it is free': async () => {
    const other = await useCamera();
    const source = new FrameSource('/dev/video0', { ...small, ffmpegPath });
    const codes: string[] = [];
    source.on('offline', ({ error }) => {
      codes.push(error.code);
      other.kill('SIGKILL');
    });
    for await (const _ of source) break;
    await source.close();
    assert.deepEqual(codes, ['SOURCE_BUSY']);
  },

  'works with the ffmpeg of Debian': async () => {
    const { frames, mismatches } = await read('/dev/video0', { ...small, ffmpegPath: '/usr/bin/ffmpeg' }, 5);
    assert.deepEqual(mismatches, []);
    assertPlanes(frames, 640, 360);
    await assertGranted(640, 360, 10);
  },

  'shows them with edge-pipeline --list-cameras': async () => {
    const env = { ...process.env, FFMPEG_PATH: ffmpegPath };
    const args = [process.env.EDGE_PIPELINE!, '--list-cameras', '--width', '640', '--height', '360'];
    const { stdout } = await execute(process.execPath, args, { env });
    assert.match(stdout, /^\/dev\/video0 {2}vivid-000-vid-cap\n {2}--source \/dev\/video0\n/);
    assert.match(stdout, /\n {2}chosen: 640 x 360, yuv420p, 30 frames a second\n/);
    assert.match(stdout, /\n {4}1920 x 1080 \(yuyv422 5, .* a second\)\n/);
    assert.match(stdout, /\n\n\/dev\/video1 /);
    assert.doesNotMatch(stdout, /video2/);
  },

  'tells with edge-pipeline doctor what it would take, and who has a camera': async () => {
    const other = await useCamera();
    try {
      const env = { ...process.env, FFMPEG_PATH: ffmpegPath };
      const cameras = ['busy=/dev/video0', 'free=/dev/video1', 'missing=/dev/video7'];
      const sources = cameras.flatMap((camera) => ['--source', camera]);
      const options = ['--role', 'detect', '--width', '640', '--height', '360', '--timeout', '40', '--json'];
      const args = [process.env.EDGE_PIPELINE!, 'doctor', ...options, ...sources];
      // There is no broker.
      const failure = await execute(process.execPath, args, { env }).catch((error) => error);
      assert.equal(failure.code, 1);
      const [busy, free, missing] = JSON.parse(failure.stdout).checks;
      assert.deepEqual([busy.state, free.state, missing.state], ['warning', 'pass', 'fail']);
      assert.match(busy.value, new RegExp(`in use by \\w+ \\(process ${other.pid}\\)`));
      assert.match(
        free.value,
        /^640 x 360, first frame after \d+ ms; of \d+ modes it takes 640 x 360, yuv420p/,
      );
    } finally {
      other.kill('SIGKILL');
      await once(other, 'close');
    }
  },

  'leaves no process behind': async () => {
    const names = await Promise.all(
      (await readdir('/proc')).filter((name) => /^\d+$/.test(name)).map(commandOf),
    );
    assert.deepEqual(
      names.filter((name) => /ffmpeg|v4l2/.test(name)),
      [],
    );
  },
};

const execute = promisify(execFile);
/** Version 4.1 without shared libraries: under emulation it starts in a tenth of the time. */
const ffmpegPath = process.env.STATIC_FFMPEG!;
const small = { width: 640, height: 360, framesPerSecond: 10 };

async function read(path: string, options: CameraCaptureOptions, count: number) {
  const frames: CapturedFrame[] = [];
  const mismatches: CaptureMismatch[] = [];
  const controller = new AbortController();
  const listener = {
    dropped: ({ capturedAt }: { capturedAt: number }) => assert.fail(`dropped one of ${capturedAt}`),
    mismatched: (mismatch: CaptureMismatch) => mismatches.push(mismatch),
    damaged: ({ error }: { error: RelayError }) => assert.fail(error),
  };
  const capture = new CameraCapture(path, { ffmpegPath, ...options });
  for await (const frame of capture.frames(controller.signal, listener)) {
    frames.push(frame);
    if (frames.length === count) break;
  }
  return { frames, mismatches };
}

async function failureOf(path: string, options: CameraCaptureOptions): Promise<RelayError> {
  const error = await read(path, options, 1).then(
    () => undefined,
    (failure: RelayError) => failure,
  );
  assert.ok(error, 'it gave a frame');
  return error;
}

/** All of them as planes, each dated by the driver: not in the future, not before the one that came before. */
function assertPlanes(frames: readonly CapturedFrame[], width: number, height: number): void {
  let last = 0;
  for (const { image, clock, capturedAt, readAt } of frames) {
    assert.deepEqual([image.format, image.width, image.height, clock], ['yuv420p', width, height, 'device']);
    assert.equal(image.data.length, (width * height * 3) / 2);
    assert.ok(capturedAt <= readAt && capturedAt > last, `${last}, ${capturedAt}, read at ${readAt}`);
    last = capturedAt;
  }
  assert.ok(frames.length > 0);
}

/** What the driver itself says that it was set to; how fast frames come is a matter of the emulation. */
async function assertGranted(width: number, height: number, framesPerSecond: number): Promise<void> {
  const ask = ['--device', '/dev/video0', '--get-fmt-video', '--get-parm'];
  const { stdout } = await execute('v4l2-ctl', ask);
  assert.match(stdout, new RegExp(`Width/Height\\s*: ${width}/${height}\\n`));
  assert.match(stdout, new RegExp(`Frames per second: ${framesPerSecond.toFixed(3)} `));
}

/** With brightness 0 the colour bars have a third of their luma. */
function darkness({ image }: Pick<CapturedFrame, 'image'>): boolean {
  const luma = image.data.subarray(0, image.width * image.height);
  return luma.reduce((sum, value) => sum + value, 0) / luma.length < 70;
}

/**
 * Somebody else, with a clock of his own, makes the picture dark. The last bright frame may not be dated
 * after that, nor the first dark one before it, give or take a frame; however slowly frames are taken.
 */
async function blink(between: () => void): Promise<void> {
  const intervalMs = 1000 / small.framesPerSecond;
  const capture = new CameraCapture('/dev/video0', { ...small, ffmpegPath, controls: { brightness: 128 } });
  const script = 'sleep 1; date +%s%3N; v4l2-ctl --device /dev/video0 --set-ctrl brightness=0; date +%s%3N';
  let switched: Promise<{ stdout: string }> | undefined;
  let bright: CapturedFrame | undefined;
  for await (const frame of capture.frames(new AbortController().signal)) {
    switched ??= execute('sh', ['-c', script]);
    if (darkness(frame)) {
      const [before, after] = (await switched).stdout.trim().split('\n').map(Number);
      const dates = `${bright!.capturedAt} bright, ${frame.capturedAt} dark, switched ${before} to ${after}`;
      assert.equal(frame.clock, 'device');
      assert.ok(bright!.capturedAt <= after! + intervalMs, dates);
      assert.ok(frame.capturedAt >= before! - intervalMs, dates);
      break;
    }
    bright = frame;
    between();
  }
  await execute('v4l2-ctl', ['--device', '/dev/video0', '--set-ctrl', 'brightness=128']);
}

/** As udev does for a well-known webcam. */
async function withStableName(body: (path: string) => Promise<void>): Promise<void> {
  const folder = '/dev/v4l/by-id';
  const path = `${folder}/usb-046d_HD_Pro_Webcam_C920_8B1F3A9F-video-index0`;
  await mkdir(folder, { recursive: true });
  await symlink('../../video0', path);
  try {
    await body(path);
  } finally {
    await rm('/dev/v4l', { recursive: true });
  }
}

async function withoutV4lUtils<Result>(body: () => Promise<Result>): Promise<Result> {
  const { PATH } = process.env;
  const folder = await mkdtemp('/tmp/programs-');
  await symlink('/bin/sh', `${folder}/sh`);
  process.env.PATH = folder;
  try {
    return await body();
  } finally {
    process.env.PATH = PATH;
  }
}

/** Another program that has the first camera, and gets pictures from it. */
async function useCamera(): Promise<ChildProcess> {
  const input = ['-f', 'v4l2', '-framerate', '10', '-video_size', '320x180', '-i', '/dev/video0'];
  const other = spawn(ffmpegPath, ['-nostdin', ...input, '-f', 'null', '-']);
  await until(async () => /frame= *[1-9]/.test(String((await once(other.stderr, 'data'))[0])));
  other.stderr.resume();
  return other;
}

/** Takes the webcams away from their driver, or gives them back. */
async function plug(action: 'bind' | 'unbind'): Promise<void> {
  await writeFile(`/sys/bus/platform/drivers/vivid/${action}`, 'vivid.0');
}

async function control(name: string): Promise<string> {
  return (await execute('v4l2-ctl', ['--device', '/dev/video0', '--get-ctrl', name])).stdout.trim();
}

function isMode(encoding: string, width: number, height: number, framesPerSecond?: number) {
  return (mode: { encoding: string; width: number; height: number; rates?: readonly number[] }) =>
    mode.encoding === encoding &&
    mode.width === width &&
    mode.height === height &&
    (framesPerSecond === undefined || mode.rates?.includes(framesPerSecond));
}

async function commandOf(id: string): Promise<string> {
  return readFile(`/proc/${id}/comm`, 'utf8').catch(() => '');
}

async function until(condition: () => boolean | Promise<boolean>): Promise<void> {
  while (!(await condition())) await sleep(20);
}

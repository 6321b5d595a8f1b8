import type { FrameSourceOptions } from 'edge-relay';
import { choice, number, type OptionsOf, onOff, option, pairs, text, whole } from 'edge-relay-command-line';
import { z } from 'zod';

/** What holds for every camera, or in a file for one. */
export const cameraOptions = {
  loop: option(onOff().optional(), { text: 'begin again at the end of the source' }),
  realTime: option(onOff().optional(), { text: 'play a video at its own pace' }),
  framesPerSecond: option(number(0.001).optional(), {
    text: 'pace of pictures; asked of a camera',
    value: 'number',
  }),
  startTime: option(time().optional(), {
    text: 'when the recording began, such as 2026-01-31T12:00:00Z',
    value: 'time',
  }),
  width: option(whole(1).optional(), { text: 'of the camera, as asked for or expected', value: 'pixels' }),
  height: option(whole(1).optional(), { text: 'of the camera, as asked for or expected', value: 'pixels' }),
  exact: option(onOff().optional(), { text: 'ends where the camera gives another size or rate' }),
  inputFormat: option(choice('mjpeg', 'raw').optional(), {
    text: 'how a USB camera sends; what reaches the rate without it',
    value: 'format',
  }),
  controls: option(controls().optional(), {
    text: 'of a V4L2 camera, such as brightness=128',
    value: 'name=number,...',
    read: readControls,
  }),
  transport: option(choice('tcp', 'udp').optional(), { text: 'of RTSP', value: 'protocol' }),
  stallSeconds: option(number(0.001).optional(), {
    text: 'without a frame, after which a camera is started again',
    value: 'number',
  }),
  openSeconds: option(number(0.001).optional(), {
    text: 'to the first frame, after which a camera is started again',
    value: 'number',
  }),
};

/** The library's words for them; only for what was given, since it tells that from "given as undefined". */
export function frameSourceOptions(options: OptionsOf<typeof cameraOptions>): FrameSourceOptions {
  const { loop, realTime, framesPerSecond, startTime, width, height, exact } = options;
  const { inputFormat, controls, transport, stallSeconds, openSeconds } = options;
  return {
    ...(loop !== undefined && { loop }),
    ...(realTime !== undefined && { realTime }),
    ...(framesPerSecond !== undefined && { framesPerSecond }),
    ...(startTime !== undefined && { startTime }),
    ...(width !== undefined && { width }),
    ...(height !== undefined && { height }),
    ...(exact !== undefined && { exact }),
    ...(inputFormat !== undefined && { inputFormat }),
    ...(controls !== undefined && { controls }),
    ...(transport !== undefined && { transport }),
    ...(stallSeconds !== undefined && { stallMs: stallSeconds * 1000 }),
    ...(openSeconds !== undefined && { openMs: openSeconds * 1000 }),
  };
}

function controls() {
  const error = 'It must be names and numbers such as brightness=128,gain=10.';
  return z.record(z.string().regex(/^[a-z0-9_]+$/, { error }), z.int({ error }), { error });
}

function readControls(given: unknown): unknown {
  const read = pairs(given);
  if (typeof read !== 'object' || read === null) return read;
  return Object.fromEntries(
    Object.entries(read).map(([name, value]) => [name, /^-?\d+$/.test(`${value}`) ? Number(value) : value]),
  );
}

function time() {
  return text().transform((given, context) => {
    const value = new Date(given);
    if (!Number.isNaN(value.getTime())) return value;
    context.addIssue({ code: 'custom', message: 'It must be a time such as 2026-01-31T12:00:00Z.' });
    return z.NEVER;
  });
}

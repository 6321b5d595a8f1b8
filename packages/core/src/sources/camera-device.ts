import { constants } from 'node:fs';
import { open, readdir, readFile, readlink, realpath, stat } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { safeName } from '../identity';

/** What the system knows of a camera without asking it. */
export interface CameraDevice {
  /** What its driver calls it, such as `HD Pro Webcam C920`; empty where the system does not tell. */
  readonly label: string;
  /** What its USB port carries for a camera; left out for one that does not hang on USB 2 or slower. */
  readonly busBytesPerSecond?: number;
}

/** A high-bandwidth isochronous endpoint of USB 2 has 3 x 1024 bytes in each of 8000 microframes a second. */
const USB_2_BYTES_PER_SECOND = 3 * 1024 * 8000;
/** One of USB 1 has 1023 bytes in each of 1000 frames a second. */
const USB_1_BYTES_PER_SECOND = 1023 * 1000;

/**
 * What a camera is called that nobody has named: `/dev/video0` is `video0`, and
 * `/dev/v4l/by-id/usb-046d_HD_Pro_Webcam_C920_8B1F3A9F-video-index0` is `HD_Pro_Webcam_C920_8B1F3A9F`.
 */
export function nameOfDevice(path: string): string {
  const plain = basename(path)
    .replace(/^usb-(?:[0-9a-f]{4}_)?/, '')
    .replace(/-video-index0$/, '');
  return safeName(plain);
}

/** Opens a device and closes it again: what the system says to that is why people cannot use a camera. */
export async function tryToOpen(path: string): Promise<void> {
  await (await open(path, constants.O_RDWR | constants.O_NONBLOCK)).close();
}

/** Looks into what the kernel tells of every device; nothing of it is an error where it does not. */
export async function describeDevice(path: string): Promise<CameraDevice> {
  const { rdev } = await stat(path);
  // Linux keeps the major number in bits 8 to 19, the minor one in those around.
  const folder = `/sys/dev/char/${(rdev >> 8) & 0xfff}:${(rdev & 0xff) | ((rdev >> 12) & 0xfff00)}`;
  const label = await readText(join(folder, 'name'));
  // The device is a USB interface; the port's speed stands beside it.
  const port = dirname(await realpath(join(folder, 'device')).catch(() => '/'));
  const megabitsPerSecond = Number(await readText(join(port, 'speed')));
  if (!(megabitsPerSecond > 0) || megabitsPerSecond > 480) return { label };
  return {
    label,
    busBytesPerSecond: megabitsPerSecond < 480 ? USB_1_BYTES_PER_SECOND : USB_2_BYTES_PER_SECOND,
  };
}

/** Whether a device is (still) there. */
export async function isPluggedIn(path: string): Promise<boolean> {
  return stat(path).then(
    (found) => found.isCharacterDevice(),
    () => false,
  );
}

/** The device files of cameras, and of what else is video, in natural order. */
export async function listDevices(): Promise<string[]> {
  const names = await readdir('/dev').catch(() => []);
  return names
    .filter((name) => /^video\d+$/.test(name))
    .sort((left, right) => Number(left.slice(5)) - Number(right.slice(5)))
    .map((name) => join('/dev', name));
}

/** The programs that have a device open, of those processes that we may look into: `ffmpeg (process 123)`. */
export async function usersOf(path: string): Promise<string[]> {
  const device = await realpath(path).catch(() => path);
  const processes = (await readdir('/proc').catch(() => [])).filter((name) => /^\d+$/.test(name));
  const found = await Promise.all(
    processes.map(async (id) => {
      const folder = join('/proc', id, 'fd');
      const files = await readdir(folder).catch(() => []);
      const targets = await Promise.all(files.map((file) => readlink(join(folder, file)).catch(() => '')));
      if (!targets.includes(device)) return [];
      return [`${await readText(join('/proc', id, 'comm'))} (process ${id})`];
    }),
  );
  return found.flat();
}

async function readText(path: string): Promise<string> {
  return readFile(path, 'utf8').then(
    (text) => text.trim(),
    () => '',
  );
}

import { fileURLToPath } from 'node:url';
import { inspect } from 'node:util';
import { CameraCapture } from './camera-capture';
import type { Capture } from './capture';
import { assertCaptureOptions, type CaptureOptions } from './capture-options';
import { CommandCapture } from './command-capture';
import { withoutCredentials } from './credentials';
import { HttpCapture } from './http-capture';
import { ImageCapture } from './image-capture';
import { isRemoteFile } from './input-path';
import { PathCapture } from './path-capture';
import { isPattern, isPicturePath } from './picture-files';
import { VideoFile } from './video-file';
import { VideoStream } from './video-stream';

/** A command that writes JPEGs to its standard output: the program and its arguments. */
export interface CommandLocation {
  /** The program and its arguments; no shell is between. */
  readonly command: readonly string[];
}

interface Rule {
  readonly applies: (location: string) => boolean;
  readonly create: (location: string, options: CaptureOptions) => Capture;
}

/** Which capture a location gets: the first rule that applies. */
const RULES: readonly Rule[] = [
  {
    applies: (location) => /^\/dev\/(?!shm\/|fd\/)/.test(location),
    create: (location, options) => new CameraCapture(location, options),
  },
  {
    applies: (location) => location.startsWith('file:'),
    create: (location, options) => captureFor(fileURLToPath(location), options),
  },
  {
    applies: (location) => /^rtsps?:\/\//i.test(location),
    create: (location, options) => new VideoStream(location, options),
  },
  { applies: isRemoteFile, create: (location, options) => new VideoFile(location, options) },
  {
    applies: (location) => /^https?:\/\//i.test(location),
    create: (location, options) => new HttpCapture(location, options),
  },
  { applies: (location) => /^[a-z][a-z0-9+.-]+:\/\//i.test(location), create: notYet('such streams') },
  {
    applies: (location) => isPattern(location) || isPicturePath(location),
    create: (location, options) => new ImageCapture(location, options),
  },
  { applies: () => true, create: (location, options) => new PathCapture(location, options) },
];

/**
 * The capture for a location, without looking at the disk. A capture that is made already is taken as it
 * is. Throws a `TypeError` for what cannot be a location, and for options that do not go with it.
 */
export function captureFor(location: string | CommandLocation | Capture, options: CaptureOptions): Capture {
  if (isCapture(location)) {
    assertCaptureOptions(options, 'a capture that is made already', []);
    return location;
  }
  if (typeof location === 'object' && location !== null && 'command' in location) {
    return new CommandCapture(location.command, options);
  }
  if (typeof location !== 'string' || location === '') {
    throw new TypeError(
      `location must be a path, a URL, { command: [...] } or a capture, not ${inspect(location)}.`,
    );
  }
  return RULES.find(({ applies }) => applies(location))!.create(location, options);
}

function isCapture(location: unknown): location is Capture {
  const { describe, frames } = Object(location) as Partial<Capture>;
  return typeof describe === 'function' && typeof frames === 'function';
}

function notYet(what: string): Rule['create'] {
  return (location) => {
    throw new TypeError(
      `${withoutCredentials(location)}: ${what} are not supported; give an RTSP or HTTP stream, a command, a video file, a folder, a pattern or a picture, or a capture of your own.`,
    );
  };
}

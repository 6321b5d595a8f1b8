import type { Stats } from 'node:fs';
import { stat } from 'node:fs/promises';
import { basename, extname, resolve } from 'node:path';
import { messageOf, RelayError } from '../errors';
import { safeName } from '../identity';
import { withoutCredentials } from './credentials';

/** @throws {RelayError} `SOURCE_NOT_FOUND` where there is nothing, `SOURCE_FAILED` where it cannot be seen. */
export async function statInput(path: string, stage: string): Promise<Stats> {
  try {
    return await stat(path);
  } catch (error) {
    if (isMissing(error)) {
      const absolute = resolve(path);
      const where =
        absolute === path ? 'Check the path' : `Looked for as ${absolute}: check the working directory`;
      throw new RelayError(`There is no ${path}. ${where}.`, {
        code: 'SOURCE_NOT_FOUND',
        stage,
        cause: error,
      });
    }
    throw new RelayError(`${path} cannot be read (${messageOf(error)}). Check its permissions.`, {
      code: 'SOURCE_FAILED',
      stage,
      cause: error,
    });
  }
}

export function isMissing(error: unknown): boolean {
  const { code } = error as NodeJS.ErrnoException;
  return code === 'ENOENT' || code === 'ENOTDIR';
}

/** What a camera is called that nobody has named: `videos/front door.mp4` is `front-door`. */
export function nameOfPath(path: string): string {
  const base = basename(resolve(path));
  return safeName(base.slice(0, base.length - extname(base).length));
}

/** Addresses of recordings: they have an end, and can be read at any pace. */
const RECORDING = /\.(mp4|m4v|mov|mkv|webm|avi)$/i;

/** Whether a location is a video file on a web server: by its extension. */
export function isRemoteFile(location: string): boolean {
  return (
    /^https?:\/\//i.test(location) && URL.canParse(location) && RECORDING.test(new URL(location).pathname)
  );
}

/**
 * What a stream is called that nobody has named: `rtsp://10.0.0.5:554/front` is `10.0.0.5-front`.
 * @throws {TypeError} for what is no URL.
 */
export function nameOfUrl(url: string): string {
  if (!URL.canParse(url) || new URL(url).hostname === '') {
    throw new TypeError(
      `${withoutCredentials(url)} is not a URL such as rtsp://camera.example:554/stream. In user and password, write @ as %40, : as %3A and / as %2F.`,
    );
  }
  const { hostname, pathname } = new URL(url);
  // Some cameras have the password in the path.
  const path = withoutCredentials(pathname).includes('***') ? '' : pathname;
  return safeName(`${hostname.replaceAll(/[[\]]/g, '')}${path.replace(/\/+$/, '')}`);
}

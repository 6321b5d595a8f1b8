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

/** What a stream is called that nobody has named: `rtsp://10.0.0.5:554/front` is `10.0.0.5-front`. */
export function nameOfUrl(url: string): string {
  const { hostname, pathname } = new URL(url);
  // Some cameras have the password in the path.
  const path = withoutCredentials(pathname).includes('***') ? '' : pathname;
  return safeName(`${hostname.replaceAll(/[[\]]/g, '')}${path.replace(/\/+$/, '')}`);
}

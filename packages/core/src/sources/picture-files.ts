import { readdir } from 'node:fs/promises';
import { extname, join, sep } from 'node:path';
import { RelayError } from '../errors';
import { statInput } from './input-path';

const EXTENSIONS = new Set(['.jpg', '.jpeg', '.png', '.webp']);
const naturalOrder = new Intl.Collator('en', { numeric: true });

export function isPicturePath(path: string): boolean {
  return EXTENSIONS.has(extname(path).toLowerCase());
}

/** Whether a location is a pattern: `*` and `?` stand for parts of a name, `**` for any folders. */
export function isPattern(location: string): boolean {
  return /[*?]/.test(location);
}

/** The folder that a pattern looks into, and what it says of the paths below. */
export function splitPattern(pattern: string): { readonly folder: string; readonly rest: string } {
  const parts = pattern.split('/');
  const first = parts.findIndex(isPattern);
  const folder = parts.slice(0, first).join('/') || (pattern.startsWith('/') ? '/' : '.');
  return { folder, rest: parts.slice(first).join('/') };
}

/**
 * The pictures (by extension; hidden ones left out) of a folder without its subfolders, of a pattern, or
 * the one file that is named; in natural order, so that `2.jpg` comes before `10.jpg`.
 * @throws {RelayError} `SOURCE_NOT_FOUND`; `SOURCE_EMPTY` where there is none.
 */
export async function listPictures(location: string, stage: string): Promise<readonly string[]> {
  const { folder, rest } = isPattern(location) ? splitPattern(location) : { folder: location, rest: '*' };
  const isFolder = (await statInput(folder, stage)).isDirectory();
  if (!isFolder && folder === location) return [location];
  const names = isFolder ? await readdir(folder, { recursive: rest.includes('/') }) : [];
  const matches = matcherOf(rest);
  const pictures = names
    .map((name) => name.replaceAll(sep, '/'))
    .filter((name) => isPicturePath(name) && !/(^|\/)\./.test(name) && matches.test(name))
    .sort((left, right) => naturalOrder.compare(left, right) || (left < right ? -1 : 1));
  if (pictures.length === 0) {
    throw new RelayError(
      `There is no picture in ${location} (looked for ${[...EXTENSIONS].join(', ')}). Put some there, or name another place.`,
      { code: 'SOURCE_EMPTY', stage },
    );
  }
  return pictures.map((name) => join(folder, name));
}

function matcherOf(pattern: string): RegExp {
  const source = pattern
    .replaceAll(/[.+^${}()|[\]\\]/g, '\\$&')
    .replaceAll(/\*\*\/|\*\*|\*|\?/g, (wildcard) => {
      if (wildcard === '**/') return '(?:.*/)?';
      if (wildcard === '**') return '.*';
      return wildcard === '*' ? '[^/]*' : '[^/]';
    });
  return new RegExp(`^${source}$`);
}

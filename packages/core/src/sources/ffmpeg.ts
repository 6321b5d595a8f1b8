import { execFile } from 'node:child_process';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { RelayError } from '../errors';
import { findOnPath, isProgram } from './program-path';

const CURE =
  'Install it (apt-get install ffmpeg, or npm i @ffmpeg-installer/ffmpeg), or name the program with the option ffmpegPath or the environment variable FFMPEG_PATH.';

/**
 * The path of the ffmpeg program: the one that is named, else `FFMPEG_PATH` of the environment, else the
 * first on `PATH`, else the one of the npm package `@ffmpeg-installer/ffmpeg`.
 * @throws {RelayError} `FFMPEG_MISSING`, also when the named one is not there.
 */
export async function findFfmpeg(stage: string, ffmpegPath?: string): Promise<string> {
  const named = ffmpegPath ?? (process.env.FFMPEG_PATH || undefined);
  if (named !== undefined) {
    if (await isProgram(named)) return named;
    const origin =
      ffmpegPath === undefined ? 'the environment variable FFMPEG_PATH' : 'the option ffmpegPath';
    throw new RelayError(`There is no program ${named}, which ${origin} names. ${CURE}`, {
      code: 'FFMPEG_MISSING',
      stage,
    });
  }
  const onPath = await findOnPath('ffmpeg');
  if (onPath !== undefined) return onPath;
  const installed = installedFfmpeg();
  if (installed !== undefined && (await isProgram(installed))) return installed;
  throw new RelayError(`Video needs the program ffmpeg, and there is none here. ${CURE}`, {
    code: 'FFMPEG_MISSING',
    stage,
  });
}

/** Whether a program knows an option, such as `-fps_mode`: they come and go between versions. */
export function knowsOption(program: string, option: string): Promise<boolean> {
  const known = help.get(program) ?? readHelp(program);
  help.set(program, known);
  return known.then((text) => text.split('\n').some((line) => line.split(/[ <[]/, 1)[0] === option));
}

/** Whether lists of inputs can have options for each (the directive `option` of ffconcat, since 5.0). */
export function knowsListOptions(program: string): Promise<boolean> {
  const known = versions.get(program) ?? say(program, '-version');
  versions.set(program, known);
  return known.then((text) => Number(/^ffmpeg version n?(\d+)\./.exec(text)?.[1]) >= 5);
}

const help = new Map<string, Promise<string>>();
const versions = new Map<string, Promise<string>>();

function readHelp(program: string): Promise<string> {
  return say(program, '-hide_banner', '-h', 'long');
}

function say(program: string, ...args: string[]): Promise<string> {
  return new Promise((resolve) => {
    execFile(program, args, { maxBuffer: 16 << 20 }, (_, output) => resolve(output));
  });
}

/** The package is the application's, not ours: it is looked for from there first. */
function installedFfmpeg(): string | undefined {
  for (const from of [join(process.cwd(), 'index.js'), import.meta.url]) {
    try {
      return (createRequire(from)('@ffmpeg-installer/ffmpeg') as { path: string }).path;
    } catch {
      // Not installed, or without a binary for this platform: the next place, or the error with its cure.
    }
  }
  return undefined;
}

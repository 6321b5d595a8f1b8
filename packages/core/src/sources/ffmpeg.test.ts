import { chmod, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { packagedFfmpeg, temporaryFolder } from '../../test/media';
import { findFfmpeg, knowsOption } from './ffmpeg';

const temporary = temporaryFolder();

async function program(...path: string[]): Promise<string> {
  const file = join(await temporary.folder(path.slice(0, -1).join('/')), path.at(-1)!);
  await writeFile(file, '#!/bin/sh\nexit 0\n');
  await chmod(file, 0o755);
  return file;
}

describe('findFfmpeg', () => {
  const before = { ...process.env };
  beforeEach(() => {
    delete process.env.FFMPEG_PATH;
  });
  afterEach(() => {
    process.env = { ...before };
  });

  it('takes the option, then the environment, then PATH, then the npm package', async () => {
    const [option, named, onPath] = [
      await program('option', 'my-ffmpeg'),
      await program('named', 'my-ffmpeg'),
      await program('path', 'ffmpeg'),
    ];
    process.env.FFMPEG_PATH = named;
    process.env.PATH = `${join(temporary.path, 'none')}:${join(temporary.path, 'path')}`;
    expect(await findFfmpeg('camera', option)).toBe(option);
    expect(await findFfmpeg('camera')).toBe(named);
    process.env.FFMPEG_PATH = '';
    expect(await findFfmpeg('camera')).toBe(onPath);
    process.env.PATH = '';
    expect(await findFfmpeg('camera')).toBe(packagedFfmpeg);
  });

  it('takes nothing else where one is named that is not there', async () => {
    const missing = join(temporary.path, 'missing');
    await expect(findFfmpeg('camera', missing)).rejects.toMatchObject({
      code: 'FFMPEG_MISSING',
      message: expect.stringMatching(/missing, which the option ffmpegPath names\. Install it/),
    });
    process.env.FFMPEG_PATH = missing;
    await expect(findFfmpeg('camera')).rejects.toThrow(/environment variable FFMPEG_PATH names/);
  });
});

describe('knowsOption', () => {
  it('asks the program', async () => {
    expect(await knowsOption(packagedFfmpeg, '-vsync')).toBe(true);
    expect(await knowsOption(packagedFfmpeg, '-fps_mode')).toBe(false);
    expect(await knowsOption(packagedFfmpeg, '-no_such_option')).toBe(false);
  });
});

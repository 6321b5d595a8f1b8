/** FrameSource at 1080p30, MJPEG as it comes and H.264: processor percent, and latency from frame to detector, beside OpenCV; how late RTSP is dated. */
import { execFileSync, spawn, spawnSync } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { parseArgs } from 'node:util';
import { FrameSource } from 'edge-relay';
import * as coded from '../test/coded-picture';
import { RtspServer } from '../test/rtsp-server';

const { values } = parseArgs({ options: { seconds: { type: 'string', default: '15' } } });
const RATE = 30;
const frames = Math.round(Number(values.seconds) * RATE);
/** What a stream needs to begin is no part of its running. */
const WARM_UP = RATE;
const TICKS_PER_SECOND = 100;
/** Each frame has its number in it, as white and black blocks. */
const [BITS, BLOCK] = [12, 64];

const bench = join('packages', 'core', 'bench');
const folder = mkdtempSync(join(tmpdir(), 'edge-relay-bench-'));
const [jpegs, transport] = [join(folder, 'clip.mjpeg'), join(folder, 'clip.ts')];
const python = ['python3', '/usr/bin/python3'].find(
  (program) => spawnSync(program, ['-c', 'import cv2']).status === 0,
);
if (!python) console.error('Without python3-opencv there is nothing to compare with.');

interface Measured {
  /** Each frame: its number in the stream, and when it was there, in milliseconds since 1970. */
  readonly seen: readonly { readonly number: number; readonly at: number }[];
  /** Of one core, all processes of the capture together. */
  readonly processorPercent: number;
}

try {
  const bits = Array.from({ length: BITS }, (_, bit) => {
    const box = `drawbox=x=${bit * BLOCK}:y=0:w=${BLOCK}:h=${BLOCK}:t=fill`;
    return `${box}:color=black,${box}:color=white:enable='gt(mod(floor(n/${2 ** bit}),2),0)'`;
  });
  const clip = `testsrc2=size=1920x1080:rate=${RATE},${bits.join()}`;
  const picture = ['-f', 'lavfi', '-i', clip, '-frames:v', `${frames + 4 * RATE}`];
  const make = (...options: string[]) =>
    execFileSync('ffmpeg', ['-nostdin', '-loglevel', 'error', '-y', ...picture, ...options]);
  make('-c:v', 'mjpeg', '-pix_fmt', 'yuvj420p', '-q:v', '4', '-f', 'mjpeg', jpegs);
  make(
    '-c:v',
    'libx264',
    '-preset',
    'veryfast',
    '-tune',
    'zerolatency',
    '-pix_fmt',
    'yuv420p',
    '-g',
    `${RATE}`,
    '-b:v',
    '6M',
    transport,
  );
  const server = spawn(process.execPath, [join(bench, 'lib', 'stream-server.mjs'), jpegs, transport], {
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  const written: Record<string, number[]> = {};
  const port = await new Promise<number>((resolve) => {
    createInterface({ input: server.stdout }).on('line', (line) => {
      const [stream, number, at] = line.split(' ') as [string, string, string];
      if (stream === 'port') resolve(Number(number));
      else {
        if (number === '0') written[stream] = [];
        written[stream]!.push(Number(at));
      }
    });
  });
  for (const stream of ['/mjpeg', '/h264.ts']) {
    const url = `http://127.0.0.1:${port}${stream}`;
    const ours = await measure(url);
    report(stream, 'edge-relay', ours, written[stream]!);
    if (python) {
      const native = await measureNative(python, url);
      report(stream, `opencv ${native.version}`, native, written[stream]!);
    }
  }
  server.stdin.end();
  const imports = "import gi; gi.require_version('GstRtspServer', '1.0')";
  if (spawnSync('/usr/bin/python3', ['-c', imports]).status !== 0) {
    console.error('Without GStreamer’s RTSP server (gir1.2-gst-rtsp-server-1.0) its dates are left out.');
  } else for (const codec of ['mjpeg', 'h264', 'h264-b'] as const) await measureDates(codec);
} finally {
  rmSync(folder, { recursive: true });
}

async function measure(url: string): Promise<Measured> {
  const source = new FrameSource(url, { camera: 'bench' });
  const seen: { number: number; at: number }[] = [];
  let begin: { at: number; processor: number } | undefined;
  for await (const { image, sequence } of source) {
    // Where the detector would take it over. A JPEG is not decoded to read its number: the source counts, too.
    const at = Date.now();
    seen.push({ number: image.format === 'jpeg' ? sequence : numberOf(image.data, image.width), at });
    if (seen.length === WARM_UP) begin = { at: performance.now(), processor: processorSeconds() };
    if (seen.length < frames) continue;
    const seconds = (performance.now() - begin!.at) / 1000;
    return { seen, processorPercent: ((processorSeconds() - begin!.processor) / seconds) * 100 };
  }
  throw new Error('The stream has ended too soon.');
}

/** How much later than the camera took it a frame of RTSP is dated, and how much later still it is there. */
async function measureDates(codec: 'mjpeg' | 'h264' | 'h264-b'): Promise<void> {
  const server = await RtspServer.start({ codec }, join('packages', 'core', 'test', 'rtsp-server.py'));
  const late: number[] = [];
  const waited: number[] = [];
  for await (const { image, capturedAt } of new FrameSource(server.url(), { camera: 'bench' })) {
    const at = Date.now();
    const taken = server.times.get(await coded.numberOf(image));
    late.push(capturedAt - taken!);
    waited.push(at - taken!);
    if (late.length === WARM_UP + 150) break;
  }
  await server.close();
  console.log(
    JSON.stringify({
      benchmark: 'capture',
      stream: `rtsp ${codec}`,
      size: `${coded.CODED.width}x${coded.CODED.height}`,
      framesPerSecond: 25,
      frames: late.length,
      datedLateMilliseconds: spread(late.slice(WARM_UP)),
      latencyMilliseconds: spread(waited.slice(WARM_UP)),
    }),
  );
}

function numberOf(luma: Uint8Array, width: number): number {
  let number = 0;
  for (let bit = 0; bit < BITS; bit += 1) {
    if (luma[(BLOCK / 2) * width + bit * BLOCK + BLOCK / 2]! > 128) number |= 1 << bit;
  }
  return number;
}

/** Ours and that of the ffmpeg that we started, without the camera's. */
function processorSeconds(): number {
  const { user, system } = process.cpuUsage();
  const decoders = readdirSync('/proc').filter((pid) => /^\d+$/.test(pid) && isDecoder(pid));
  return (user + system) / 1e6 + decoders.reduce((sum, pid) => sum + ticksOf(pid) / TICKS_PER_SECOND, 0);
}

function isDecoder(pid: string): boolean {
  try {
    return (
      statOf(pid)[1] === String(process.pid) &&
      readFileSync(`/proc/${pid}/cmdline`, 'utf8').includes('rawvideo')
    );
  } catch {
    return false;
  }
}

/** The fields of proc(5) behind the name: state, parent, … */
function statOf(pid: string): string[] {
  return readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ').at(-1)!.split(' ');
}

function ticksOf(pid: string): number {
  const fields = statOf(pid);
  return Number(fields[11]) + Number(fields[12]);
}

function measureNative(program: string, url: string): Promise<Measured & { readonly version: string }> {
  const child = spawn(program, [join(bench, 'native-capture.py'), url, `${frames}`], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  return new Promise((resolve) => {
    let text = '';
    child.stdout.on('data', (chunk) => {
      text += chunk;
    });
    child.once('close', () => resolve(JSON.parse(text) as Measured & { version: string }));
  });
}

function report(
  stream: string,
  reader: string,
  { seen, processorPercent }: Measured,
  written: readonly number[],
): void {
  const latencies = seen.slice(WARM_UP).map(({ number, at }) => at - written[number]!);
  console.log(
    JSON.stringify({
      benchmark: 'capture',
      stream: stream.slice(1),
      size: '1920x1080',
      framesPerSecond: RATE,
      reader,
      frames: seen.length,
      missed: seen.at(-1)!.number - seen[0]!.number + 1 - seen.length,
      processorPercent: Math.round(processorPercent * 10) / 10,
      latencyMilliseconds: spread(latencies),
    }),
  );
}

function spread(values: readonly number[]) {
  const sorted = values.toSorted((left, right) => left - right);
  const at = (share: number) => Math.round(sorted[Math.floor((sorted.length - 1) * share)]! * 10) / 10;
  return { median: at(0.5), p95: at(0.95), most: at(1) };
}

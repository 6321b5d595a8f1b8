/** Frames a second, people found and bytes sent on made clips, beside the homework's loop; or one of `visitors`, `group`, `nobody`, `small`, `switches`, `passers-by [clips [first]]`, `soak [frames]`. */
import { spawn, spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import {
  type Detection,
  FaceDetector,
  type FaceDetectorOptions,
  FaceSelector,
  type Frame,
  FrameSource,
  type Message,
  pipeline,
} from 'edge-relay';
import { type ClipName, makeClip } from './lib/clips';
import { mebibytes, statusBytes } from './lib/process-memory';
import { VisitorsBook } from './lib/visitors-book';

interface Job {
  readonly clip: ClipName;
  readonly height: 1080 | 720;
  /** Cores that the process and its ffmpeg may use. */
  readonly cores: 1 | 2;
  readonly label: string;
  readonly options: FaceDetectorOptions;
  readonly decodeOnly?: boolean;
  /** Of the pictures; without, the selector's own. */
  readonly format?: 'png' | 'webp';
  /** Begins the clip anew until there are so many frames. */
  readonly frames?: number;
}

/** Resident, of the process without its ffmpeg: 350 MB. */
const MOST_MIB = mebibytes(350_000_000);

const core = join('packages', 'core');
const clips = join(core, 'node_modules', '.cache', 'clips');
const full = { height: 1080, cores: 2 } as const;

const jobs: readonly Job[] = [
  { ...full, clip: 'visitors', label: 'decoding alone', options: {}, decodeOnly: true },
  { ...full, clip: 'visitors', label: 'default', options: {} },
  { ...full, clip: 'group', label: 'default', options: {} },
  { ...full, clip: 'visitors', label: 'as PNG', options: {}, format: 'png' },
  { ...full, clip: 'nobody', label: 'default', options: {} },
  { ...full, clip: 'nobody in a room', label: 'default', options: {} },
  { ...full, clip: 'nobody at a canal', label: 'default', options: {} },
  { clip: 'visitors', height: 720, cores: 1, label: 'one core', options: { workers: 1 } },
];
/** What each of the switches does, and the plain mode without any. */
const switches: readonly Job[] = [
  { ...full, clip: 'visitors', label: 'without motionGate', options: { motionGate: false } },
  { ...full, clip: 'visitors', label: 'without fullLookMs', options: { fullLookMs: 0 } },
  { ...full, clip: 'visitors', label: 'without budgetMs', options: { budgetMs: 0 } },
  { ...full, clip: 'visitors', label: 'without closeLooks', options: { closeLooks: false }, frames: 60 },
  {
    ...full,
    clip: 'visitors',
    label: 'plain',
    options: { closeLooks: false, motionGate: false },
    frames: 60,
  },
];

const parts = ['visitors', 'group', 'nobody', 'small'];
const [mode = 'all', ...rest] = process.argv.slice(2);
const argument = rest[0] === '--frames' ? rest[1] : rest[0];
if (mode === 'job') {
  console.log(JSON.stringify(await measure(JSON.parse(argument!))));
} else if (mode === 'clips') {
  for (const { clip, height } of jobs) console.log((await makeClip(clip, clips, height)).path);
} else if (mode === 'soak') {
  await makeClip('visitors', clips, 1080);
  // To make a clip takes memory, which is not the pipeline's and stays with the process.
  const own = [...process.execArgv, process.argv[1]!, 'soak-alone', argument ?? '100000'];
  process.exitCode = spawnSync(process.execPath, own, { stdio: 'inherit' }).status ?? 1;
} else if (mode === 'soak-alone') {
  await soak(Number(argument));
} else if (mode === 'passers-by') {
  await passersBy(Number(argument ?? 6), Number(rest[1] ?? 1));
} else if (mode === 'switches') {
  await compare(switches);
} else if (mode === 'all' || parts.includes(mode)) {
  const isChosen = ({ clip, height }: Job) => (height === 720 ? 'small' : clip.split(' ')[0]) === mode;
  await compare(jobs.filter((job) => mode === 'all' || isChosen(job)));
} else {
  console.error(
    `There is no ${JSON.stringify(mode)}: leave it out, or say ${parts.join(', ')}, clips, switches, passers-by or soak.`,
  );
  process.exitCode = 2;
}

async function compare(chosen: readonly Job[]): Promise<void> {
  for (const { clip, height } of chosen) await makeClip(clip, clips, height);
  const homeworks = new Map<ClipName, Awaited<ReturnType<typeof runHomework>>>();
  for (const job of chosen) {
    const isCompared = (job.clip === 'visitors' || job.clip === 'group') && job.height === 1080;
    if (isCompared && chosen !== switches && !homeworks.has(job.clip))
      homeworks.set(job.clip, await runHomework(job.clip));
    const homework = homeworks.get(job.clip);
    const figures = await inProcess(job);
    const isComparable = homework && isCompared && !job.decodeOnly;
    console.log(
      JSON.stringify({
        ...figures,
        ...(isComparable && {
          timesHomework: ratio(figures.framesPerSecond, homework.framesPerSecond),
          homeworkBytesTimes: ratio(homework.bytes, figures.bytes),
        }),
      }),
    );
  }
}

/** Many people at random, by seeds: how many are missed, and how many pictures are of nobody. */
async function passersBy(count: number, first: number): Promise<void> {
  const sums = {
    frames: 0,
    people: 0,
    missed: 0,
    withoutPicture: 0,
    withSeveralPictures: 0,
    falsePictures: 0,
  };
  for (let seed = first; seed < first + count; seed += 1) {
    const clip = `passers-by ${seed}` as const;
    await makeClip(clip, clips, 1080);
    const figures = await inProcess({ ...full, clip, label: 'default', options: {} });
    console.log(JSON.stringify(figures));
    const { frames, people = 0, missed = [], falsePictures = 0 } = figures;
    const { withoutPicture = [], withSeveralPictures = [] } = figures;
    sums.frames += frames;
    sums.people += people;
    sums.missed += missed.length;
    sums.withoutPicture += withoutPicture.length;
    sums.withSeveralPictures += withSeveralPictures.length;
    sums.falsePictures += falsePictures;
  }
  console.log(JSON.stringify({ benchmark: 'video', label: 'all passers-by', ...sums }));
}

async function measure({ clip: name, height, options, label, cores, decodeOnly, frames, format }: Job) {
  const clip = await makeClip(name, clips, height);
  const detector = new FaceDetector(options);
  const selector = new FaceSelector({ policy: 'best', format });
  await detector.open();
  // Node compiles what is used most while it runs: the figures are those of a program that has run for a while.
  if (!decodeOnly) await pipeline(limited(new FrameSource(clip.path), 200), detector, { write() {} });
  const book = new VisitorsBook(clip);
  const memory = sampleMemory();
  const before = { stats: detector.stats, processor: processorMilliseconds(), at: performance.now() };
  let count = 0;
  let [pictures, bytes] = [0, 0];
  const source = limited(new FrameSource(clip.path, { startTime: new Date(0) }), frames ?? clip.frames);
  if (decodeOnly) for await (const _ of source) count += 1;
  else {
    const note = {
      transform: (detection: Detection) => {
        count += 1;
        book.note(detection.frame.sequence, detection.faces);
        return [detection];
      },
    };
    await pipeline(source, detector, note, selector, {
      write: ({ payload, properties }: Message) => {
        pictures += 1;
        bytes += payload.length;
        const [x, y, width, height] = String(properties.box).split(',').map(Number) as [
          number,
          number,
          number,
          number,
        ];
        book.notePicture(Number(properties.sequence), { x, y, width, height });
      },
    });
  }
  const milliseconds = performance.now() - before.at;
  const processor = processorMilliseconds() - before.processor;
  const { wholeLooks, fieldLooks, closeLooks, unchanged, milliseconds: searched } = detector.stats;
  await detector.close();
  return {
    benchmark: 'video',
    clip: name,
    size: `${clip.width}x${clip.height}`,
    label,
    cores,
    frames: count,
    framesPerSecond: round((count * 1000) / milliseconds),
    processorMillisecondsPerFrame: round(processor / count),
    ...(!decodeOnly && {
      searchMillisecondsPerFrame: round((searched - before.stats.milliseconds) / count),
      wholeLooks: wholeLooks - before.stats.wholeLooks,
      fieldLooks: fieldLooks - before.stats.fieldLooks,
      closeLooks: closeLooks - before.stats.closeLooks,
      unchanged: unchanged - before.stats.unchanged,
      ...book.summary(),
    }),
    pictures,
    bytes,
    ...memory(),
  };
}

/** As a process of its own, on so many cores, so that nothing of the one before is left. */
async function inProcess(job: Job): Promise<Awaited<ReturnType<typeof measure>>> {
  const own = [process.execPath, ...process.execArgv, process.argv[1]!, 'job', JSON.stringify(job)];
  const [program, ...args] = job.cores === 1 ? ['taskset', '-c', '0', ...own] : own;
  const child = spawn(program!, args, { stdio: ['ignore', 'pipe', 'inherit'] });
  let output = '';
  for await (const text of child.stdout.setEncoding('utf8')) output += text;
  return JSON.parse(output);
}

async function runHomework(name: ClipName) {
  const python = ['python3', '/usr/bin/python3'].find(
    (program) => spawnSync(program, ['-c', 'import cv2']).status === 0,
  );
  if (!python) {
    console.error("Without python3-opencv there is no homework's loop to compare with.");
    return undefined;
  }
  const { path } = await makeClip(name, clips, 1080);
  const cascade = join(core, 'cascades', 'haarcascade_frontalface_default.xml');
  const { stdout, stderr, status } = spawnSync(python, [join(core, 'bench', 'homework.py'), path, cascade], {
    encoding: 'utf8',
  });
  if (status !== 0) throw new Error(`homework.py failed: ${stderr}`);
  const { version, frames, faces, bytes, milliseconds, processorMilliseconds } = JSON.parse(stdout);
  const framesPerSecond = round((frames * 1000) / milliseconds);
  const figures = {
    frames,
    framesPerSecond,
    processorMillisecondsPerFrame: round(processorMilliseconds / frames),
  };
  console.log(
    JSON.stringify({
      benchmark: 'video',
      clip: name,
      label: "homework's loop",
      ...figures,
      pictures: faces,
      bytes,
      version,
    }),
  );
  return { framesPerSecond, bytes: bytes as number };
}

/** The same clip over and over, with the memory of the process; fails where it grows. */
async function soak(frames: number): Promise<void> {
  const clip = await makeClip('visitors', clips, 1080);
  const source = new FrameSource(clip.path, { loop: true });
  const detector = new FaceDetector();
  const selector = new FaceSelector({ policy: 'best' });
  const lines: number[] = [];
  let [count, pictures] = [0, 0];
  const step = Math.max(1, Math.round(frames / 20));
  let memory = sampleMemory();
  const startedAt = performance.now();
  const note = {
    transform: (detection: Detection) => {
      count += 1;
      if (count % step === 0) {
        const { residentMiB, ffmpegMiB } = memory();
        memory = sampleMemory();
        lines.push(residentMiB);
        const framesPerSecond = round((count * 1000) / (performance.now() - startedAt));
        const { heapBytes, recycled } = detector.stats;
        const opencvMiB = mebibytes(heapBytes);
        const figures = {
          frames: count,
          framesPerSecond,
          pictures,
          residentMiB,
          ffmpegMiB,
          opencvMiB,
          recycled,
        };
        console.log(JSON.stringify({ benchmark: 'video-soak', ...figures }));
      }
      return [detection];
    },
  };
  await pipeline(limited(source, frames), detector, note, selector, {
    write: () => {
      pictures += 1;
    },
  });
  memory();
  await detector.close();
  // Of the most in each twentieth: a moment in which the collector was late says nothing of growth.
  const median = (values: readonly number[]) => values.toSorted((a, b) => a - b)[values.length >> 1]!;
  const [early, late, most] = [median(lines.slice(2, 10)), median(lines.slice(12)), Math.max(...lines)];
  if (most < MOST_MIB && late < early * 1.05) return;
  console.error(
    `It held ${most} MiB at the most, ${early} MiB usually in the first half and ${late} MiB in the second; ${MOST_MIB} are allowed.`,
  );
  process.exitCode = 1;
}

async function* limited(source: FrameSource, frames: number): AsyncGenerator<Frame> {
  let count = 0;
  for await (const frame of source) {
    yield frame;
    count += 1;
    if (count === frames) return;
  }
}

/** The most resident memory, of this process and of its ffmpeg, until it is asked. */
function sampleMemory(): () => { residentMiB: number; ffmpegMiB: number } {
  const most = { own: 0, ffmpeg: 0 };
  const sample = () => {
    most.own = Math.max(most.own, statusBytes('self', 'VmRSS'));
    for (const child of children()) {
      try {
        most.ffmpeg = Math.max(most.ffmpeg, statusBytes(child, 'VmRSS'));
      } catch {
        // It has ended since.
      }
    }
  };
  const timer = setInterval(sample, 100);
  return () => {
    clearInterval(timer);
    sample();
    return { residentMiB: mebibytes(most.own), ffmpegMiB: mebibytes(most.ffmpeg) };
  };
}

function children(): number[] {
  return readFileSync(`/proc/self/task/${process.pid}/children`, 'utf8')
    .trim()
    .split(' ')
    .filter(Boolean)
    .map(Number);
}

/** Of this process and of its children that have ended: user and system time (proc(5), in ticks of 10 ms). */
function processorMilliseconds(): number {
  const fields = readFileSync('/proc/self/stat', 'utf8').split(') ')[1]!.split(' ');
  return fields.slice(11, 15).reduce((sum, ticks) => sum + Number(ticks) * 10, 0);
}

function round(value: number): number {
  return Math.round(value * 10) / 10;
}

function ratio(ours: number, theirs: number): number {
  return Math.round((ours / theirs) * 10) / 10;
}

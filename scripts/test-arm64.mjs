// npm run test:arm64: every class of the packed library, and the demo, with the Node, the native packages and the ffmpeg
// of arm64, under emulation. With --if-possible, a machine that cannot have the emulator says so and does not fail.
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { emulated, provideEmulator } from './emulator.mjs';
import { provideNode } from './nodes.mjs';
import { setup } from './setup.mjs';
import { capture, isOnPath, root, step } from './steps.mjs';

const core = join(root, 'packages', 'core');
const demo = join(root, 'packages', 'examples', 'demo');
/** Emulation takes ten times as long, and what hangs says nothing. */
const timeout = 300_000;

process.exitCode = await main();

async function main() {
  await setup({ quiet: true });
  const missing = isOnPath('mosquitto')
    ? await provideEmulator()
    : 'it takes a broker, apt-get install mosquitto';
  if (missing !== undefined) {
    console.log(`Left out: the library on arm64, for ${missing}.`);
    return process.argv.includes('--if-possible') ? 0 : 1;
  }
  const path = await provideNode(22, { platform: 'linux', arch: 'arm64' });
  if (path === undefined) return 1;
  const project = mkdtempSync(join(tmpdir(), 'edge-relay-arm64-'));
  try {
    return (await runAll(project, emulated('node', path))) ? 0 : 1;
  } finally {
    rmSync(project, { recursive: true, force: true });
  }
}

async function runAll(cwd, node) {
  if (!(await step('install the packed library and the demo for arm64', () => install(cwd)))) return false;
  const installed = join(cwd, 'node_modules');
  const ffmpeg = emulated('ffmpeg', join(installed, '@ffmpeg-installer', 'linux-arm64', 'ffmpeg'));
  const video = join(demo, 'dist', 'face.mp4');
  const used = await step('every class of the library on arm64', () =>
    useEveryClass(cwd, { node, ffmpeg, video }),
  );
  const lost = await step('the demo on arm64 loses nothing', () => runDemo(cwd, { node, ffmpeg, video }));
  return used && lost;
}

/** What npm chooses for a machine of arm64, as if it were run there. */
async function install(cwd) {
  const packed = await capture('npm', ['pack', '--json', '--pack-destination', cwd], { cwd: core });
  if (packed.code !== 0) return packed;
  const { version } = manifestOf(core);
  const { dependencies, optionalDependencies } = manifestOf(demo);
  const wanted = { ...dependencies, ...optionalDependencies, 'edge-relay': `file:edge-relay-${version}.tgz` };
  writeFileSync(
    join(cwd, 'package.json'),
    JSON.stringify({ private: true, type: 'module', dependencies: wanted }),
  );
  const machine = ['--os', 'linux', '--cpu', 'arm64', '--libc', 'glibc'];
  // Scripts of packages would run on the machine that is here.
  const quietly = ['--omit=dev', '--ignore-scripts', '--no-audit', '--no-fund', '--loglevel', 'error'];
  return capture('npm', ['install', ...machine, ...quietly], { cwd });
}

function manifestOf(folder) {
  return JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8'));
}

async function useEveryClass(cwd, { node, ffmpeg, video }) {
  cpSync(join(core, 'test', 'smoke.mjs'), join(cwd, 'smoke.mjs'));
  const program = "if (process.arch !== 'arm64') throw new Error(process.arch); await import('./smoke.mjs');";
  writeFileSync(join(cwd, 'main.mjs'), program);
  const { startMosquitto } = await import(join(core, 'dist', 'testing.js'));
  // Only the peer: it may be one of this machine.
  const broker = await startMosquitto();
  try {
    const photo = join(root, 'node_modules', 'tracking', 'examples', 'assets', 'faces.jpg');
    const env = { BROKER: broker.url, PHOTO: photo, VIDEO: video, FFMPEG: ffmpeg, NODE: node };
    return await capture(node, ['main.mjs'], { cwd, env, timeout });
  } finally {
    await broker.close();
  }
}

/** A second of its video; all of it would take ten minutes. */
async function runDemo(cwd, { node, ffmpeg, video }) {
  const second = join(cwd, 'second.mp4');
  const cut = ['-nostdin', '-loglevel', 'error', '-i', video, '-t', '1', '-c', 'copy', second];
  const isCut = await capture(ffmpeg, cut, { cwd, timeout });
  if (isCut.code !== 0) return isCut;
  mkdirSync(join(cwd, 'demo'));
  cpSync(join(demo, 'dist'), join(cwd, 'demo', 'dist'), { recursive: true });
  const args = [
    join('demo', 'dist', 'main.js'),
    '--source',
    second,
    '--store',
    'stored',
    '--json',
    'summary.json',
  ];
  const played = await capture(node, args, { cwd, env: { FFMPEG_PATH: ffmpeg }, timeout });
  if (played.code !== 0) return played;
  const { frames, faces, stored, lost } = JSON.parse(readFileSync(join(cwd, 'summary.json'), 'utf8'));
  const isWhole = frames > 0 && faces > 0 && stored === faces && lost === 0;
  return isWhole ? played : { code: 1, output: played.output };
}

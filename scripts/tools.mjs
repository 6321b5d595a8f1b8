// The system's programs that some test suites need: used where they are, installed where they can be.
import { spawnSync } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { hasPromtool, providePromtool } from './promtool.mjs';
import { capture, isOnPath, root, step } from './steps.mjs';
import { hasKernel, provideKernel } from './virtual-camera.mjs';

const tools = {
  systemd: { programs: ['systemd-analyze'], packages: ['systemd'] },
  'docker-compose': { programs: ['docker-compose'], packages: ['docker-compose'] },
  mosquitto: { programs: ['mosquitto', 'mosquitto_sub'], packages: ['mosquitto', 'mosquitto-clients'] },
  ffmpeg: { programs: ['ffmpeg'], packages: ['ffmpeg'] },
  'virtual camera': {
    programs: ['qemu-system-x86_64', 'busybox', 'modprobe', 'cpio', 'v4l2-ctl', 'ffmpeg'],
    packages: ['qemu-system-x86', 'busybox-static', 'kmod', 'cpio', 'v4l-utils', 'ffmpeg'],
  },
  chromium: { programs: ['chromium'], packages: ['chromium'] },
  'opencv-data': {
    programs: [],
    probe: ['ls', ['/usr/share/opencv4/haarcascades']],
    packages: ['opencv-data'],
  },
  ceph: {
    programs: ['ceph', 'ceph-mon', 'ceph-osd', 'radosgw'],
    packages: ['ceph-common', 'ceph-mon', 'ceph-osd', 'radosgw'],
  },
  rtsp: {
    programs: ['gst-launch-1.0'],
    packages: [
      ...['python3-gi', 'gir1.2-gst-rtsp-server-1.0', 'gstreamer1.0-tools'],
      ...['gstreamer1.0-plugins-base', 'gstreamer1.0-plugins-good', 'gstreamer1.0-plugins-ugly'],
    ],
    // What Python imports stands on no PATH.
    probe: [
      '/usr/bin/python3',
      [
        '-c',
        "import gi; gi.require_version('GstRtspServer', '1.0'); from gi.repository import GstRtspServer",
      ],
    ],
  },
  s3fs: { programs: ['s3fs'], packages: ['s3fs'] },
};

/** Installs the tools that tests ask for and that are missing, or says in a line which suites are left out. */
export async function provideTools() {
  const wanted = Object.keys(tools).filter((tool) => isMissing(tool) && isAskedFor(tool));
  if (wanted.length > 0) {
    const packages = wanted.flatMap((tool) => tools[tool].packages);
    if (await canInstall()) await step(`install ${packages.join(' ')}`, () => install(packages));
  }
  if (isAskedFor('virtual camera') && !hasKernel()) await fetchKernel();
  if (isAskedFor('promtool') && !hasPromtool()) await fetchPromtool();
  if (isAskedFor('registry') && !(await registryAnswers()))
    console.log(
      "Left out: the suite that installs the packed apps, for npm's registry cannot be reached (npm view mqtt).",
    );
  const missing = wanted.filter(isMissing);
  if (missing.length === 0) return;
  const cure = missing.flatMap((tool) => tools[tool].packages).join(' ');
  console.log(`Left out: the suites that need ${missing.join(', ')} (apt-get install ${cure}).`);
}

function isMissing(tool) {
  const { programs, probe } = tools[tool];
  return !programs.every(isOnPath) || (probe !== undefined && spawnSync(...probe).status !== 0);
}

/** Test files name the tool that they need: `describeWith('mosquitto', …)`. */
function isAskedFor(tool) {
  const folders = ['packages', 'test'].map((folder) => join(root, folder));
  const files = folders.flatMap((folder) =>
    readdirSync(folder, { recursive: true }).map((file) => join(folder, file)),
  );
  return files
    .filter((file) => file.endsWith('.test.ts') && !file.includes('node_modules'))
    .some((file) => readFileSync(file, 'utf8').includes(`describeWith('${tool}'`));
}

const asRoot = process.getuid?.() === 0 ? [] : ['sudo', '-n'];

async function canInstall() {
  if (!isOnPath('apt-get')) return false;
  if (asRoot.length === 0) return true;
  return isOnPath('sudo') && (await capture('sudo', ['-n', 'true'])).code === 0;
}

async function install(packages) {
  const updated = await aptGet('update');
  if (updated.code !== 0) return updated;
  return aptGet('install', '--yes', '--no-install-recommends', ...packages);
}

function aptGet(...args) {
  const [command, ...first] = [...asRoot, 'env', 'DEBIAN_FRONTEND=noninteractive', 'apt-get'];
  return capture(command, [...first, ...args]);
}

async function registryAnswers() {
  const ask = [
    'view',
    'mqtt',
    'version',
    '--prefer-online',
    '--fetch-retries',
    '0',
    '--fetch-timeout',
    '10000',
  ];
  return (await capture('npm', ask)).code === 0;
}

async function fetchPromtool() {
  if (await canInstall()) await aptGet('update');
  await providePromtool();
}

/** The virtual camera's machine is an x64 one and runs the Node that runs here. */
async function fetchKernel() {
  if (process.arch !== 'x64' || !isOnPath('apt-get')) {
    console.log("Left out: the suite that needs the virtual camera (an x64 machine with Debian's packages).");
    return;
  }
  if (await canInstall()) await aptGet('update');
  await step('fetch a kernel for the virtual camera', provideKernel);
}

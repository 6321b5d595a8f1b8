import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { describe } from 'vitest';

/** Where Debian's package opencv-data puts its folders of cascades. */
export const opencvData = '/usr/share/opencv4';

const programs = {
  ffmpeg: ['ffmpeg'],
  mosquitto: ['mosquitto', 'mosquitto_sub'],
  chromium: ['chromium'],
  systemd: ['systemd-analyze'],
  /** Prometheus' checker of rules, on the PATH or as `npm test` has fetched it. */
  promtool: [],
  'docker-compose': ['docker-compose'],
  /** The cascades of OpenCV, which are no program. */
  'opencv-data': [],
  ceph: ['ceph', 'ceph-mon', 'ceph-osd', 'radosgw'],
  'virtual camera': ['qemu-system-x86_64', 'busybox', 'modprobe', 'cpio', 'v4l2-ctl', 'ffmpeg'],
  /** GStreamer's RTSP server, driven from Python. */
  rtsp: ['gst-launch-1.0'],
  /** A bucket mounted as a folder, which takes the rights to mount one and Ceph for the bucket. */
  s3fs: ['s3fs', 'umount', 'ceph', 'ceph-mon', 'ceph-osd', 'radosgw'],
  /** npm's registry, which has to answer. */
  registry: ['npm', 'npx'],
  /** A disk of a size of our own, which takes the rights to mount one. */
  tmpfs: ['mount', 'umount'],
} as const;

/** Fetched by `npm test`; see scripts/virtual-camera.mjs. */
const kernel = fileURLToPath(
  new URL('../../../node_modules/.cache/virtual-camera/kernel/release', import.meta.url),
);

const fetchedPromtool = fileURLToPath(
  new URL('../../../node_modules/.cache/promtool/promtool', import.meta.url),
);
/** Where promtool is; see scripts/promtool.mjs. */
export const promtool = existsSync(fetchedPromtool) ? fetchedPromtool : 'promtool';

/** Something of the system that some tests need and a fresh machine may not have. */
export type Tool = keyof typeof programs;

/** Whether the tool is on this machine's PATH, and may be used. */
export function available(tool: Tool): boolean {
  if (!programs[tool].every((program) => spawnSync('which', [program]).status === 0)) return false;
  // The machine is an x64 one, and runs the Node and the ffmpeg that run here.
  if (tool === 'virtual camera') return process.arch === 'x64' && existsSync(kernel);
  if (tool === 'promtool') return spawnSync(promtool, ['--version']).status === 0;
  if (tool === 'registry') return registryAnswers();
  if (tool === 'opencv-data') return existsSync(opencvData);
  if (tool === 'rtsp') {
    const server =
      "import gi; gi.require_version('GstRtspServer', '1.0'); from gi.repository import GstRtspServer";
    return spawnSync('/usr/bin/python3', ['-c', server]).status === 0;
  }
  if (tool === 's3fs' && !existsSync('/dev/fuse')) return false;
  return (
    (tool !== 'tmpfs' && tool !== 's3fs') ||
    spawnSync('unshare', ['--mount', 'mount', '-t', 'tmpfs', 'tmpfs', '/mnt']).status === 0
  );
}

/** Asked for a package, since not every mirror answers a ping. */
function registryAnswers(): boolean {
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
  return spawnSync('npm', ask).status === 0;
}

/**
 * `describe` for a suite that needs a tool; without it the suite counts as skipped, which `npm test`
 * takes for a failure in CI.
 */
export function describeWith(tool: Tool, name: string, body: () => void): void {
  describe.skipIf(!available(tool))(name, body);
}

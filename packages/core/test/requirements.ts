import { spawnSync } from 'node:child_process';
import { describe } from 'vitest';

const programs = {
  ffmpeg: ['ffmpeg'],
  mosquitto: ['mosquitto', 'mosquitto_sub'],
  chromium: ['chromium'],
  ceph: ['ceph', 'ceph-mon', 'ceph-osd', 'radosgw'],
  /** A disk of a size of our own, which takes the rights to mount one. */
  tmpfs: ['mount', 'umount'],
} as const;

/** Something of the system that some tests need and a fresh machine may not have. */
export type Tool = keyof typeof programs;

/** Whether the tool is on this machine's PATH, and may be used. */
export function available(tool: Tool): boolean {
  if (!programs[tool].every((program) => spawnSync('which', [program]).status === 0)) return false;
  return (
    tool !== 'tmpfs' ||
    spawnSync('unshare', ['--mount', 'mount', '-t', 'tmpfs', 'tmpfs', '/mnt']).status === 0
  );
}

/**
 * `describe` for a suite that needs a tool; without it the suite counts as skipped, which `npm test`
 * takes for a failure in CI.
 */
export function describeWith(tool: Tool, name: string, body: () => void): void {
  describe.skipIf(!available(tool))(name, body);
}

// Prometheus' own checker of rules, out of Debian's package, without the server that comes with it: it is downloaded and
// unpacked into node_modules/.cache, and nothing of the machine changes.
import { existsSync, mkdirSync, mkdtempSync, readdirSync, renameSync, rmSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { capture, isOnPath, root, step } from './steps.mjs';

const promtool = join(root, 'node_modules', '.cache', 'promtool', 'promtool');

export function hasPromtool() {
  return isOnPath('promtool') || existsSync(promtool);
}

/** Fetches it where Debian's packages can be had; elsewhere says that it is left out. */
export async function providePromtool() {
  if (hasPromtool()) return;
  const canFetch = isOnPath('apt-get') && isOnPath('dpkg-deb');
  if (canFetch && (await step("fetch Prometheus' promtool", fetch))) return;
  console.log(
    'Left out: the suite that needs promtool (apt-get install prometheus, or put promtool on the PATH).',
  );
}

async function fetch() {
  mkdirSync(dirname(promtool), { recursive: true });
  const folder = mkdtempSync(join(dirname(promtool), 'package-'));
  try {
    // The user _apt may not write where we may.
    const download = ['-o', 'APT::Sandbox::User=root', 'download', 'prometheus'];
    const downloaded = await capture('apt-get', download, { cwd: folder });
    if (downloaded.code !== 0) return downloaded;
    const [archive] = readdirSync(folder);
    const unpacked = await capture('dpkg-deb', ['--extract', join(folder, archive), folder]);
    if (unpacked.code === 0) renameSync(join(folder, 'usr', 'bin', 'promtool'), promtool);
    return unpacked;
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

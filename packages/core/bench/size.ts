/** Megabytes of the library as npm installs it from its archive: all of it, without OpenCV, and what is largest. */
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { folderSize } from '../test/folder-size';

const LARGEST = 12;
const folder = mkdtempSync(join(tmpdir(), 'edge-relay-size-'));
try {
  writeFileSync(join(folder, 'package.json'), '{ "private": true }\n');
  const pack = ['pack', '--silent', '--pack-destination', folder];
  const archive = execFileSync('npm', pack, { cwd: join('packages', 'core'), encoding: 'utf8' }).trim();
  const args = ['install', '--omit=dev', '--no-audit', '--no-fund', join(folder, archive)];
  execFileSync('npm', args, { cwd: folder, stdio: 'ignore' });
  const sizes = packagesIn(folder).map(({ name, path }) => ({ name, megabytes: folderSize(path) / 1e6 }));
  const sum = (isCounted: (name: string) => boolean) =>
    rounded(sizes.reduce((total, { name, megabytes }) => total + (isCounted(name) ? megabytes : 0), 0));
  const [megabytes, withoutOpenCv] = [sum(() => true), sum((name) => name !== 'opencv-wasm')];
  console.log(JSON.stringify({ benchmark: 'size', packages: sizes.length, megabytes, withoutOpenCv }));
  const largest = sizes.sort((a, b) => b.megabytes - a.megabytes).slice(0, LARGEST);
  for (const { name, megabytes } of largest)
    console.log(JSON.stringify({ benchmark: 'size', package: name, megabytes: rounded(megabytes) }));
} finally {
  rmSync(folder, { recursive: true, force: true });
}

function packagesIn(project: string): { name: string; path: string }[] {
  const installed = join(project, 'node_modules');
  return readdirSync(installed, { recursive: true, encoding: 'utf8' })
    .filter((path) => /(^|\/node_modules\/)(@[^/]+\/)?[^@./][^/]*\/package\.json$/.test(path))
    .map((path) => join(path, '..'))
    .map((path) => ({ name: path.split('node_modules/').at(-1)!, path: join(installed, path) }));
}

function rounded(megabytes: number): number {
  return Math.round(megabytes * 10) / 10;
}

// Nodes of other versions and machines: the npm packages that carry Node's binaries, in node_modules/.cache.
import { existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { capture, root, step } from './steps.mjs';

/** Resolves with the path of the newest Node of a major version, or with undefined where it cannot be had. */
export async function provideNode(major, { platform = process.platform, arch = process.arch } = {}) {
  const name = `node-${platform}-${arch}`;
  const folder = join(root, 'node_modules', '.cache', 'nodes', `${major}`);
  const path = join(folder, 'node_modules', name, 'bin', 'node');
  if (existsSync(path)) return path;
  mkdirSync(folder, { recursive: true });
  if (!existsSync(join(folder, 'package.json')))
    writeFileSync(join(folder, 'package.json'), '{ "private": true }\n');
  // The native Node and the one of another machine stand side by side; npm may take neither for wrong.
  const args = ['install', '--no-audit', '--no-fund', '--ignore-scripts', '--force', `${name}@${major}`];
  const installed = await step(`install Node ${major} (${arch})`, () =>
    capture('npm', args, { cwd: folder }),
  );
  return installed ? path : undefined;
}

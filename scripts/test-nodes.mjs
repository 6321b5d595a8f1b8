// npm run test:nodes: every class of the packed library once on each Node that it promises to run on. They come from the
// registry, as the npm packages that carry Node's binaries, into node_modules/.cache.
import { existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setup } from './setup.mjs';
import { capture, isOnPath, program, root, run, step } from './steps.mjs';

const majors = [20, 22, 24];

await setup({ quiet: true });
if (!isOnPath('mosquitto')) throw new Error('It needs a broker: apt-get install mosquitto.');
const paths = [];
for (const major of majors) paths.push(await provideNode(major));
const file = join('packages', 'core', 'test', 'nodes.test.ts');
process.exitCode = await run(program('vitest'), ['run', '--reporter=verbose', file], {
  env: { EDGE_RELAY_TEST_NODES: paths.join(':') },
});

/** Resolves with the path of the newest Node of a major version. */
async function provideNode(major) {
  const folder = join(root, 'node_modules', '.cache', 'nodes', `${major}`);
  const name = `node-${process.platform}-${process.arch}`;
  const path = join(folder, 'node_modules', name, 'bin', 'node');
  if (existsSync(path)) return path;
  mkdirSync(folder, { recursive: true });
  writeFileSync(join(folder, 'package.json'), '{ "private": true }\n');
  const args = ['install', '--no-audit', '--no-fund', '--ignore-scripts', `${name}@${major}`];
  const installed = await step(`install Node ${major}`, () => capture('npm', args, { cwd: folder }));
  if (!installed) process.exit(1);
  return path;
}

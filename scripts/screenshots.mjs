// npm run screenshots: bundles what lies in the folders test/screenshots and runs it; it writes the pictures in docs/images.
// npm run screenshots -- preview takes those only whose names begin so.
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { setup } from './setup.mjs';
import { capture, program, root, run } from './steps.mjs';

await setup({ quiet: true });
const [only = ''] = process.argv.slice(2);
for (const tests of [join(root, 'test'), join(root, 'packages', 'core', 'test')]) {
  for (const file of readdirSync(join(tests, 'screenshots')).filter((name) => name.startsWith(only))) {
    process.exitCode ||= await take(tests, file);
  }
}

async function take(tests, file) {
  const source = join(tests, 'screenshots', file);
  // Where its imports find the apps, and the packages, that they look for.
  const bundle = join(tests, '.screenshots.mjs');
  const options = [
    '--bundle',
    '--platform=node',
    '--format=esm',
    '--packages=external',
    '--log-level=warning',
  ];
  const { code, output } = await capture(program('esbuild'), [source, ...options, `--outfile=${bundle}`]);
  if (code !== 0) console.error(output);
  return code === 0 ? run(process.execPath, [bundle, root]) : code;
}

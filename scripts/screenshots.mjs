// npm run screenshots: bundles test/screenshots/gallery.ts and runs it; it writes the pictures in docs/images.
import { join } from 'node:path';
import { setup } from './setup.mjs';
import { capture, program, root, run } from './steps.mjs';

await setup({ quiet: true });
// Beside the apps that it starts, as seen from test/.
const bundle = join(root, 'test', '.screenshots.mjs');
const source = join(root, 'test', 'screenshots', 'gallery.ts');
const options = ['--bundle', '--platform=node', '--format=esm', '--packages=external', '--log-level=warning'];
const { code, output } = await capture(program('esbuild'), [source, ...options, `--outfile=${bundle}`]);
if (code !== 0) console.error(output);
process.exitCode = code === 0 ? await run(process.execPath, [bundle, root]) : code;

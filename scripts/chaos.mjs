// npm run chaos -- --minutes 30 --seed 1: bundles test/chaos/main.ts and runs it; --help shows the options.
import { join } from 'node:path';
import { setup } from './setup.mjs';
import { capture, program, root, run } from './steps.mjs';

await setup({ quiet: true });
const bundle = join(root, 'node_modules', '.cache', 'chaos', 'main.mjs');
const source = join(root, 'test', 'chaos', 'main.ts');
const options = ['--bundle', '--platform=node', '--format=esm', '--packages=external', '--log-level=warning'];
const { code, output } = await capture(program('esbuild'), [source, ...options, `--outfile=${bundle}`]);
if (code !== 0) console.error(output);
process.exitCode = code === 0 ? await run(process.execPath, [bundle, ...process.argv.slice(2)]) : code;

// npm run demo: sets up what is needed and runs the demo app with the remaining arguments.
import { join } from 'node:path';
import { setup } from './setup.mjs';
import { run } from './steps.mjs';

await setup();
const app = join('packages', 'examples', 'demo', 'dist', 'main.js');
process.exitCode = await run(process.execPath, [app, ...process.argv.slice(2)]);

// npm run check: lint, types, and whether the library could be published as it is.
import { join } from 'node:path';
import { lintAndTypes } from './checks.mjs';
import { setup } from './setup.mjs';
import { capture, program, root, step } from './steps.mjs';

await setup();
const core = join('packages', 'core');
const cwd = join(root, core);
const failed = await lintAndTypes();
const results = [
  await step('publint', () =>
    capture(program('publint', core), ['run', '--strict', '--pack', 'npm'], { cwd }),
  ),
  await step('types of the package', () => capture(program('attw', core), ['--pack', '.'], { cwd })),
];
process.exitCode = failed === 0 && results.every(Boolean) ? 0 : 1;

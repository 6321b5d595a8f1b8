// Lint and types: what both `npm test` and `npm run check` look at.
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { capture, packageFolders, program, root, step } from './steps.mjs';

/** Resolves with how many of the checks have failed. */
export async function lintAndTypes() {
  const results = [await step('lint', () => capture(program('biome'), ['check', '--error-on-warnings']))];
  for (const folder of ['.', 'test', ...packageFolders()]) {
    if (!existsSync(join(root, folder, 'tsconfig.json'))) continue;
    results.push(
      await step(`types ${folder}`, () => capture(program('tsc'), ['--noEmit', '--project', folder])),
    );
  }
  return results.filter((succeeded) => !succeeded).length;
}

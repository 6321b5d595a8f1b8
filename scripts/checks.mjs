// Lint and types: what both `npm test` and `npm run check` look at.
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { capture, packageFolders, program, root, step } from './steps.mjs';

/** Resolves with how many of the checks have failed. */
export async function lintAndTypes() {
  const results = [await step('lint', () => capture(program('biome'), ['check', '--error-on-warnings']))];
  const folders = ['.', 'test', ...packageFolders()];
  const waiting = folders.filter((folder) => existsSync(join(root, folder, 'tsconfig.json'))).values();
  // The compiler uses one core, and has no need of the others: two at a time.
  const checkTypes = async () => {
    for (const folder of waiting) {
      const command = ['--noEmit', '--project', folder];
      results.push(await step(`types ${folder}`, () => capture(program('tsc'), command)));
    }
  };
  await Promise.all([checkTypes(), checkTypes()]);
  return results.filter((succeeded) => !succeeded).length;
}

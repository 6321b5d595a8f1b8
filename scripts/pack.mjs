// npm run pack: archives of the library and the examples, for npm to install on a machine without the clone.
// npm run pack -- FOLDER puts them there, in place of `archives`.
import { existsSync, readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { setup } from './setup.mjs';
import { capture, packageFolders, root, step } from './steps.mjs';

await setup();
const destination = resolve(process.argv[2] ?? 'archives');
const { packageManager } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));
// npm would leave `workspace:*` as it is, which nobody can install outside of the workspace.
const pack = ['--yes', packageManager, 'pack', '--pack-destination', destination];
for (const folder of packageFolders().filter(isBuilt)) {
  const packed = await step(`pack ${folder}`, () => capture('npx', pack, { cwd: join(root, folder) }));
  if (!packed) process.exit(1);
}
console.log(`They are in ${destination}.`);

/** What has no build of its own is part of the others. */
function isBuilt(folder) {
  return existsSync(join(root, folder, 'tsup.config.ts'));
}

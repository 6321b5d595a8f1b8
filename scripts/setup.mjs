// Installs what the workspace needs and builds it, each only where something has changed.
import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { capture, packageFolders, program, root, step } from './steps.mjs';

/** `quiet` prints only what fails. Ends the process where setting up is impossible. */
export async function setup({ quiet = false } = {}) {
  if (!isInstalled()) {
    const { packageManager } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));
    // Under `npm run -s` npm would be silent here, too, of what goes wrong.
    const install = ['--yes', '--loglevel=error', packageManager, 'install', '--frozen-lockfile'];
    await orExit(step('install', () => capture('npx', install), { quiet }));
  }
  for (const folder of packageFolders().filter(hasBuild)) {
    if (isBuilt(folder)) continue;
    const build = () => capture(program('tsup'), ['--silent'], { cwd: join(root, folder) });
    await orExit(step(`build ${folder}`, build, { quiet }));
  }
}

async function orExit(succeeded) {
  if (!(await succeeded)) process.exit(1);
}

/** pnpm keeps a copy of the lock file that it has installed. */
function isInstalled() {
  const installed = join(root, 'node_modules', '.pnpm', 'lock.yaml');
  return existsSync(installed) && readFileSync(installed).equals(readFileSync(join(root, 'pnpm-lock.yaml')));
}

function hasBuild(folder) {
  return existsSync(join(root, folder, 'tsup.config.ts'));
}

function isBuilt(folder) {
  const dist = join(root, folder, 'dist');
  if (!existsSync(dist) || readdirSync(dist).length === 0) return false;
  const built = Math.min(...readdirSync(dist).map((name) => statSync(join(dist, name)).mtimeMs));
  // A package without a build of its own is bundled into the apps.
  const bundled = folder.includes('examples') ? packageFolders().filter((other) => !hasBuild(other)) : [];
  const sources = [folder, ...bundled].flatMap((source) =>
    ['src', 'package.json', 'tsup.config.ts'].map((name) => join(root, source, name)),
  );
  return sources.filter(existsSync).every((source) => newest(source) < built);
}

/** When a file, or anything in a folder, last changed; a folder changes when a file leaves it. */
function newest(path) {
  const entries = statSync(path).isDirectory() ? readdirSync(path) : [];
  return Math.max(statSync(path).mtimeMs, ...entries.map((name) => newest(join(path, name))));
}

if (import.meta.url === pathToFileURL(process.argv[1]).href) await setup();

import { existsSync, readdirSync, readFileSync, realpathSync, statSync } from 'node:fs';
import { dirname, join } from 'node:path';

/** What the files in a folder and below hold, in bytes; packages inside it (`node_modules`) do not count. */
export function folderSize(folder: string): number {
  const sizes = readdirSync(folder, { withFileTypes: true }).map((entry) => {
    const path = join(folder, entry.name);
    if (entry.isDirectory()) return entry.name === 'node_modules' ? 0 : folderSize(path);
    return entry.isFile() ? statSync(path).size : 0;
  });
  return sizes.reduce((sum, size) => sum + size, 0);
}

/** The folders of what a package needs to run, and of what that needs, as they are installed, by name and version. */
export function dependenciesOf(folder: string, found = new Map<string, string>()): Map<string, string> {
  const { dependencies, optionalDependencies } = manifestOf(folder);
  for (const name of Object.keys({ ...dependencies, ...optionalDependencies })) {
    const installed = findPackage(name, folder);
    // An optional one may be for other machines.
    if (installed === undefined && optionalDependencies?.[name] !== undefined) continue;
    if (installed === undefined) throw new Error(`${name}, which ${folder} needs, is not installed.`);
    const key = `${name} ${manifestOf(installed).version}`;
    if (found.has(key)) continue;
    found.set(key, installed);
    dependenciesOf(installed, found);
  }
  return found;
}

interface Manifest {
  readonly version: string;
  readonly dependencies?: Readonly<Record<string, string>>;
  readonly optionalDependencies?: Readonly<Record<string, string>>;
}

function manifestOf(folder: string): Manifest {
  return JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8'));
}

/** Where Node would look: in the `node_modules` of the folder, and of each above it. */
function findPackage(name: string, folder: string): string | undefined {
  const path = join(folder, 'node_modules', name);
  if (existsSync(path)) return realpathSync(path);
  return dirname(folder) === folder ? undefined : findPackage(name, dirname(folder));
}

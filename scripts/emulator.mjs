// Programs of arm64 Linux on an x64 one: Debian's qemu and the C and C++ libraries that such programs load. Packages are
// downloaded and unpacked into node_modules/.cache, with lists of packages of our own: nothing of the machine changes.
import { existsSync, mkdirSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { capture, isOnPath, root, step } from './steps.mjs';

const folder = join(root, 'node_modules', '.cache', 'arm64');
const [qemu, libraries] = [join(folder, 'usr', 'bin', 'qemu-aarch64-static'), join(folder, 'libraries')];
const packages = ['qemu-user-static:amd64', 'libc6:arm64', 'libstdc++6:arm64', 'libgcc-s1:arm64'];

/** Resolves with why there can be no emulator here, or with undefined once it is there. */
export async function provideEmulator() {
  if (existsSync(join(folder, 'complete'))) return undefined;
  if (process.platform !== 'linux' || process.arch !== 'x64') return 'it takes an x64 Linux';
  if (!isOnPath('apt-get') || !isOnPath('dpkg-deb')) return "it takes Debian's packages";
  const fetched = await step("fetch Debian's qemu and libraries for arm64", fetch);
  return fetched ? undefined : `apt-get cannot fetch ${packages.join(' ')} here`;
}

/**
 * Makes an arm64 program one that can be started here, as `name` in a folder of such programs. A script, because the
 * kernel starts no program of another machine by itself.
 */
export function emulated(name, path) {
  const programs = join(folder, 'bin');
  mkdirSync(programs, { recursive: true });
  const script = `#!/bin/sh\nexec '${qemu}' -L '${libraries}' '${path}' "$@"\n`;
  writeFileSync(join(programs, name), script, { mode: 0o755 });
  return join(programs, name);
}

async function fetch() {
  rmSync(folder, { recursive: true, force: true });
  const [state, cache] = [join(folder, 'state'), join(folder, 'cache')];
  mkdirSync(join(state, 'lists', 'partial'), { recursive: true });
  mkdirSync(join(cache, 'archives', 'partial'), { recursive: true });
  writeFileSync(join(state, 'status'), '');
  const settings = [
    ...[`Dir::State=${state}`, `Dir::State::Lists=${join(state, 'lists')}`],
    ...[`Dir::State::Status=${join(state, 'status')}`, `Dir::Cache=${cache}`],
    // The user _apt may not write where we may.
    ...['APT::Architectures=amd64,arm64', 'APT::Sandbox::User=root'],
  ].flatMap((setting) => ['-o', setting]);
  const steps = [
    () => capture('apt-get', [...settings, 'update']),
    () => capture('apt-get', [...settings, 'download', ...packages], { cwd: cache }),
    () => unpack(cache),
  ];
  for (const next of steps) {
    const done = await next();
    if (done.code !== 0) return done;
  }
  for (const used of [state, cache]) rmSync(used, { recursive: true });
  writeFileSync(join(folder, 'complete'), '');
  return { code: 0, output: '' };
}

/** Of qemu the one program: it comes with those of thirty machines more, 370 MB. */
async function unpack(cache) {
  mkdirSync(libraries);
  const archives = readdirSync(cache).filter((name) => name.endsWith('.deb'));
  for (const archive of archives) {
    const path = join(cache, archive);
    const done = archive.startsWith('qemu')
      ? await capture(
          'sh',
          ['-c', 'dpkg-deb --fsys-tarfile "$1" | tar -x "$2"', 'sh', path, './usr/bin/qemu-aarch64-static'],
          { cwd: folder },
        )
      : await capture('dpkg-deb', ['--extract', path, libraries]);
    if (done.code !== 0) return done;
  }
  return existsSync(qemu)
    ? { code: 0, output: '' }
    : { code: 1, output: 'The package qemu-user-static holds no qemu-aarch64-static.' };
}

// What the scripts share. Nothing is installed when they start, so they use Node alone.
import { spawn, spawnSync } from 'node:child_process';
import { existsSync, readdirSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import { fileURLToPath } from 'node:url';

export const root = fileURLToPath(new URL('..', import.meta.url));

/** Where Debian keeps servers such as mosquitto; the PATH of an ordinary user leaves it out. */
const environment = { ...process.env, PATH: [process.env.PATH, '/usr/sbin'].join(delimiter) };

/** A program of a workspace package's own dependencies. */
export function program(name, packageFolder = '.') {
  return join(root, packageFolder, 'node_modules', '.bin', name);
}

/** Resolves with the exit code; the program's output goes where ours goes. */
export function run(command, args, { cwd = root, env = {} } = {}) {
  return new Promise((resolve, reject) => {
    const child = spawn(command, args, { cwd, stdio: 'inherit', env: { ...environment, ...env } });
    child.once('error', reject);
    child.once('exit', (code, signal) => resolve(signal ? 1 : code));
  });
}

/** Resolves with the exit code and everything the program has written; it is ended after `timeout` milliseconds. */
export function capture(command, args, { cwd = root, env = {}, timeout } = {}) {
  return new Promise((resolve, reject) => {
    const options = { cwd, stdio: ['ignore', 'pipe', 'pipe'], env: { ...environment, ...env }, timeout };
    const child = spawn(command, args, options);
    const chunks = [];
    child.stdout.on('data', (chunk) => chunks.push(chunk));
    child.stderr.on('data', (chunk) => chunks.push(chunk));
    child.once('error', reject);
    child.once('close', (code) => resolve({ code: code ?? 1, output: Buffer.concat(chunks).toString() }));
  });
}

export function isOnPath(command) {
  return spawnSync('which', [command], { stdio: 'ignore', env: environment }).status === 0;
}

/** Runs one step and prints a line with how it went and how long it took; its output only when it failed. */
export async function step(title, work, { quiet = false } = {}) {
  const started = performance.now();
  const { code, output } = await work();
  const seconds = ((performance.now() - started) / 1000).toFixed(1);
  if (code !== 0) console.error(output.trimEnd());
  if (code !== 0 || !quiet) console.log(`${code === 0 ? '✓' : '✗'} ${title} (${seconds} s)`);
  return code === 0;
}

/** The folders of the workspace's packages, the library first, because the others are built on it. */
export function packageFolders() {
  const examples = join('packages', 'examples');
  const folders = existsSync(join(root, examples))
    ? readdirSync(join(root, examples)).map((name) => join(examples, name))
    : [];
  return [join('packages', 'core'), ...folders].filter((folder) =>
    existsSync(join(root, folder, 'package.json')),
  );
}

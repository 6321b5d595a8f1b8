// npm run bench -- <name> [arguments]: bundles packages/core/bench/<name>.ts and runs it; alone, it lists them.
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { setup } from './setup.mjs';
import { capture, program, root, run } from './steps.mjs';

const folder = join(root, 'packages', 'core', 'bench');
const [name, ...args] = process.argv.slice(2);
const source = join(folder, `${name}.ts`);

if (name === undefined) {
  list();
} else if (!existsSync(source)) {
  console.error(`There is no benchmark ${JSON.stringify(name)}. There are:`);
  list();
  process.exitCode = 2;
} else if (args.includes('--help')) {
  help();
} else {
  await setup({ quiet: true });
  process.exitCode = await runBenchmark();
}

async function runBenchmark() {
  const core = join(root, 'packages', 'core');
  const bundle = join(core, 'node_modules', '.cache', 'bench', `${name}.mjs`);
  const { code, output } = await capture(program('esbuild'), [
    source,
    '--bundle',
    '--platform=node',
    '--format=esm',
    '--packages=external',
    // A package cannot import itself by name from within node_modules.
    `--alias:edge-relay=${join(core, 'dist', 'index.js')}`,
    `--alias:edge-relay/testing=${join(core, 'dist', 'testing.js')}`,
    `--external:${join(core, 'dist')}/*`,
    `--outfile=${bundle}`,
    '--log-level=warning',
  ]);
  if (code !== 0) {
    console.error(output);
    return code;
  }
  return run(process.execPath, ['--expose-gc', bundle, ...args]);
}

function list() {
  for (const file of readdirSync(folder).filter((entry) => entry.endsWith('.ts'))) {
    const text = readFileSync(join(folder, file), 'utf8');
    console.log(`${file.slice(0, -'.ts'.length).padEnd(20)} ${summaryOf(text)}`);
  }
}

/** What the benchmark's own source says of its options. */
function help() {
  const text = readFileSync(source, 'utf8');
  console.log(`npm run bench -- ${name}: ${summaryOf(text)}`);
  const option =
    /(?:\/\*\*((?:(?!\*\/)[\s\S])*)\*\/\s*)?'?([\w-]+)'?: \{ type: '(string|boolean)'(?:, default: ('.*?'|\w+))? \}/g;
  for (const [, comment = '', key, type, value] of text.matchAll(option)) {
    const words = comment.replaceAll(/\s*\n\s*\*?\s*/g, ' ').trim();
    const flag = `--${key}${type === 'string' ? ` ${value ?? "''"}` : ''}`;
    console.log(`  ${flag.padEnd(28)} ${words}`);
  }
}

function summaryOf(text) {
  return /\/\*\*\s*(?:\*\s*)?(.*?)\s*(?:\*\/|\n)/.exec(text)?.[1] ?? '';
}

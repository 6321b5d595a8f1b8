/** How long `import 'edge-relay'` and `require('edge-relay')` take in a fresh process, in milliseconds. */
import { execFileSync } from 'node:child_process';
import { join } from 'node:path';

const runs = 30;
const programs = {
  esm: "await import('edge-relay')",
  cjs: "require('edge-relay')",
};

for (const [module, program] of Object.entries(programs)) {
  const input = `--input-type=${module === 'esm' ? 'module' : 'commonjs'}`;
  const timed = `
    const started = performance.now();
    const before = process.cpuUsage();
    ${program};
    const { user, system } = process.cpuUsage(before);
    console.log(JSON.stringify([performance.now() - started, (user + system) / 1000]));`;
  // Within its own folder a package can import itself by name.
  const cwd = join('packages', 'core');
  const measured = Array.from({ length: runs }, () => {
    const output = execFileSync(process.execPath, [input, '--eval', timed], { cwd, encoding: 'utf8' });
    return JSON.parse(output) as [wall: number, processor: number];
  });
  const milliseconds = summary(measured.map(([wall]) => wall));
  const processorMilliseconds = summary(measured.map(([, processor]) => processor));
  console.log(JSON.stringify({ benchmark: 'import', module, runs, milliseconds, processorMilliseconds }));
}

function summary(values: readonly number[]) {
  const sorted = values.toSorted((a, b) => a - b);
  const round = (value: number) => Math.round(value * 10) / 10;
  return { median: round(sorted[runs / 2]!), slowest: round(sorted.at(-1)!) };
}

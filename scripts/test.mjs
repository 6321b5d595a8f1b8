// npm test: sets up what is needed, then lint, types and every test. Further arguments go to vitest.
import { readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { lintAndTypes } from './checks.mjs';
import { setup } from './setup.mjs';
import { program, root, run } from './steps.mjs';
import { provideTools } from './tools.mjs';

const report = join(root, '.vitest-results.json');

await setup();
await provideTools();
const failedChecks = await lintAndTypes();
const { passed, failed, skipped } = await runTests(process.argv.slice(2));
const allFailed = failed + failedChecks;
if (passed + failed === 0) console.error('No test has run.');
if (process.env.CI && skipped > 0) console.error('In CI nothing may be skipped.');
const succeeded = passed > 0 && allFailed === 0 && !(process.env.CI && skipped > 0);
console.log(`${passed} passed, ${allFailed} failed, ${skipped} skipped`);
process.exitCode = succeeded ? 0 : 1;

async function runTests(args) {
  rmSync(report, { force: true });
  const reporters = ['--reporter=default', '--reporter=json', `--outputFile.json=${report}`];
  const code = await run(program('vitest'), ['run', ...reporters, ...args]);
  const { testResults, numPassedTests: passed, numPendingTests, numTodoTests } = readReport();
  const tests = testResults.flatMap((file) => file.assertionResults);
  // A file that cannot be loaded, or whose hook fails, fails without a test of its own.
  const broken = testResults.filter(
    (file) => file.status === 'failed' && !file.assertionResults.some(isFailed),
  );
  const failed = tests.filter(isFailed).length + broken.length;
  // Vitest has more reasons to fail, an unhandled rejection for one.
  const other = code !== 0 && failed === 0 ? 1 : 0;
  return { passed, failed: failed + other, skipped: numPendingTests + numTodoTests };
}

function isFailed(test) {
  return test.status === 'failed';
}

function readReport() {
  try {
    return JSON.parse(readFileSync(report, 'utf8'));
  } catch {
    // Vitest itself has failed, and said why.
    return { testResults: [], numPassedTests: 0, numPendingTests: 0, numTodoTests: 0 };
  }
}

// What runs on the machine with the webcams: every check, its result a line of JSON behind `check: `.
import { checks } from './checks';

const LIMIT_MS = 90_000;
const wanted = process.argv[2] ?? '';

for (const [name, check] of Object.entries(checks).filter(([title]) => title.includes(wanted))) {
  const started = performance.now();
  const error = await within(LIMIT_MS, check()).then(
    () => undefined,
    (failure: Error) => failure.stack ?? String(failure),
  );
  const milliseconds = Math.round(performance.now() - started);
  console.log(`check: ${JSON.stringify({ name, milliseconds, ...(error !== undefined && { error }) })}`);
}
process.exit(0);

function within(milliseconds: number, work: Promise<void>): Promise<void> {
  return new Promise((resolve, reject) => {
    setTimeout(() => reject(new Error(`not done after ${milliseconds} ms`)), milliseconds).unref();
    work.then(resolve, reject);
  });
}

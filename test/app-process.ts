import { once } from 'node:events';
import { onTestFinished } from 'vitest';
import { type AppName, type AppProcess, type LaunchOptions, launchApp } from './app-launch';
import { until } from './until';

export type { AppProcess } from './app-launch';
export { until } from './until';

/** Starts one of the built apps for the test that runs: it does not outlive it, however the test ends. */
export function startApp(app: AppName, args: readonly string[], options: LaunchOptions = {}): AppProcess {
  const started = launchApp(app, args, options);
  onTestFinished(async () => {
    const { child } = started;
    if (child.exitCode !== null || child.signalCode !== null) return;
    child.kill('SIGKILL');
    // Not until its output is closed: a program that it has started may hold that.
    await once(child, 'exit');
  });
  return started;
}

/** Resolves with the address under which an app with `--metrics` is watched. */
export async function watched(app: AppProcess): Promise<string> {
  const address = () => /metrics at (\S+)\/metrics/.exec(app.log)?.[1];
  await until(
    () => address() !== undefined,
    () => app.log,
  );
  return address()!;
}

import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';

export interface AppProcess {
  readonly child: ChildProcess;
  /** What it has written to standard error so far: its log, as a person would read it. */
  readonly log: string;
  readonly output: string;
  /** Its exit code, or the name of the signal that ended it. */
  readonly ended: Promise<number | string>;
}

const running = new Set<ChildProcess>();
process.once('exit', () => {
  for (const child of running) child.kill('SIGKILL');
});

/** Starts one of the built apps as a process of its own, without settings from our environment. */
export function startApp(
  app: 'edge-pipeline' | 'cloud-sink' | 'demo',
  args: readonly string[],
  { env = {}, cwd }: { env?: Record<string, string>; cwd?: string } = {},
): AppProcess {
  const main = fileURLToPath(new URL(`../packages/examples/${app}/dist/main.js`, import.meta.url));
  const clean = Object.fromEntries(
    Object.entries(process.env).filter(([name]) => !name.startsWith('EDGE_RELAY_')),
  );
  const child = spawn(process.execPath, [main, ...args], {
    env: { ...clean, ...env },
    cwd,
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  running.add(child);
  let log = '';
  let output = '';
  child.stderr.on('data', (text: Buffer) => {
    log += text;
  });
  child.stdout.on('data', (text: Buffer) => {
    output += text;
  });
  const ended = once(child, 'close').then(([code, signal]) => {
    running.delete(child);
    return code ?? signal;
  });
  return {
    child,
    ended,
    get log() {
      return readable(log);
    },
    get output() {
      return output;
    },
  };
}

/** Lines of JSON as `time name level message`; whatever else there is as it is. */
function readable(log: string): string {
  return log.replaceAll(/^\{.*\}$/gm, (line) => {
    const { time, name, level, msg } = JSON.parse(line) as Record<string, string>;
    return `${time} ${name} ${level} ${msg}`;
  });
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

/** Resolves when `condition` holds; rejects with `what` after so many milliseconds. */
export async function until(
  condition: () => boolean | Promise<boolean>,
  what: () => string,
  timeoutMs = 60_000,
): Promise<void> {
  const deadline = performance.now() + timeoutMs;
  while (!(await condition())) {
    if (performance.now() > deadline) throw new Error(`not so after ${timeoutMs} ms: ${what()}`);
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}

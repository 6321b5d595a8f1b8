import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';

export type AppName = 'edge-pipeline' | 'cloud-sink' | 'demo';

export interface LaunchOptions {
  readonly env?: Record<string, string>;
  readonly cwd?: string;
}

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

/**
 * Starts one of the built apps as a process of its own, without settings from our environment. It ends with our process;
 * a test takes `startApp()`.
 */
export function launchApp(
  app: AppName,
  args: readonly string[],
  { env = {}, cwd }: LaunchOptions = {},
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

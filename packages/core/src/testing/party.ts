import { type ChildProcess, spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import { listening } from './listening';
import { findMosquitto } from './mosquitto';

/** One of several processes that work together, to be killed and started again. */
export interface Party {
  /** How it is called in reports. */
  readonly name: string;
  /** Starts it; resolves when it is ready. */
  start(): Promise<ChildProcess>;
}

/** How the program is started, and who hears what it prints. */
export interface ProgramOptions {
  /** More variables of the environment. @default none */
  readonly env?: Readonly<Record<string, string>>;
  /** Is told each line of its standard output but the one that says `ready`. @default nobody is */
  readonly onLine?: (line: string) => void;
}

/** A party that is a program which prints a line `ready` when it is. Its standard error goes where ours goes. */
export function programParty(
  name: string,
  command: string,
  args: readonly string[],
  { env = {}, onLine = () => {} }: ProgramOptions = {},
): Party {
  return {
    name,
    start: () =>
      new Promise((resolve, reject) => {
        const stdio = ['ignore', 'pipe', 'inherit'] as const;
        const child = spawn(command, [...args], { env: { ...process.env, ...env }, stdio: [...stdio] });
        child.once('error', reject);
        child.once('exit', (code, signal) => {
          reject(new Error(`${name} ended with ${code ?? signal} before it was ready.`));
        });
        createInterface(child.stdout!).on('line', (line) => {
          if (line === 'ready') resolve(child);
          else onLine(line);
        });
      }),
  };
}

/** A party that is a Mosquitto as it comes: without a configuration file, on loopback. */
export function mosquittoParty(name: string, port: number): Party {
  return {
    name,
    start: async () => {
      const program = findMosquitto();
      if (!program) throw new Error('mosquitto is not installed: apt-get install mosquitto');
      const child = spawn(program, ['-p', String(port)], { stdio: ['ignore', 'ignore', 'pipe'] });
      let log = '';
      child.stderr.on('data', (text: Buffer) => {
        log = (log + text).slice(-10_000);
      });
      await listening(port, () => child.exitCode !== null && `${name} ended at once:\n${log}`);
      return child;
    },
  };
}

import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { build } from 'tsup';

/** A process of its own that writes, and says a line for each thing that is safe, until it is killed. */
export interface WriterProcess {
  readonly child: ChildProcess;
  /** The lines that it has said so far. */
  lines(): string[];
  /** Kills it so many milliseconds after its first line; resolves with all its lines when it is gone. */
  killAfter(milliseconds: number): Promise<string[]>;
  /** Resolves with all its lines when it has ended by itself. @throws where it failed */
  end(): Promise<string[]>;
}

/** Bundles a program of this folder, with nothing of the test runner in it; resolves with its path. */
export async function bundleWriter(name: string): Promise<string> {
  // Where it finds the packages that it does not carry along.
  const outDir = fileURLToPath(new URL(`../node_modules/.cache/${name}`, import.meta.url));
  await build({
    entry: { writer: fileURLToPath(new URL(`${name}.ts`, import.meta.url)) },
    config: false,
    format: 'esm',
    target: 'node20',
    skipNodeModulesBundle: true,
    outDir,
    outExtension: () => ({ js: '.mjs' }),
    silent: true,
  });
  return `${outDir}/writer.mjs`;
}

/** Starts a program of `bundleWriter()`. */
export function startWriter(program: string, ...args: readonly (string | number)[]): WriterProcess {
  const child = spawn(process.execPath, [program, ...args.map(String)], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const output: Buffer[] = [];
  child.stdout.on('data', (chunk: Buffer) => output.push(chunk));
  const closed = once(child, 'close');
  const begun = Promise.race([once(child.stdout, 'data'), closed]);
  const lines = () => Buffer.concat(output).toString().split('\n').slice(0, -1);
  const end = async () => {
    const [code] = await closed;
    if (code) throw new Error(`The writer failed by itself, with exit code ${code}.`);
    return lines();
  };
  const killAfter = async (milliseconds: number) => {
    await begun;
    await Promise.race([delay(milliseconds), closed]);
    child.kill('SIGKILL');
    return end();
  };
  return { child, lines, killAfter, end };
}

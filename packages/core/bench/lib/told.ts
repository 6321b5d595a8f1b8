import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { setTimeout as pause } from 'node:timers/promises';
import { statusBytes } from './process-memory';

/** One of our processes, and what it has told last. */
export class Told {
  figures: Readonly<Record<string, number>> = {};
  /** The most memory of its own that it was seen to have, in bytes. */
  maximumAnon = 0;
  readonly #child: ChildProcess;

  private constructor(child: ChildProcess) {
    this.#child = child;
    const sampling = setInterval(() => this.#sample(), 50);
    child.once('exit', () => clearInterval(sampling));
    createInterface(child.stdout!).on('line', (line) => {
      this.figures = line.startsWith('{') ? JSON.parse(line) : this.figures;
    });
  }

  /** Starts a script that prints `ready`, and from then on lines of JSON. It ends when we do. */
  static async start(script: string, args: readonly (string | number)[]): Promise<Told> {
    const child = spawn(process.execPath, [...process.execArgv, script, ...args.map(String)], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    process.once('exit', () => child.kill());
    await once(child.stdout, 'data');
    return new Told(child);
  }

  get pid(): number {
    return this.#child.pid!;
  }

  /** Resolves when what it tells is so; rejects after ten minutes. */
  async until(
    condition: (figures: Readonly<Record<string, number>>) => boolean,
    what: string,
  ): Promise<void> {
    const deadline = performance.now() + 600_000;
    while (!condition(this.figures)) {
      if (performance.now() > deadline) throw new Error(`still not so: ${what}`);
      await pause(20);
    }
  }

  end(signal: NodeJS.Signals = 'SIGTERM'): void {
    this.#child.kill(signal);
  }

  #sample(): void {
    try {
      this.maximumAnon = Math.max(this.maximumAnon, statusBytes(this.pid, 'RssAnon'));
    } catch {
      // It has just ended.
    }
  }
}

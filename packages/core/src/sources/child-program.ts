import type { ChildProcess } from 'node:child_process';
import type { Readable } from 'node:stream';
import { messageOf } from '../errors';
import { free } from '../memory';
import { withoutCredentials } from './credentials';
import { ProgramGuard } from './program-guard';

const KEPT_LINES = 12;
/** A program that writes without end and without a line break is not collected for ever. */
const LONGEST_LINE = 4_000;
const INTERRUPT_MS = 1_000;

/** How a run of a program ended. */
export interface ChildExit {
  /** The exit code (127: there is no such program); undefined when it was killed. */
  readonly code: number | undefined;
  /** What killed it, if anything did. */
  readonly signal?: NodeJS.Signals;
  /** The last lines it wrote on standard error, without the credentials of URLs. */
  readonly lastLines: readonly string[];
}

export interface ChildProgramOptions {
  /** Hears of each line on standard error. */
  readonly onLine?: (line: string) => void;
  /** What the program reads from its standard input, which ends after that. @default nothing */
  readonly input?: string;
  /** `stop()` lets the program put its device in order first: SIGINT, and a second later SIGKILL. @default false */
  readonly interrupt?: boolean;
}

/**
 * A running program with all that it starts itself. It ends with `stop()`, by itself, or with our process,
 * whichever is first: also where that is killed, and where the program writes nothing and would not notice.
 */
export class ChildProgram {
  /** Whoever does not read it makes the program wait. */
  readonly output: Readable;
  /** Resolves when the program and its guard have ended and its last words are read; never rejects. */
  readonly exit: Promise<ChildExit>;
  readonly #child: ChildProcess;
  readonly #interrupt: boolean;
  #killing: NodeJS.Timeout | undefined;
  #isStopped = false;
  #hasExited = false;

  constructor(program: string, args: readonly string[], options: ChildProgramOptions = {}) {
    const { onLine, input, interrupt = false } = options;
    const guard = new ProgramGuard(interrupt, () => this.#signal('SIGKILL'));
    const child = guard.spawn(program, args);
    child.stdin!.on('error', () => {});
    child.stdin!.end(input ?? '');
    this.#child = child;
    this.#interrupt = interrupt;
    this.output = child.stdout!;
    const lastLines: string[] = [];
    readLines(child.stderr!, (text) => {
      const line = withoutCredentials(text);
      onLine?.(line);
      lastLines.push(line);
      if (lastLines.length > KEPT_LINES) lastLines.shift();
    });
    keepTrack(this, child);
    const ended = new Promise<ChildExit>((resolve) => {
      child.once('error', (error) => lastLines.push(messageOf(error)));
      // What the program has started and left behind would keep its pipes open.
      child.once('exit', () => {
        this.#signal('SIGKILL');
        this.#hasExited = true;
        if (this.#isStopped) child.stderr!.destroy();
      });
      child.once('close', (code, signal) => {
        clearTimeout(this.#killing);
        resolve({ code: code ?? undefined, ...(signal && { signal }), lastLines });
      });
    });
    this.exit = ended.then(async (exit) => {
      await guard.release();
      return exit;
    });
  }

  /**
   * What the program writes, as it comes. A chunk is empty once the next one is asked for: waiting for the
   * collector, the 64 KiB that each of them lies in would have it run every fifth frame of a video.
   */
  async *chunks(): AsyncGenerator<Buffer, void> {
    for await (const chunk of this.output as AsyncIterable<Buffer>) {
      yield chunk;
      free(chunk);
    }
  }

  /** Ends the program. Idempotent. */
  stop(): void {
    this.#isStopped = true;
    if (!this.#interrupt) {
      this.kill();
    } else if (!this.#killing) {
      this.#signal('SIGINT');
      this.#killing = setTimeout(() => this.kill(), INTERRUPT_MS);
    }
    // Behind the signal, or it would end by the broken pipe. An unread pipe would keep `close` from coming, and so
    // would one that a runaway holds.
    this.output.destroy();
    if (this.#hasExited) this.#child.stderr!.destroy();
  }

  /** Ends the program at once. Idempotent. */
  kill(): void {
    this.#signal('SIGKILL');
  }

  #signal(signal: NodeJS.Signals): void {
    const { pid } = this.#child;
    // Its number may be another's by now.
    if (pid === undefined || this.#hasExited) return;
    if (!ProgramGuard.isSupported) {
      this.#child.kill(signal);
      return;
    }
    try {
      process.kill(-pid, signal);
    } catch {
      // The whole group has ended already.
    }
  }
}

function readLines(stream: Readable, onLine: (line: string) => void): void {
  let rest = '';
  stream.setEncoding('utf8');
  stream.on('data', (text: string) => {
    const lines = (rest + text).split(/[\r\n]+/);
    rest = lines.pop()!.slice(-LONGEST_LINE);
    for (const line of lines) if (line !== '') onLine(line.slice(0, LONGEST_LINE));
  });
  stream.on('end', () => {
    if (rest !== '') onLine(rest);
  });
}

const running = new Set<ChildProgram>();

function killAll(): void {
  for (const program of running) program.kill();
}

function keepTrack(program: ChildProgram, child: ChildProcess): void {
  if (running.size === 0) process.on('exit', killAll);
  running.add(program);
  child.once('close', () => {
    running.delete(program);
    if (running.size === 0) process.off('exit', killAll);
  });
}

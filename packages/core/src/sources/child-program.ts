import { type ChildProcess, spawn } from 'node:child_process';
import type { Readable } from 'node:stream';
import { messageOf } from '../errors';

const KEPT_LINES = 12;

/** How a run of a program ended. */
export interface ChildExit {
  /** The exit code; undefined when it was killed or never started. */
  readonly code: number | undefined;
  /** The last lines it wrote, without the credentials of URLs. */
  readonly lastLines: readonly string[];
}

/** A running program. It ends with `stop()`, by itself, or with our process, whichever is first. */
export class ChildProgram {
  /** Whoever does not read it makes the program wait. */
  readonly output: Readable;
  /** Resolves when the program has ended and its last words are read; never rejects. */
  readonly exit: Promise<ChildExit>;
  readonly #child: ChildProcess;

  /**
   * @param onLine hears of each line on standard error.
   */
  constructor(program: string, options: readonly string[], onLine?: (line: string) => void) {
    const child = spawn(program, options, { stdio: ['ignore', 'pipe', 'pipe'], windowsHide: true });
    this.#child = child;
    this.output = child.stdout;
    const lastLines: string[] = [];
    readLines(child.stderr, (text) => {
      const line = withoutCredentials(text);
      onLine?.(line);
      lastLines.push(line);
      if (lastLines.length > KEPT_LINES) lastLines.shift();
    });
    keepTrack(child);
    this.exit = new Promise((resolve) => {
      child.once('error', (error) => lastLines.push(messageOf(error)));
      child.once('close', (code) => resolve({ code: code ?? undefined, lastLines }));
    });
  }

  /** Ends the program at once. Idempotent. */
  stop(): void {
    // An unread pipe would keep `close` from coming.
    this.output.destroy();
    this.#child.kill('SIGKILL');
  }
}

/** `rtsp://user:secret@host` as `rtsp://***@host`. */
export function withoutCredentials(text: string): string {
  return text.replaceAll(/([a-z][a-z0-9+.-]*:\/\/)[^\s/]+@/gi, '$1***@');
}

function readLines(stream: Readable, onLine: (line: string) => void): void {
  let rest = '';
  stream.setEncoding('utf8');
  stream.on('data', (text: string) => {
    const lines = (rest + text).split(/[\r\n]+/);
    rest = lines.pop() ?? '';
    for (const line of lines) if (line !== '') onLine(line);
  });
  stream.on('end', () => {
    if (rest !== '') onLine(rest);
  });
}

const running = new Set<ChildProcess>();

function killAll(): void {
  for (const child of running) child.kill('SIGKILL');
}

function keepTrack(child: ChildProcess): void {
  if (running.size === 0) process.on('exit', killAll);
  running.add(child);
  child.once('close', () => {
    running.delete(child);
    if (running.size === 0) process.off('exit', killAll);
  });
}

import { type ChildProcess, spawn } from 'node:child_process';
import type { Writable } from 'node:stream';

/**
 * Waits until it is told which process group to guard, and then for a word that it need not. Where the pipe
 * ends without that word, we have ended without being able to do anything about it (SIGKILL, out of
 * memory): it ends the group in our place.
 */
const WATCHER = `
read -r group || exit
read -r done && exit
if [ "$1" = interrupt ]; then
  kill -s INT -- "-$group" && sleep 1
fi
kill -s KILL -- "-$group"
`;
/** By its path (POSIX systems have it there): the PATH of a service may name no folder with a shell. */
const SHELL = '/bin/sh';
/** Becomes the program once it is told that the program is guarded; never, where we end before that. */
const STARTER = 'read -r guarded <&3 && exec "$@" 3<&-';

/**
 * Starts programs that never outlive us. Node cannot ask the kernel for that (PR_SET_PDEATHSIG), so a
 * second process, a `sh`, holds the other end of a pipe of ours and ends the program when the pipe does.
 * Both are children of ours and are waited for: none becomes a zombie in a container without an init.
 */
export class ProgramGuard {
  readonly #watcher: ChildProcess | undefined;

  /**
   * @param interrupt lets the program end by SIGINT, and kills it a second later.
   * @param onLost the watcher has ended before its time.
   */
  constructor(interrupt: boolean, onLost: () => void) {
    if (!ProgramGuard.isSupported) return;
    const args = ['-c', WATCHER, 'edge-relay-guard', ...(interrupt ? ['interrupt'] : [])];
    this.#watcher = spawn(SHELL, args, { stdio: ['pipe', 'ignore', 'ignore'], detached: true });
    // Without a watcher the program never starts, or is ended.
    this.#watcher.stdin!.on('error', () => {});
    this.#watcher.once('error', onLost);
    this.#watcher.once('exit', onLost);
  }

  /** Windows has neither process groups nor `sh`; there the program ends when we end in order. */
  static get isSupported(): boolean {
    return process.platform !== 'win32';
  }

  /** Starts the program at the head of a process group of its own; its standard output is read. */
  spawn(program: string, args: readonly string[]): ChildProcess {
    if (!this.#watcher) {
      return spawn(program, args, { stdio: ['pipe', 'pipe', 'pipe'], windowsHide: true });
    }
    const child = spawn(SHELL, ['-c', STARTER, 'edge-relay-start', program, ...args], {
      stdio: ['pipe', 'pipe', 'pipe', 'pipe'],
      detached: true,
    });
    if (child.pid === undefined) return child;
    this.#watcher.stdin!.write(`${child.pid}\n`);
    const starter = child.stdio[3] as Writable;
    starter.on('error', () => {});
    starter.end('guarded\n', () => starter.destroy());
    return child;
  }

  /** Resolves when the watcher has ended: the program has ended, and nothing is left to guard. */
  release(): Promise<void> {
    const watcher = this.#watcher;
    if (!watcher || watcher.pid === undefined || watcher.exitCode !== null || watcher.signalCode !== null) {
      return Promise.resolve();
    }
    return new Promise((resolve) => {
      watcher.once('exit', () => resolve());
      watcher.stdin!.end('done\n');
    });
  }
}

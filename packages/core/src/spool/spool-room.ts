import { RelayError } from '../errors';
import type { FullPolicy } from './spool';

/** How much may wait, and what happens to what finds no room. */
export interface SpoolBounds {
  /** How many messages may wait. */
  readonly maximumMessages: number;
  /** What they may take, in bytes. */
  readonly maximumBytes: number;
  /** What happens to a message that finds the spool full. @default 'block' */
  readonly whenFull?: FullPolicy;
}

interface Waiting {
  readonly bytes: number;
  admit(): void;
  refuse(error: unknown): void;
}

const POLICIES: readonly FullPolicy[] = ['block', 'drop-oldest', 'drop-newest'];

/** Keeps the account of a spool: who gets in, who waits (first come, first in), and what has to go. */
export class SpoolRoom {
  readonly #bounds: Required<SpoolBounds>;
  #waiting: Waiting[] = [];
  #messages = 0;
  #bytes = 0;
  #isClosed = false;

  constructor({ maximumMessages, maximumBytes, whenFull = 'block' }: SpoolBounds, owner: string) {
    for (const [name, value] of Object.entries({ maximumMessages, maximumBytes })) {
      if (!(Number.isInteger(value) && value > 0)) {
        throw new TypeError(`${owner}: ${name} must be a whole number above 0, not ${value}.`);
      }
    }
    if (!POLICIES.includes(whenFull)) {
      throw new TypeError(`${owner}: whenFull must be ${POLICIES.join(', ')}, not ${whenFull}.`);
    }
    this.#bounds = { maximumMessages, maximumBytes, whenFull };
  }

  get bytes(): number {
    return this.#bytes;
  }

  /** Begins an account, with nothing in it. */
  open(): void {
    this.#isClosed = false;
    this.#messages = 0;
    this.#bytes = 0;
  }

  /**
   * Takes room for a message; resolves with false where the policy drops it. With `drop-oldest`,
   * `evict()` removes the oldest (and gives its room back), or says false where there is none yet.
   * @throws {RelayError} `MESSAGE_TOO_LARGE` where it could never fit, `CLOSED`; the signal's reason.
   */
  async take(bytes: number, evict: () => boolean, signal?: AbortSignal): Promise<boolean> {
    const { maximumBytes, whenFull } = this.#bounds;
    if (this.#isClosed) throw closedError();
    if (bytes > maximumBytes) {
      throw new RelayError(
        `spool: a message of ${bytes} bytes does not fit into a spool of ${maximumBytes} bytes. Raise maximumBytes.`,
        { code: 'MESSAGE_TOO_LARGE', stage: 'spool' },
      );
    }
    if (this.#waiting.length === 0) {
      if (whenFull === 'drop-oldest') while (!this.#fits(bytes) && evict());
      if (this.#fits(bytes)) {
        this.add(bytes);
        return true;
      }
    }
    if (whenFull === 'drop-newest') return false;
    await this.#turn(bytes, signal);
    return true;
  }

  /** Counts a message that is in already, whatever the bounds say. */
  add(bytes: number): void {
    this.#messages += 1;
    this.#bytes += bytes;
  }

  /** A message that took room is in its place; with `drop-oldest` it makes way for who waits. */
  placed(evict: () => boolean): void {
    if (this.#bounds.whenFull !== 'drop-oldest') return;
    while (this.#waiting[0] && !this.#fits(this.#waiting[0].bytes) && evict());
    this.#admit();
  }

  /** A message has left. */
  give(bytes: number): void {
    this.#messages -= 1;
    this.#bytes -= bytes;
    this.#admit();
  }

  /** Nothing gets in any more; who waits is told. */
  close(): void {
    this.#isClosed = true;
    for (const { refuse } of this.#waiting.splice(0)) refuse(closedError());
  }

  #fits(bytes: number): boolean {
    const { maximumMessages, maximumBytes } = this.#bounds;
    return this.#messages < maximumMessages && this.#bytes + bytes <= maximumBytes;
  }

  #admit(): void {
    for (let first = this.#waiting[0]; first && this.#fits(first.bytes); first = this.#waiting[0]) {
      this.#waiting.shift();
      this.add(first.bytes);
      first.admit();
    }
  }

  #turn(bytes: number, signal?: AbortSignal): Promise<void> {
    signal?.throwIfAborted();
    return new Promise((resolve, reject) => {
      const leave = () => signal?.removeEventListener('abort', abort);
      const waiting: Waiting = {
        bytes,
        admit: () => {
          leave();
          resolve();
        },
        refuse: (error) => {
          leave();
          reject(error);
        },
      };
      const abort = () => {
        this.#waiting = this.#waiting.filter((other) => other !== waiting);
        reject(signal?.reason);
        this.#admit();
      };
      signal?.addEventListener('abort', abort, { once: true });
      this.#waiting.push(waiting);
    });
  }
}

function closedError(): RelayError {
  return new RelayError('spool: it is closed.', { code: 'CLOSED', stage: 'spool' });
}

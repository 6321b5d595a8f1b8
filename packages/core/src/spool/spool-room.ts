import { onAbort } from '../abort-listeners';
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
  readonly turn: number;
  readonly bytes: number;
  admit(): void;
  refuse(error: unknown): void;
}

export interface SpoolRoomUser {
  /** Drops the message that can best be spared, and gives its room back; false where none is in its place yet. */
  evict(): boolean;
  /** Called every second for as long as somebody waits, to find room elsewhere. */
  lookAgain?(): void;
}

const POLICIES: readonly FullPolicy[] = ['block', 'drop-oldest', 'drop-newest'];
const LOOK_AGAIN_MS = 1_000;

/** Keeps the account of a spool: who gets in, who waits (first come, first in), and what has to go. */
export class SpoolRoom {
  readonly #bounds: Required<SpoolBounds>;
  readonly #user: SpoolRoomUser;
  /** By their turns. */
  #waiting: Waiting[] = [];
  #lastTurn = 0;
  #lookingAgain: NodeJS.Timeout | undefined;
  #messages = 0;
  #bytes = 0;
  #limit = Number.POSITIVE_INFINITY;
  #largest = Number.POSITIVE_INFINITY;
  #isClosed = false;

  constructor(
    { maximumMessages, maximumBytes, whenFull = 'block' }: SpoolBounds,
    owner: string,
    user: SpoolRoomUser,
  ) {
    for (const [name, value] of Object.entries({ maximumMessages, maximumBytes })) {
      if (!(Number.isInteger(value) && value > 0)) {
        throw new TypeError(`${owner}: ${name} must be a whole number above 0, not ${value}.`);
      }
    }
    if (!POLICIES.includes(whenFull)) {
      throw new TypeError(`${owner}: whenFull must be ${POLICIES.join(', ')}, not ${whenFull}.`);
    }
    this.#bounds = { maximumMessages, maximumBytes, whenFull };
    this.#user = user;
  }

  get whenFull(): FullPolicy {
    return this.#bounds.whenFull;
  }

  get bytes(): number {
    return this.#bytes;
  }

  /** Begins an account, with nothing in it. */
  open(): void {
    this.#isClosed = false;
    this.#messages = 0;
    this.#bytes = 0;
    this.#limit = Number.POSITIVE_INFINITY;
    this.#largest = Number.POSITIVE_INFINITY;
  }

  /**
   * What the messages may take for now, in bytes, where that is less than the bound, and how large one may
   * be: a larger one would not fit if all others left.
   */
  limit(bytes: number, largest: number): void {
    this.#limit = bytes;
    this.#largest = largest;
    this.#admit();
  }

  /** A place in the line, for `take()`. */
  turn(): number {
    this.#lastTurn += 1;
    return this.#lastTurn;
  }

  /**
   * Takes room for a message; false where the policy drops it, a promise where it has to wait. Who has an
   * earlier turn gets in earlier.
   * @throws {RelayError} `MESSAGE_TOO_LARGE` where it could never fit, `CLOSED`; the signal's reason.
   */
  take(turn: number, bytes: number, signal?: AbortSignal): boolean | Promise<boolean> {
    const { maximumBytes, whenFull } = this.#bounds;
    if (this.#isClosed) throw closedError();
    if (bytes > maximumBytes) {
      throw new RelayError(
        `spool: a message of ${bytes} bytes does not fit into a spool of ${maximumBytes} bytes. Raise maximumBytes.`,
        { code: 'MESSAGE_TOO_LARGE', stage: 'spool' },
      );
    }
    if (!this.#waiting[0] || this.#waiting[0].turn > turn) {
      if (whenFull === 'drop-oldest') this.#makeWay(bytes);
      if (this.#fits(bytes)) {
        this.add(bytes);
        return true;
      }
    }
    if (whenFull === 'drop-newest' || (whenFull === 'drop-oldest' && !this.#canMakeWay(bytes))) return false;
    return this.#wait(turn, bytes, signal);
  }

  /** Counts a message that is in already, whatever the bounds say. */
  add(bytes: number): void {
    this.#messages += 1;
    this.#bytes += bytes;
  }

  /** A message that took room is in its place; with `drop-oldest` it makes way for who waits. */
  placed(): void {
    if (this.#bounds.whenFull !== 'drop-oldest' || !this.#waiting[0]) return;
    this.#makeWay(this.#waiting[0].bytes);
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
    this.#stopLooking();
    for (const { refuse } of this.#waiting.splice(0)) refuse(closedError());
  }

  #fits(bytes: number): boolean {
    const { maximumMessages, maximumBytes } = this.#bounds;
    const limit = Math.min(maximumBytes, this.#limit);
    return this.#messages < maximumMessages && this.#bytes + bytes <= limit && bytes <= this.#largest;
  }

  #makeWay(bytes: number): void {
    while (!this.#fits(bytes) && this.#canMakeWay(bytes) && this.#user.evict());
  }

  /** Whether the messages that are in are what stands in the way. */
  #canMakeWay(bytes: number): boolean {
    return this.#messages > 0 && bytes <= this.#largest;
  }

  #admit(): void {
    for (let first = this.#waiting[0]; first && this.#fits(first.bytes); first = this.#waiting[0]) {
      this.#waiting.shift();
      this.add(first.bytes);
      first.admit();
    }
    if (this.#waiting.length === 0) this.#stopLooking();
  }

  async #wait(turn: number, bytes: number, signal?: AbortSignal): Promise<boolean> {
    signal?.throwIfAborted();
    return new Promise((resolve, reject) => {
      const waiting: Waiting = {
        turn,
        bytes,
        admit: () => {
          leave?.();
          resolve(true);
        },
        refuse: (error) => {
          leave?.();
          reject(error);
        },
      };
      const abort = () => {
        this.#waiting = this.#waiting.filter((other) => other !== waiting);
        reject(signal?.reason);
        this.#admit();
      };
      const leave = signal && onAbort(signal, abort);
      const behind = this.#waiting.findLastIndex((other) => other.turn < turn) + 1;
      this.#waiting.splice(behind, 0, waiting);
      this.#lookingAgain ??= setInterval(() => this.#user.lookAgain?.(), LOOK_AGAIN_MS);
    });
  }

  #stopLooking(): void {
    clearInterval(this.#lookingAgain);
    this.#lookingAgain = undefined;
  }
}

function closedError(): RelayError {
  return new RelayError('spool: it is closed.', { code: 'CLOSED', stage: 'spool' });
}

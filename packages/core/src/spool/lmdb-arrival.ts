import type { Message } from '../message';
import type { Group, Put } from './lmdb-group-commit';
import { messageBytes } from './message-bytes';
import { recordBytes } from './message-codec';
import type { Recent } from './recent-messages';
import type { SpoolEntry } from './spool';
import { spoolClock } from './spool-clock';
import type { Indexed } from './spool-index';

/** Who hears what becomes of arrivals. */
export interface ArrivalUser {
  /** For how long its write may wait, in milliseconds. */
  patienceMs(arrival: Arrival): number;
  written(arrival: Arrival): void;
  failed(arrival: Arrival, error: unknown): void;
}

/** A value that is no part of a page takes whole ones. */
const PAGE_BYTES = 4_096;

/** A message from `append()` to the disk. */
export class Arrival implements Put, Recent {
  readonly message: Message;
  readonly signal: AbortSignal | undefined;
  /** Its place among those that wait for room. */
  readonly turn: number;
  /** What it counts against the bound, in bytes. */
  readonly size: number;
  readonly storedAt = spoolClock();
  readonly resolve: (entry: SpoolEntry | undefined) => void;
  readonly reject: (error: unknown) => void;
  isWritten = false;
  isRead = false;
  isCancelled = false;
  group: Group | undefined;
  /** From when it has a position on. */
  kept!: Indexed;
  entry!: SpoolEntry;
  /** Where it was put: the position of the first of those that were put with it. */
  bundle = 0;
  #user!: ArrivalUser;

  constructor(
    message: Message,
    turn: number,
    signal: AbortSignal | undefined,
    resolve: (entry: SpoolEntry | undefined) => void,
    reject: (error: unknown) => void,
  ) {
    this.message = message;
    this.turn = turn;
    this.signal = signal;
    this.size = messageBytes(message);
    this.resolve = resolve;
    this.reject = reject;
  }

  place(kept: Indexed, entry: SpoolEntry, user: ArrivalUser): void {
    this.kept = kept;
    this.entry = entry;
    this.#user = user;
  }

  get bytes(): number {
    return (Math.ceil(recordBytes(this.message, this.size) / PAGE_BYTES) + 1) * PAGE_BYTES;
  }

  get patienceMs(): number {
    return this.#user.patienceMs(this);
  }

  written(): void {
    this.group = undefined;
    this.#user.written(this);
  }

  failed(error: unknown): void {
    this.group = undefined;
    this.#user.failed(this, error);
  }
}

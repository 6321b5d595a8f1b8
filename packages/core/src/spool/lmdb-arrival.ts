import type { Message } from '../message';
import type { Group, Put } from './lmdb-group-commit';
import { messageBytes } from './message-bytes';
import { recordBytes } from './message-codec';
import type { Recent } from './recent-messages';
import type { AppendWaiter, SpoolEntry } from './spool';
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
  isWritten = false;
  isRead = false;
  isCancelled = false;
  group: Group | undefined;
  /** From when it has a position on: what the reader gets, and what the books keep. */
  entry!: SpoolEntry & Indexed;
  /** Where it was put: the position of the first of those that were put with it. */
  bundle = 0;
  #user!: ArrivalUser;
  #waiter: AppendWaiter | undefined;

  constructor(message: Message, turn: number, waiter: AppendWaiter, signal: AbortSignal | undefined) {
    this.message = message;
    this.turn = turn;
    this.signal = signal;
    this.size = messageBytes(message);
    this.#waiter = waiter;
  }

  get kept(): Indexed {
    return this.entry;
  }

  place(entry: SpoolEntry & Indexed, user: ArrivalUser): void {
    this.entry = entry;
    this.#user = user;
  }

  get bytes(): number {
    return (Math.ceil(recordBytes(this.message, this.size) / PAGE_BYTES) + 1) * PAGE_BYTES;
  }

  get patienceMs(): number {
    return this.#user.patienceMs(this);
  }

  /** It is in, or was and has left; undefined where it found no room. Only the first word reaches the waiter. */
  resolve(entry: SpoolEntry | undefined): void {
    const waiter = this.#waiter;
    this.#waiter = undefined;
    waiter?.appended(entry);
  }

  /** It is not in; also once. */
  reject(error: unknown): void {
    const waiter = this.#waiter;
    this.#waiter = undefined;
    waiter?.failed(error);
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

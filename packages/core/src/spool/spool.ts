import type { Message } from '../message';

/**
 * What to do with a new message when the spool is full: wait; drop the oldest message of the lowest priority
 * that is not on its way yet; or drop the new one.
 */
export type FullPolicy = 'block' | 'drop-oldest' | 'drop-newest';

/** What is read first: what has waited longest, or what has come last. */
export type SpoolOrder = 'oldest-first' | 'newest-first';

/** A message in the spool, at a position that only grows. */
export interface SpoolEntry {
  /** Its place; larger is later, and none is given twice. */
  readonly position: number;
  /** The message. */
  readonly message: Message;
  /** When `append()` was called, in milliseconds since 1970 (UTC). */
  readonly storedAt: number;
  /** When it expires, if it does: `storedAt` and the message's `expirySeconds`, or the spool's own limit. */
  readonly expiresAt?: number;
  /** What it counts against the bound: payload, properties and topic, in bytes. */
  readonly bytes: number;
  /** The payload was read back and is the reader's: nothing needs it any more to write it. @default false */
  readonly isReadBack?: boolean;
}

/** A message that was set aside because it can never be sent. */
export interface SetAside {
  /** Its place, by which `discardSetAside()` knows it. */
  readonly position: number;
  /** The message. */
  readonly message: Message;
  /** Why the broker will never take it. */
  readonly reason: string;
  /** Milliseconds since 1970 (UTC). */
  readonly at: number;
}

/** A message that left without having been sent. */
export interface SpoolDrop {
  /** The message. */
  readonly message: Message;
  /** Where it stood, if it had a place. */
  readonly position?: number;
  /** The spool was full, or the message had waited for too long. */
  readonly reason: 'full' | 'expired';
}

/** Who waits for a message to be in a spool. */
export interface AppendWaiter {
  /** It is in (and durable, where the spool is); undefined where the spool is full and drops it. */
  appended(entry: SpoolEntry | undefined): void;
  /** It is not in. */
  failed(error: unknown): void;
}

/** Where messages wait until the broker has acknowledged them, in order. It has one reader. */
export interface Spool {
  /** Whether a message is safe from a killed process and a power cut once `append()` has resolved. */
  readonly durable: boolean;
  /** What is read first. */
  readonly order: SpoolOrder;
  /** How many messages wait. */
  readonly messages: number;
  /** What they take, in bytes. */
  readonly bytes: number;
  /** How long the first of them has been in, in seconds; 0 where none waits. Cheap, however many wait. */
  readonly oldestAgeSeconds: number;
  /**
   * Makes it ready, with what an earlier process has left. Idempotent. @throws {RelayError} `SPOOL_IN_USE`,
   * `SPOOL_FAILED`.
   */
  open(): Promise<void>;
  /**
   * Adds a message at the end. Resolves when it is in (and durable, where the spool is). When the spool
   * is full: `block` waits for room, `drop-oldest` makes room, `drop-newest` resolves with undefined.
   * @throws {TypeError} for a message without properties. @throws {RelayError} `MESSAGE_TOO_LARGE`, `CLOSED`.
   */
  append(message: Message, signal?: AbortSignal): Promise<SpoolEntry | undefined>;
  /**
   * The same, for who takes many and waits for none: without a promise for each. The waiter is called in the midst of
   * the spool's work, and must leave what follows to a later turn. Throws where `append()` would reject at once.
   * @default `append()` is called
   */
  appendFor?(message: Message, waiter: AppendWaiter, signal?: AbortSignal): void;
  /**
   * The next entries in the spool's order, each once: at most `limit`, and no more than `bytes` together
   * (but one). They stay in until they are removed. What has expired is dropped, not read.
   */
  read(limit: number, bytes?: number): Promise<readonly SpoolEntry[]>;
  /** The entry at a position, read or not; undefined where it is gone. */
  get(position: number): Promise<SpoolEntry | undefined>;
  /** The position of a message that is in and has the same topic, `id` property and payload. */
  find(message: Message): Promise<number | undefined>;
  /** Begins reading anew, with all that is in. */
  rewind(): void;
  /** Takes a message out for good. Harmless where it is gone already. */
  remove(position: number): Promise<void>;
  /**
   * Takes a message out that can never be sent. A durable spool keeps it apart, with the reason; another
   * lets it go, and whoever published it is told.
   */
  setAside(position: number, reason: string): Promise<void>;
  /** Hears of each message that leaves without having been sent. */
  onDrop(listener: (drop: SpoolDrop) => void): void;
  /** Finishes what is being written and lets the place go. Idempotent. */
  close(): Promise<void>;
}

import type { EventEmitter } from 'eventemitter3';
import type { StoreEvents } from './store-events';

/** What goes with an object. */
export interface ObjectDetails {
  /** MIME type. */
  readonly contentType?: string;
  /** Names of lower-case letters, digits and `-`; values are any text, at most 2 KB in all. */
  readonly metadata?: Readonly<Record<string, string>>;
}

/** An object, whole. */
export interface StoredObject extends ObjectDetails {
  /** Its bytes. */
  readonly data: Uint8Array;
}

/** What goes with an object that is put. */
export interface PutOptions extends ObjectDetails {
  /**
   * Gives up waiting, and `put()` rejects with the signal's reason; the object may be there or not. @default
   * none
   */
  readonly signal?: AbortSignal | undefined;
}

/** What a store can do and another cannot. */
export interface StoreSupport {
  /** Whether `get()` gives back the metadata that `put()` was given. */
  readonly metadata: boolean;
  /**
   * Whether exactly one of several processes that put the same key at once hears `'created'`; undefined
   * while that is not known yet.
   */
  readonly exclusive: boolean | undefined;
}

/**
 * A place for objects, driven by Sink, which holds the policy (key, once, rejected, retry). Keys are
 * relative paths with `/` between their parts. Nothing is ever overwritten.
 */
export interface Store {
  /** How a person would write the place: `s3://bucket/prefix`, `/srv/faces`. */
  readonly location: string;
  /** What it can do; read after `open()`. */
  readonly supports: StoreSupport;
  /** News, for a store that has any; a sink passes them on as its own. */
  readonly events?: EventEmitter<StoreEvents>;
  /** Checks that the place is there and can be written to. Idempotent. @throws {RelayError} with the cure. */
  open(): Promise<void>;
  /**
   * Stores an object, only if there is none under this key. Resolves once it is durable, with
   * `'created'`, or with `'exists'` where there was one (which stays as it was). Nobody ever sees a part.
   * @throws {RelayError} `retryable` where trying again can help; a `TypeError` for a key that is none.
   */
  put(key: string, data: Uint8Array, options?: PutOptions): Promise<'created' | 'exists'>;
  /** The whole object, or undefined where there is none. */
  get(key: string): Promise<StoredObject | undefined>;
  /** Keys that begin with `prefix`, in no promised order. */
  list(prefix?: string): AsyncIterable<{ readonly key: string; readonly bytes: number }>;
  /**
   * The folders directly below a prefix that is empty or ends with `/`, by their names; for stores that need not
   * list what is in them. It may name some in which there is nothing.
   */
  folders?(prefix: string): AsyncIterable<string>;
  /** Removes an object; harmless where there is none. */
  delete(key: string): Promise<void>;
  /**
   * Removes an object and every earlier version that the store keeps of it, and resolves with how many there
   * were; for stores that keep some. Where it is missing, `delete()` removes all there is.
   */
  erase?(key: string): Promise<number>;
  /**
   * Removes all earlier versions of what begins with `prefix`, also of what is deleted, and resolves with how
   * many there were; for stores that keep some.
   */
  eraseEarlier?(prefix: string): Promise<number>;
  /** How many versions of an object there are, the present one included; for stores that keep some. */
  versions?(key: string): Promise<number>;
  /**
   * An address from which anybody can read an object for so many seconds, without further rights; for stores
   * that can give one.
   */
  link?(key: string, seconds: number): Promise<string>;
  /** Lets go of connections. Idempotent. */
  close(): Promise<void>;
}

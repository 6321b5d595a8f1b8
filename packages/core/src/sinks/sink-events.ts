import type { RelayError } from '../errors';
import type { StoreEvents } from './store-events';

/**
 * What became of a message. `duplicate`: the same bytes were there already, if only from an attempt of our
 * own whose answer was lost. `conflict`: other bytes were there under its id, and both are kept.
 * `rejected`: it is not a picture, and is kept apart.
 */
export interface StoredReport {
  /** Where its bytes are now. */
  readonly key: string;
  readonly outcome: 'stored' | 'duplicate' | 'conflict' | 'rejected';
}

export interface StoredEvent {
  readonly id: string;
  readonly key: string;
  readonly bytes: number;
  /** Milliseconds since 1970 (UTC), like the times that follow. */
  readonly capturedAt: number;
  /** When the frame was read, where the message says it. */
  readonly readAt?: number;
  readonly storedAt: number;
}

/** News of the store are passed on. */
export interface SinkEvents extends StoreEvents {
  stored: [event: StoredEvent];
  duplicate: [event: { readonly id: string; readonly key: string }];
  /** `existingKey` is the object that was there before. */
  conflict: [event: { readonly id: string; readonly key: string; readonly existingKey: string }];
  rejected: [event: { readonly id: string; readonly key: string; readonly reason: string }];
  /** The store could not do it in passing; without a `key` while the store is being opened. */
  retry: [event: { readonly key?: string; readonly error: RelayError; readonly inMs: number }];
}

/** Counters since the sink was made. */
export interface SinkStats {
  readonly stored: number;
  readonly duplicates: number;
  readonly conflicts: number;
  readonly rejected: number;
  /** Payload bytes of what was stored, conflicts and rejected ones included. */
  readonly bytes: number;
  readonly retries: number;
}

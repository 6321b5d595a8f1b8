import type { RelayError } from '../errors';
import type { GapRecord } from '../gap-record';
import type { CompactionReport } from './manifest-compaction';
import type { ManifestRow } from './manifest-row';
import type { StoreEvents } from './store-events';

/**
 * What became of a message. `duplicate`: the same bytes were there already, if only from an attempt of our
 * own whose answer was lost. `conflict`: other bytes were there under its id, and both are kept.
 * `rejected`: it is not a picture, and is kept apart. `gap`: it is the record of pictures that were dropped on the
 * way. `forgotten`: it came again after it had been deleted for good, and was not stored. `probe`: it only asked whether
 * it can be stored, and is removed again.
 */
export interface StoredReport {
  /** Where its bytes are now. */
  readonly key: string;
  /** What became of it. */
  readonly outcome: 'stored' | 'duplicate' | 'conflict' | 'rejected' | 'gap' | 'forgotten' | 'probe';
}

/** A picture that has been stored. */
export interface StoredEvent {
  /** The message's id. */
  readonly id: string;
  /** Where it is in the store. */
  readonly key: string;
  /** The size of the object. */
  readonly bytes: number;
  /** Milliseconds since 1970 (UTC), like the times that follow. */
  readonly capturedAt: number;
  /** When the frame was read, where the message says it. */
  readonly readAt?: number;
  /** When the store had it, in milliseconds since 1970 (UTC). */
  readonly storedAt: number;
  /** What the manifest says of it, where the sink writes one. */
  readonly row?: ManifestRow;
}

/** News of the store are passed on. */
export interface SinkEvents extends StoreEvents {
  /** A picture is durable in the store. */
  stored: [event: StoredEvent];
  /** The same bytes were there already; nothing was written. */
  duplicate: [event: { readonly id: string; readonly key: string }];
  /** `existingKey` is the object that was there before. */
  conflict: [event: { readonly id: string; readonly key: string; readonly existingKey: string }];
  /** It is not what is accepted, and is kept apart under `rejected/` with the reason. */
  rejected: [event: { readonly id: string; readonly key: string; readonly reason: string }];
  /** The record of pictures that were dropped on the way is stored. */
  gap: [event: { readonly key: string; readonly gap: GapRecord }];
  /** It came again after it had been deleted for good, and was not stored. */
  forgotten: [event: { readonly id: string; readonly key: string }];
  /** Parts of the manifest have been gathered into files by camera and hour. */
  compacted: [event: CompactionReport];
  /** That has failed; it is tried again later, and nothing is missing meanwhile. */
  uncompacted: [event: { readonly error: unknown }];
  /** The store could not do it in passing; without a `key` while the store is being opened. */
  retry: [event: { readonly key?: string; readonly error: RelayError; readonly inMs: number }];
}

/** Counters since the sink was made. */
export interface SinkStats {
  /** Pictures that were stored. */
  readonly stored: number;
  /** Messages whose bytes were there already. */
  readonly duplicates: number;
  /** Messages under whose id other bytes were there; both are kept. */
  readonly conflicts: number;
  /** Messages that are not what is accepted. */
  readonly rejected: number;
  /** Records of what was dropped on the way. */
  readonly gaps: number;
  /** Came again after they had been deleted for good. */
  readonly forgotten: number;
  /** Payload bytes of what was stored, conflicts and rejected ones included. */
  readonly bytes: number;
  /** Attempts that the store could not do in passing, and that were made again. */
  readonly retries: number;
}

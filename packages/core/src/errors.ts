/**
 * What can go wrong in the world (as against misuse, which is a `TypeError`). Codes stay the same
 * between major versions; messages may change.
 */
export type RelayErrorCode =
  | 'STAGE_FAILED'
  | 'SOURCE_NOT_FOUND'
  | 'SOURCE_EMPTY'
  | 'SOURCE_FAILED'
  | 'SOURCE_BUSY'
  | 'SOURCE_DENIED'
  | 'SOURCE_UNREACHABLE'
  | 'SOURCE_STALLED'
  | 'SOURCE_UNSUITABLE'
  | 'PICTURE_DAMAGED'
  | 'PICTURE_TOO_LARGE'
  | 'FFMPEG_MISSING'
  | 'V4L_UTILS_MISSING'
  | 'MODEL_INVALID'
  | 'MODEL_NOT_FOUND'
  | 'DETECTOR_FAILED'
  | 'BROKER_UNREACHABLE'
  | 'BROKER_REFUSED'
  | 'SUBSCRIPTION_REFUSED'
  | 'MESSAGE_TOO_LARGE'
  | 'MESSAGE_REFUSED'
  | 'MESSAGE_DROPPED'
  | 'SPOOL_FAILED'
  | 'SPOOL_IN_USE'
  | 'SPOOL_DAMAGED'
  | 'STORE_NOT_FOUND'
  | 'STORE_DENIED'
  | 'STORE_FAILED'
  | 'PREVIEW_FAILED'
  | 'CLOSED';

/** What a RelayError carries beside its message. */
export interface RelayErrorDetails {
  /** Which kind of failure, stable between major versions. */
  readonly code: RelayErrorCode;
  /** The stage it happened in, as a person would name it: `'sink'`, `'camera front-door'`. */
  readonly stage: string;
  /** Whether the same call can succeed later without anybody changing anything. @default false */
  readonly retryable?: boolean;
  /** The error that led to this one. @default none */
  readonly cause?: unknown;
}

/** A failure of the world: the message says what, which value, and the cure. */
export class RelayError extends Error {
  /** Always `'RelayError'`, so that it can be told from others without `instanceof`. */
  override readonly name = 'RelayError';
  /** Which kind of failure, stable between major versions. */
  readonly code: RelayErrorCode;
  /** The stage it happened in, as a person would name it. */
  readonly stage: string;
  /** Whether the same call can succeed later without anybody changing anything. */
  readonly retryable: boolean;

  constructor(message: string, details: RelayErrorDetails) {
    super(message, details.cause === undefined ? undefined : { cause: details.cause });
    this.code = details.code;
    this.stage = details.stage;
    this.retryable = details.retryable ?? false;
  }
}

// The CommonJS build takes the names of classes away, and this one is what people read in a stack.
Object.defineProperty(RelayError, 'name', { value: 'RelayError' });

/** The message of anything that was thrown. */
export function messageOf(error: unknown): string {
  if (error instanceof AggregateError && error.message === '') {
    return error.errors.map(messageOf).join('; ');
  }
  return error instanceof Error ? error.message : String(error);
}

/** The same as a sentence: with one full stop, whether it has its own or none. */
export function sentenceOf(error: unknown): string {
  return `${messageOf(error).replace(/\.$/, '')}.`;
}

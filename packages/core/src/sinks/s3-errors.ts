import { messageOf, RelayError } from '../errors';

/** What the SDK's errors have in common. */
interface SdkError {
  readonly name: string;
  readonly code?: unknown;
  readonly $metadata?: { readonly httpStatusCode?: number };
}

const NETWORK = /^(ECONN|EHOST|ENET|EADDR|EPIPE|ETIMEDOUT|ENOTFOUND|EAI_AGAIN)/;

/** Answers that pass although their status says that the request was wrong. */
const PASSING = new Set([
  'ConditionalRequestConflict',
  'OperationAborted',
  'QuotaExceeded',
  'RequestTimeTooSkewed',
  'RequestTimeout',
  'RequestTimeoutException',
  'SlowDown',
  'ThrottlingException',
  'TimeoutError',
  'TooManyRequests',
]);

/** Keys that were good once: there may be new ones by now. */
const STALE = new Set([
  'CredentialsProviderError',
  'ExpiredToken',
  'ExpiredTokenException',
  'InvalidAccessKeyId',
  'InvalidToken',
  'RequestExpired',
  'TokenRefreshRequired',
]);

/** Where a request went, for messages. */
export interface S3Place {
  readonly bucket: string;
  /** As the user gave it, or what the SDK makes of it. */
  readonly endpoint: string;
}

/** A failed request as a RelayError: which bucket where, what the server said, and the cure. */
export function asStoreError(error: unknown, { bucket, endpoint }: S3Place): RelayError {
  if (error instanceof RelayError) return error;
  const where = `The bucket "${bucket}" at ${endpoint}`;
  const details = { stage: 'sink', cause: error };
  const { name } = error as SdkError;
  const status = statusOf(error);
  const said = describe(error);
  if (isPassing(error)) {
    const cure =
      status === undefined
        ? 'Is the server running, and is the endpoint right?'
        : 'Where that lasts, look what the server says of itself.';
    return new RelayError(`${where} does not take requests at the moment (${said}). ${cure}`, {
      ...details,
      code: 'STORE_FAILED',
      retryable: true,
    });
  }
  if (name === 'NoSuchBucket' || status === 404) {
    return new RelayError(
      `${where} does not exist (${said}). Create it, or correct the name or the endpoint.`,
      { ...details, code: 'STORE_NOT_FOUND' },
    );
  }
  if (status === 401 || status === 403 || areStale(error)) {
    return new RelayError(
      `${where} refuses us (${said}). Check the credentials (accessKeyId, secretAccessKey, where they come ` +
        'from, when they end), and that they may list, read and write objects there.',
      { ...details, code: 'STORE_DENIED' },
    );
  }
  const cure =
    status === 301 || status === 400
      ? 'Check the region and the endpoint.'
      : 'Check the endpoint and its settings.';
  return new RelayError(`${where} cannot be used (${said}). ${cure}`, { ...details, code: 'STORE_FAILED' });
}

/** Whether it was the credentials, and other ones may do. */
export function areStale(error: unknown): boolean {
  return STALE.has((error as SdkError).name);
}

/** For credentials that were good once. */
export function asStaleError(error: unknown, { bucket, endpoint }: S3Place): RelayError {
  return new RelayError(
    `The bucket "${bucket}" at ${endpoint} does not take our credentials any more (${describe(error)}). ` +
      'They are asked for again; renew them where they come from.',
    { code: 'STORE_DENIED', stage: 'sink', retryable: true, cause: error },
  );
}

/** The status of the server's answer, or undefined where none came. */
export function statusOf(error: unknown): number | undefined {
  return (error as SdkError).$metadata?.httpStatusCode;
}

function isPassing(error: unknown): boolean {
  const { name, code } = error as SdkError;
  const status = statusOf(error) ?? 0;
  if (status === 409 || status === 429 || (status >= 500 && status !== 501)) return true;
  if (PASSING.has(name)) return true;
  // Also "aborted" and "socket hang up", which are ECONNRESET.
  return typeof code === 'string' && NETWORK.test(code);
}

function describe(error: unknown): string {
  const { name } = error as SdkError;
  const status = statusOf(error);
  // The SDK says "UnknownError" where the server's answer has no text.
  const parts = [name, messageOf(error)].filter(
    (part) => part && !/^(Error|Unknown|UnknownError)$/.test(part),
  );
  if (status !== undefined) parts.push(`HTTP ${status}`);
  return [...new Set(parts)].join(', ');
}

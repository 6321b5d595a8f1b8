import type { S3Client, S3ClientConfig } from '@aws-sdk/client-s3';

export interface S3StoreOptions {
  /** The URL of an S3-compatible server. @default Amazon's, by region */
  readonly endpoint?: string;
  /** @default `AWS_REGION` and the shared configuration file; `us-east-1` where an endpoint is given */
  readonly region?: string;
  /** Bucket names in the path, not in the host name. @default true where an endpoint is given */
  readonly forcePathStyle?: boolean;
  /** Given with `secretAccessKey`. @default the SDK's chain: environment, shared files, instance role */
  readonly accessKeyId?: string;
  readonly secretAccessKey?: string;
  /** Any credentials or credential provider of the SDK, instead of the pair of keys. */
  readonly credentials?: S3ClientConfig['credentials'];
  /**
   * Whether requests carry checksums that not every server knows: `when-required` only where S3 demands
   * them, `when-supported` always. @default 'when-required' where an endpoint is given
   */
  readonly checksums?: 'when-required' | 'when-supported';
  /** Connections to the server, and so requests at once, at most. @default 50 */
  readonly connections?: number;
  /** Milliseconds until a connection is given up. @default 5,000 */
  readonly connectionTimeoutMs?: number;
  /** Milliseconds from a request to the end of its answer. @default 60,000 */
  readonly requestTimeoutMs?: number;
  /** A client of your own: the other options are of no use then, and you close it. */
  readonly client?: S3Client;
}

/** Throws a `TypeError` that names the option. */
export function assertS3Options(options: S3StoreOptions): void {
  const { endpoint, accessKeyId, secretAccessKey, checksums } = options;
  if (endpoint !== undefined && !(URL.canParse(endpoint) && /^https?:$/.test(new URL(endpoint).protocol))) {
    throw new TypeError(`endpoint must be an http or https URL, not ${JSON.stringify(endpoint)}.`);
  }
  if ((accessKeyId === undefined) !== (secretAccessKey === undefined)) {
    throw new TypeError('accessKeyId and secretAccessKey must be given together.');
  }
  if (checksums !== undefined && checksums !== 'when-required' && checksums !== 'when-supported') {
    throw new TypeError(
      `checksums must be 'when-required' or 'when-supported', not ${JSON.stringify(checksums)}.`,
    );
  }
  for (const name of ['connections', 'connectionTimeoutMs', 'requestTimeoutMs'] as const) {
    const value = options[name];
    if (value !== undefined && !(Number.isInteger(value) && value > 0)) {
      throw new TypeError(`${name} must be a whole number above 0, not ${value}.`);
    }
  }
}

/** The SDK's words for our options. */
export function clientConfigOf(options: S3StoreOptions): S3ClientConfig {
  const { endpoint, accessKeyId, secretAccessKey, connections = 50 } = options;
  const { connectionTimeoutMs = 5_000, requestTimeoutMs = 60_000 } = options;
  const region = options.region ?? (endpoint && 'us-east-1');
  const checksums = options.checksums ?? (endpoint ? 'when-required' : 'when-supported');
  const checksumMode = checksums === 'when-required' ? 'WHEN_REQUIRED' : 'WHEN_SUPPORTED';
  const credentials =
    accessKeyId !== undefined && secretAccessKey !== undefined
      ? { accessKeyId, secretAccessKey }
      : options.credentials;
  const agent = { maxSockets: connections, keepAlive: true };
  return {
    ...(endpoint && { endpoint }),
    ...(region && { region }),
    ...(credentials && { credentials }),
    forcePathStyle: options.forcePathStyle ?? endpoint !== undefined,
    requestChecksumCalculation: checksumMode,
    responseChecksumValidation: checksumMode,
    // Sink tries again, and says so each time.
    maxAttempts: 1,
    requestHandler: {
      connectionTimeout: connectionTimeoutMs,
      requestTimeout: requestTimeoutMs,
      throwOnRequestTimeout: true,
      httpAgent: agent,
      httpsAgent: agent,
    },
  };
}

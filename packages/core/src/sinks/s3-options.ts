import type { PutObjectCommandInput, S3Client, S3ClientConfig } from '@aws-sdk/client-s3';

/** How to reach an S3-compatible bucket, and what goes with each object. */
export interface S3StoreOptions {
  /** The URL of an S3-compatible server. @default Amazon's, by region */
  readonly endpoint?: string;
  /** @default `AWS_REGION` and the shared configuration file; `us-east-1` where an endpoint is given */
  readonly region?: string;
  /** Bucket names in the path, not in the host name. @default true where an endpoint is given */
  readonly forcePathStyle?: boolean;
  /** Given with `secretAccessKey`. @default the SDK's chain: environment, shared files, instance role */
  readonly accessKeyId?: string;
  /** The secret of `accessKeyId`; both or neither. @default what the SDK's chain finds */
  readonly secretAccessKey?: string;
  /**
   * Of temporary keys. They end with it: give `credentials`, or leave them to the chain, for keys that are renewed.
   * @default none
   */
  readonly sessionToken?: string;
  /**
   * Any credentials or credential provider of the SDK, instead of the pair of keys. A provider is asked again before
   * what it gave expires, and when the server says that it has expired. @default the pair of keys, or the chain
   */
  readonly credentials?: S3ClientConfig['credentials'];
  /**
   * Whether requests carry checksums that not every server knows: `when-required` only where S3 demands
   * them, `when-supported` always. @default 'when-required' where an endpoint is given
   */
  readonly checksums?: 'when-required' | 'when-supported';
  /** How the server is to encrypt objects. @default as the bucket says */
  readonly serverSideEncryption?: 'AES256' | 'aws:kms' | 'aws:kms:dsse';
  /** The key for `aws:kms` and `aws:kms:dsse`. @default the account's own */
  readonly kmsKeyId?: string;
  /** `STANDARD_IA`, `SMART` and so on, as the server calls it; of those that are read at once. @default the server's */
  readonly storageClass?: string;
  /** At most ten, on each object. @default none */
  readonly tags?: Readonly<Record<string, string>>;
  /** Connections to the server, and so requests at once, at most. @default 50 */
  readonly connections?: number;
  /** Milliseconds until a connection is given up. @default 5,000 */
  readonly connectionTimeoutMs?: number;
  /** Milliseconds from a request to the end of its answer. @default 60,000 */
  readonly requestTimeoutMs?: number;
  /** A client of your own: the other options are of no use then, and you close it. @default one of its own */
  readonly client?: S3Client;
}

const ENCRYPTIONS = [undefined, 'AES256', 'aws:kms', 'aws:kms:dsse'];
/** What is there may have to be compared with what comes. */
const SLOW_CLASSES = ['GLACIER', 'DEEP_ARCHIVE'];

/** Throws a `TypeError` that names the option. */
export function assertS3Options(options: S3StoreOptions): void {
  const { endpoint, accessKeyId, secretAccessKey, checksums } = options;
  if (endpoint !== undefined && !(URL.canParse(endpoint) && /^https?:$/.test(new URL(endpoint).protocol))) {
    throw new TypeError(`endpoint must be an http or https URL, not ${JSON.stringify(endpoint)}.`);
  }
  assertObjectOptions(options);
  if (options.sessionToken !== undefined && accessKeyId === undefined) {
    throw new TypeError('sessionToken must be given together with accessKeyId and secretAccessKey.');
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

function assertObjectOptions({
  serverSideEncryption,
  kmsKeyId,
  storageClass,
  tags = {},
}: S3StoreOptions): void {
  if (!ENCRYPTIONS.includes(serverSideEncryption)) {
    throw new TypeError(
      `serverSideEncryption must be 'AES256', 'aws:kms' or 'aws:kms:dsse', not ${JSON.stringify(serverSideEncryption)}.`,
    );
  }
  if (kmsKeyId !== undefined && !serverSideEncryption?.startsWith('aws:kms')) {
    throw new TypeError(
      "kmsKeyId must be given together with serverSideEncryption 'aws:kms' or 'aws:kms:dsse'.",
    );
  }
  if (
    storageClass !== undefined &&
    (!/^[A-Z0-9_]+$/i.test(storageClass) || SLOW_CLASSES.includes(storageClass))
  ) {
    throw new TypeError(
      `storageClass must be one whose objects can be read at once, such as 'STANDARD_IA', not ${JSON.stringify(storageClass)}.`,
    );
  }
  const entries = Object.entries(tags);
  const isTag = ([name, value]: [string, unknown]) =>
    name !== '' && name.length <= 128 && typeof value === 'string' && value.length <= 256;
  if (entries.length > 10 || !entries.every(isTag)) {
    throw new TypeError(
      'tags must be at most ten names of 1 to 128 characters with texts of at most 256, ' +
        `not ${JSON.stringify(tags)}.`,
    );
  }
}

/** What each object is put with. */
export function objectSettings(options: S3StoreOptions): Partial<PutObjectCommandInput> {
  const { serverSideEncryption, kmsKeyId, storageClass, tags } = options;
  return {
    ...(serverSideEncryption && { ServerSideEncryption: serverSideEncryption }),
    ...(kmsKeyId !== undefined && { SSEKMSKeyId: kmsKeyId }),
    ...(storageClass && { StorageClass: storageClass as PutObjectCommandInput['StorageClass'] }),
    ...(tags && { Tagging: Object.entries(tags).map(asQuery).join('&') }),
  };
}

/** With %20 for a space: there are servers (Ceph's gateway 16 is one) that keep a + as it is. */
function asQuery(tag: readonly [string, string]): string {
  return tag.map(encodeURIComponent).join('=');
}

/** The SDK's words for our options. */
export function clientConfigOf(options: S3StoreOptions): S3ClientConfig {
  const { endpoint, accessKeyId, secretAccessKey, sessionToken, connections = 50 } = options;
  const { connectionTimeoutMs = 5_000, requestTimeoutMs = 60_000 } = options;
  const region = options.region ?? (endpoint && 'us-east-1');
  const checksums = options.checksums ?? (endpoint ? 'when-required' : 'when-supported');
  const checksumMode = checksums === 'when-required' ? 'WHEN_REQUIRED' : 'WHEN_SUPPORTED';
  const credentials =
    accessKeyId !== undefined && secretAccessKey !== undefined
      ? { accessKeyId, secretAccessKey, ...(sessionToken && { sessionToken }) }
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
      // Between two pieces of an answer: the other one ends with its first byte.
      socketTimeout: requestTimeoutMs,
      throwOnRequestTimeout: true,
      httpAgent: agent,
      httpsAgent: agent,
    },
  };
}

import { addresses, command, setting, textFile, whole } from 'edge-relay-command-line';

export interface CloudSinkOptions {
  readonly cloudUrl: readonly string[];
  readonly topic: string;
  readonly clientId: string;
  readonly username?: string;
  readonly password?: string;
  /** PEM text, as the certificate and its key. */
  readonly ca?: string;
  readonly cert?: string;
  readonly key?: string;
  readonly store: string;
  readonly s3Endpoint?: string;
  readonly s3Region?: string;
  readonly s3PathStyle?: boolean;
  readonly concurrency: number;
  readonly receipts?: boolean;
}

const EXAMPLES = `Examples:
  Store what arrives in a folder:
    cloud-sink --store ./faces
  In a bucket of IBM Cloud Object Storage, credentials from AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY:
    cloud-sink --store s3://my-bucket/faces --s3-endpoint https://s3.eu-de.cloud-object-storage.appdomain.cloud
  From a broker that wants a password:
    EDGE_RELAY_PASSWORD=... cloud-sink --cloud-url mqtts://cloud.example --username sink

A message is acknowledged to the broker only when its object is durable. What is no picture is stored
under rejected/, with the reason. SIGTERM lets what is under way end; exit codes: 0 ended in order,
1 failed, 2 wrong use.`;

/** Reads the command line and the environment; ends the process with code 2 where they are wrong. */
export function parseOptions(argv: readonly string[]): CloudSinkOptions {
  return command('cloud-sink', 'Stores the faces that arrive at the cloud broker.', EXAMPLES)
    .addOption(
      setting('--cloud-url <url>', 'the broker; several with commas, tried in order', {
        default: ['mqtt://localhost'],
        parse: addresses,
      }),
    )
    .addOption(setting('--topic <topic>', 'what to store', { default: 'hw3faces' }))
    .addOption(
      setting('--client-id <id>', 'name of the session at the broker; another one for each sink', {
        default: 'cloud-sink',
      }),
    )
    .addOption(setting('--username <name>', 'user at the broker'))
    .addOption(setting('--password <password>', 'password at the broker; better by environment'))
    .addOption(
      setting('--ca <file>', 'PEM file of the authority to trust with mqtts://', { parse: textFile }),
    )
    .addOption(
      setting('--cert <file>', 'PEM file of our certificate, for a broker that wants one', {
        parse: textFile,
      }),
    )
    .addOption(setting('--key <file>', 'PEM file of the key of our certificate', { parse: textFile }))
    .addOption(setting('--store <location>', 'a folder, or s3://bucket/prefix', { default: './faces' }))
    .addOption(setting('--s3-endpoint <url>', 'address of the S3-compatible service; AWS without it'))
    .addOption(setting('--s3-region <region>', 'region of the bucket'))
    .addOption(setting('--s3-path-style', 'bucket in the path instead of the host name (MinIO, Ceph)'))
    .addOption(setting('--concurrency <number>', 'objects stored at once', { default: 16, parse: whole(1) }))
    .addOption(
      setting('--receipts', 'tells edge-pipeline (with --receipts, too) of each face that is stored'),
    )
    .parse(argv as string[], { from: 'user' })
    .opts<CloudSinkOptions>();
}

import { addresses, command, InvalidArgumentError, setting, textFile, whole } from 'edge-relay-command-line';
import { type StoreOptions, withStoreOptions } from './store-options';

export interface CloudSinkOptions extends StoreOptions {
  readonly cloudUrl: readonly string[];
  readonly topic: string;
  readonly clientId: string;
  readonly username?: string;
  readonly password?: string;
  /** PEM text, as the certificate and its key. */
  readonly ca?: string;
  readonly cert?: string;
  readonly key?: string;
  readonly s3Encryption?: S3Encryption;
  readonly s3KmsKey?: string;
  readonly s3StorageClass?: string;
  readonly s3Tags?: Readonly<Record<string, string>>;
  readonly keyTemplate?: string;
  readonly accept?: AcceptKind | Readonly<Record<string, AcceptKind>>;
  readonly maxPixels?: number;
  readonly maxAge?: number;
  readonly maxSize?: number;
  readonly freeDisk?: number;
  readonly whenFull?: 'wait' | 'remove-oldest';
  readonly concurrency?: number;
  readonly manifest: boolean;
  readonly gallery?: number;
  readonly galleryHost?: string;
  readonly galleryToken?: string;
  readonly receipts?: boolean;
}

export type AcceptKind = 'image' | 'any';
type S3Encryption = 'AES256' | 'aws:kms' | 'aws:kms:dsse';

const MEGABYTE = 1_000_000;

const EXAMPLES = `Examples:
  Store what arrives in a folder:
    cloud-sink --store ./faces
  In a bucket of IBM Cloud Object Storage, credentials from AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY:
    cloud-sink --store s3://my-bucket/faces --s3-endpoint https://s3.eu-de.cloud-object-storage.appdomain.cloud
  In a folder, of which nothing older than ten days is kept and not more than 50 GB:
    cloud-sink --store /srv/faces --max-age 240 --max-size 50000
  Two that share the work, each with a name of its own:
    cloud-sink --topic '$share/archive/hw3faces' --client-id archive-1
    cloud-sink --topic '$share/archive/hw3faces' --client-id archive-2
  From a broker that wants a password:
    EDGE_RELAY_PASSWORD=... cloud-sink --cloud-url mqtts://cloud.example --username sink
  With a web page of what arrives, at http://localhost:8080:
    cloud-sink --store ./faces --gallery 8080
  What is there, what is missing, and how fast it came:
    cloud-sink audit --store ./faces --verify
  Delete all that a camera took before a day, for good:
    cloud-sink forget --store ./faces --camera front-door --before 2026-01-01

cloud-sink audit --help and cloud-sink forget --help tell more of these.

A message is acknowledged to the broker only when its object is durable. What is no picture is stored
under rejected/, with the reason. SIGTERM lets what is under way end; exit codes: 0 ended in order,
1 failed, 2 wrong use.`;

/** Reads the command line and the environment; ends the process with code 2 where they are wrong. */
export function parseOptions(argv: readonly string[]): CloudSinkOptions {
  const program = command('cloud-sink', 'Stores the faces that arrive at the cloud broker.', EXAMPLES)
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
    .addOption(setting('--key <file>', 'PEM file of the key of our certificate', { parse: textFile }));
  return withStoreOptions(program)
    .addOption(
      setting('--s3-encryption <kind>', 'how the service encrypts objects; as the bucket says without it', {
        choices: ['AES256', 'aws:kms', 'aws:kms:dsse'],
      }),
    )
    .addOption(setting('--s3-kms-key <id>', 'the key for aws:kms'))
    .addOption(setting('--s3-storage-class <name>', 'storage class of objects, such as STANDARD_IA'))
    .addOption(
      setting('--s3-tags <tags>', 'tags of objects: name=value, several with commas', { parse: tags }),
    )
    .addOption(
      setting('--key-template <template>', 'keys of objects; a wrong one is answered with the fields', {
        default: '{camera}/dt={captured:%Y-%m-%d}/hour={captured:%H}/{id}.{ext}',
      }),
    )
    .addOption(
      setting(
        '--accept <kinds>',
        'image, any, or by topic: hw3faces=image,logs/#=any; what is not accepted goes to rejected/',
        { default: 'image', parse: accepted },
      ),
    )
    .addOption(
      setting('--max-pixels <number>', 'a larger picture goes to rejected/', {
        default: 25_000_000,
        parse: whole(1),
      }),
    )
    .addOption(
      setting('--max-age <hours>', 'removes from the folder what was stored longer ago', {
        parse: whole(0.001, { fraction: true }),
      }),
    )
    .addOption(
      setting('--max-size <MB>', 'removes the oldest from the folder where there is more', {
        parse: megabytes,
      }),
    )
    .addOption(
      setting('--free-disk <MB>', 'what is left free of the disk that the folder is on; 100 without it', {
        parse: megabytes,
      }),
    )
    .addOption(
      setting('--when-full <policy>', 'then wait, or remove the oldest; wait without it', {
        choices: ['wait', 'remove-oldest'],
      }),
    )
    .addOption(
      setting('--concurrency <number>', 'objects stored at once (default: 64 in a folder, else 16)', {
        parse: whole(1),
      }),
    )
    .addOption(
      setting('--receipts', 'tells edge-pipeline (with --receipts, too) of each face that is stored'),
    )
    .addOption(
      setting(
        '--no-manifest',
        'keeps no account under manifest/; audit and forget have nothing to go by then',
      ),
    )
    .addOption(
      setting('--gallery <port>', 'shows the faces on a web page at http://localhost:<port>', {
        parse: whole(0),
      }),
    )
    .addOption(
      setting(
        '--gallery-host <address>',
        'where the page can be reached, such as 0.0.0.0; a token is needed then',
        {
          default: '127.0.0.1',
        },
      ),
    )
    .addOption(
      setting('--gallery-token <token>', 'what visitors have to bring; one at random is made where needed'),
    )
    .parse(argv as string[], { from: 'user' })
    .opts<CloudSinkOptions>();
}

function megabytes(text: string): number {
  return whole(1)(text) * MEGABYTE;
}

function tags(text: string): Record<string, string> {
  return Object.fromEntries(pairs(text, 'name=value'));
}

function accepted(text: string): AcceptKind | Record<string, AcceptKind> {
  if (text === 'image' || text === 'any') return text;
  const kinds = pairs(text, 'image, any or topic=image,topic=any').map(([topic, kind]) => {
    if (kind === 'image' || kind === 'any') return [topic, kind] as const;
    throw new InvalidArgumentError(`What is accepted on ${topic} must be image or any.`);
  });
  return Object.fromEntries(kinds);
}

function pairs(text: string, form: string): [string, string][] {
  return text.split(',').map((pair) => {
    const [name = '', value = '', ...more] = pair.split('=').map((part) => part.trim());
    if (name === '' || value === '' || more.length > 0) throw new InvalidArgumentError(`It must be ${form}.`);
    return [name, value];
  });
}

import { statSync } from 'node:fs';
import { didYouMean, type Objection } from 'edge-relay-command-line';
import type { CloudSinkOptions } from './options';

const FOR_BUCKETS = [
  's3Endpoint',
  's3Region',
  's3PathStyle',
  's3Encryption',
  's3KmsKey',
  's3StorageClass',
  's3Tags',
] as const;
const FOR_FOLDERS = ['maxAge', 'maxSize', 'freeDisk', 'whenFull'] as const;

/** Of Amazon S3, those that can be read at once, and those that cannot; other servers have classes of their own. */
const CLASSES = [
  'STANDARD',
  'STANDARD_IA',
  'ONEZONE_IA',
  'INTELLIGENT_TIERING',
  'GLACIER_IR',
  'EXPRESS_ONEZONE',
  'REDUCED_REDUNDANCY',
];
const SLOW_CLASSES = ['GLACIER', 'DEEP_ARCHIVE'];

/** What is wrong with the options of a store beside each other. */
export function storeObjections(given: CloudSinkOptions): Objection[] {
  if (!given.store.startsWith('s3://')) {
    if (statSync(given.store, { throwIfNoEntry: false })?.isFile()) {
      return [
        {
          option: ['store'],
          message: 'It must be a folder or s3://bucket/prefix, and a file has that name.',
        },
      ];
    }
    const message = `It is for a bucket, and --store is the folder ${given.store}. Give --store s3://bucket/prefix, or leave it out.`;
    return FOR_BUCKETS.filter((name) => given[name] !== undefined).map((name) => ({
      option: [name],
      message,
    }));
  }
  const forFolders = FOR_FOLDERS.filter((name) => given[name] !== undefined).map(
    (name): Objection => ({
      option: [name],
      message: `It is for a folder, and --store is ${given.store}. Leave it out; a bucket is kept small by a lifecycle rule of its own.`,
    }),
  );
  return [...forFolders, ...encryption(given), ...bucketName(given), ...storageClass(given)];
}

function encryption({ s3KmsKey, s3Encryption }: CloudSinkOptions): Objection[] {
  if (s3KmsKey === undefined || s3Encryption?.startsWith('aws:kms')) return [];
  return [{ option: ['s3KmsKey'], message: 'It needs --s3-encryption aws:kms or aws:kms:dsse beside it.' }];
}

/** Amazon has buckets of before 2018 with such names, and Ceph makes them where it is told to: it may be meant. */
function bucketName({ store }: CloudSinkOptions): Objection[] {
  const [, bucket = ''] = store.split('//');
  const [name = ''] = bucket.split('/');
  if (!/[A-Z_]/.test(name)) return [];
  const message = `--store: new buckets have names of lower-case letters, digits, dots and dashes; is ${name} what yours is called?`;
  return [{ message, isDoubt: true }];
}

function storageClass({ s3StorageClass: given, s3Endpoint }: CloudSinkOptions): Objection[] {
  const known = [...CLASSES, ...SLOW_CLASSES];
  if (given === undefined || known.includes(given)) return [];
  const near = didYouMean(given, known);
  // Amazon may have classes that are newer than this list.
  if (near === '') return [];
  const isElsewhere =
    s3Endpoint !== undefined || process.env.AWS_ENDPOINT_URL_S3 || process.env.AWS_ENDPOINT_URL;
  if (isElsewhere)
    return [{ message: `--s3-storage-class ${given} is no class of Amazon S3.${near}`, isDoubt: true }];
  const message = `It is no class of Amazon S3; objects can be read at once in ${CLASSES.join(', ')}.${near}`;
  return [{ option: ['s3StorageClass'], message }];
}

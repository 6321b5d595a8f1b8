import { S3Store, Sink } from 'edge-relay';
import {
  addresses,
  brokerObjections,
  certificateFile,
  choice,
  commas,
  judged,
  keyFile,
  number,
  type Objection,
  type OptionsOf,
  onOff,
  operationOptions,
  option,
  type Program,
  pairs,
  port,
  text,
  topic,
  topicFilter,
  whole,
} from 'edge-relay-command-line';
import { z } from 'zod';
import { storeObjections } from './store-objections';
import { storeOptions } from './store-options';

export type CloudSinkOptions = OptionsOf<typeof options>;

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
  All of it in a file, looked at and then used:
    cloud-sink --config sink.yaml --check
    cloud-sink --config sink.yaml
  With a web page of what arrives, at http://localhost:8080:
    cloud-sink --store ./faces --gallery 8080
  What is there, what is missing, and how fast it came:
    cloud-sink audit --store ./faces --verify
  Delete all that a camera took before a day, for good:
    cloud-sink forget --store ./faces --camera front-door --before 2026-01-01
  What is wrong, and the cure:
    cloud-sink doctor --config sink.yaml

cloud-sink audit --help, cloud-sink forget --help and cloud-sink doctor --help tell more of these.

A message is acknowledged to the broker only when its object is durable. What is no picture is stored
under rejected/, with the reason. SIGTERM lets what is under way end; exit codes: 0 ended in order,
1 failed, 2 wrong use.`;

const options = {
  cloudUrl: option(addresses().default(['mqtt://localhost']), {
    text: 'the broker; several with commas, tried in order',
    value: 'url',
    read: commas,
  }),
  topic: option(topicFilter().default('hw3faces'), { text: 'what to store', value: 'topic' }),
  clientId: option(text().default('cloud-sink'), {
    text: 'name of the session at the broker; another one for each sink',
    value: 'id',
  }),
  username: option(text().optional(), { text: 'user at the broker', value: 'name' }),
  password: option(text().optional(), {
    text: 'password at the broker; better by environment',
    value: 'password',
    secret: true,
  }),
  ca: option(certificateFile().optional(), {
    text: 'PEM file of the authority to trust with mqtts://',
    value: 'file',
  }),
  cert: option(certificateFile().optional(), {
    text: 'PEM file of our certificate, for a broker that wants one',
    value: 'file',
  }),
  key: option(keyFile().optional(), { text: 'PEM file of the key of our certificate', value: 'file' }),
  ...storeOptions,
  s3Encryption: option(choice('AES256', 'aws:kms', 'aws:kms:dsse').optional(), {
    text: 'how the service encrypts objects; as the bucket says without it',
    value: 'kind',
  }),
  s3KmsKey: option(text().optional(), { text: 'the key for aws:kms', value: 'id' }),
  s3StorageClass: option(storageClass().optional(), {
    text: 'storage class of objects, such as STANDARD_IA',
    value: 'name',
  }),
  s3Tags: option(tags().optional(), {
    text: 'tags of objects: name=value, several with commas',
    value: 'tags',
    read: pairs,
  }),
  keyTemplate: option(template().default('{camera}/dt={captured:%Y-%m-%d}/hour={captured:%H}/{id}.{ext}'), {
    text: 'keys of objects; a wrong one is answered with the fields',
    value: 'template',
  }),
  accept: option(accepted().default('image'), {
    text: 'image, any, or by topic: hw3faces=image,logs/#=any; what is not accepted goes to rejected/',
    value: 'kinds',
    read: (given) => (given === 'image' || given === 'any' ? given : pairs(given)),
  }),
  maxPixels: option(whole(1).default(25_000_000), {
    text: 'a larger picture goes to rejected/',
    value: 'number',
  }),
  maxAge: option(number(0.001).optional(), {
    text: 'removes from the folder what was stored longer ago',
    value: 'hours',
  }),
  maxSize: option(megabytes().optional(), {
    text: 'removes the oldest from the folder where there is more',
    value: 'MB',
  }),
  freeDisk: option(megabytes().optional(), {
    text: 'what is left free of the disk that the folder is on; 100 without it',
    value: 'MB',
  }),
  whenFull: option(choice('wait', 'remove-oldest').optional(), {
    text: 'then wait, or remove the oldest; wait without it',
    value: 'policy',
  }),
  concurrency: option(whole(1).optional(), {
    text: 'objects stored at once; 64 in a folder, else 16, without it',
    value: 'number',
  }),
  receipts: option(onOff().optional(), {
    text: 'tells edge-pipeline (with --receipts, too) of each face that is stored',
  }),
  manifest: option(onOff().default(true), {
    text: 'keeps no account under manifest/; audit and forget have nothing to go by then',
  }),
  gallery: option(port().optional(), {
    text: 'shows the faces on a web page at http://localhost:<port>',
    value: 'port',
  }),
  galleryHost: option(text().default('127.0.0.1'), {
    text: 'where the page can be reached, such as 0.0.0.0; a token is needed then',
    value: 'address',
  }),
  galleryToken: option(text().optional(), {
    text: 'what visitors have to bring; one at random is made where needed',
    value: 'token',
    secret: true,
  }),
  statusTopic: option(topic().optional(), {
    text: 'topic that says whether we are connected, retained: 1, or 0 by last will',
    value: 'topic',
  }),
  ...operationOptions,
};

export const cloudSink: Program<typeof options> = {
  name: 'cloud-sink',
  commands: ['audit', 'forget', 'doctor'],
  description: 'Stores the faces that arrive at the cloud broker.',
  examples: EXAMPLES,
  options,
  file: options,
  review,
};

/** What is wrong with the options of the sink beside each other. */
export function review(given: CloudSinkOptions): Objection[] {
  const names = {
    url: 'cloudUrl',
    username: 'username',
    password: 'password',
    ca: 'ca',
    cert: 'cert',
    key: 'key',
  };
  const objections: Objection[] = [...brokerObjections(names, given), ...storeObjections(given)];
  if (given.gallery !== undefined && !given.manifest) {
    const message = 'The gallery shows the manifest: leave out --no-manifest, or --gallery.';
    objections.push({ option: ['gallery'], message });
  }
  if (given.gallery !== undefined && given.gallery !== 0 && given.gallery === given.metrics) {
    objections.push({ option: ['gallery'], message: 'It is the port of --metrics: give each its own.' });
  }
  return objections;
}

function megabytes() {
  return whole(1).transform((count) => count * MEGABYTE);
}

function tags() {
  const error = 'It must be name=value.';
  const named = z.record(z.string(), z.string({ error }), { error });
  return judged(named, (given) => new S3Store('s3://any', { tags: given }));
}

function storageClass() {
  return judged(text(), (given) => new S3Store('s3://any', { storageClass: given }));
}

function template() {
  return judged(text(), (key) => new Sink('.', { key }));
}

function accepted() {
  const kind = z.enum(['image', 'any']);
  const error = ({ input }: { readonly input?: unknown }) => {
    const wrong = Object.entries(Object(input)).find(([, given]) => !kind.safeParse(given).success);
    if (typeof input !== 'object' || wrong === undefined) {
      return 'It must be image, any or topic=image,topic=any.';
    }
    return `What is accepted on ${wrong[0]} must be image or any.`;
  };
  return judged(
    z.union([kind, z.record(z.string(), kind)], { error }),
    (accept) => new Sink('.', { accept }),
  );
}

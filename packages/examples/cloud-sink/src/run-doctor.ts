import { randomUUID } from 'node:crypto';
import { FileStore, roundTrip, S3Store, type Store } from 'edge-relay';
import {
  type App,
  brokerFinding,
  type Check,
  clockFinding,
  doctorOptions,
  examine,
  type Finding,
  type OptionsOf,
  type Program,
} from 'edge-relay-command-line';
import { type CloudSinkOptions, cloudSink } from './options';
import { s3OptionsOf } from './store-options';

const EXAMPLES = `Examples:
  Before the first start, with the options of the sink:
    cloud-sink doctor --config sink.yaml
  For programs:
    cloud-sink doctor --config sink.yaml --json

Looks at the broker, the store (writes, reads and deletes an object), the clock, and whether a running sink answers. It
leaves nothing behind, but makes the folder of the store where it is missing. Exit codes: 0 nothing is wrong,
1 something is wrong, 2 wrong use.`;

const options = { ...cloudSink.options, ...doctorOptions };

export const cloudSinkDoctor: Program<typeof options> = {
  name: 'cloud-sink doctor',
  description: 'Says what is wrong on the side of the store, and the cure.',
  examples: EXAMPLES,
  options,
  file: cloudSink.options,
};

/** The clock of a server is told in whole seconds (RFC 9110 section 6.6.1), so that on average it is later by half of one. */
const HALF_SECOND_MS = 500;

/** `cloud-sink doctor`: looks at what the sink needs. */
export function runDoctor(given: OptionsOf<typeof options>, app: App): Promise<void> {
  const broker = brokerOf(given);
  const checks: Check[] = [
    { name: 'broker', look: () => brokerFinding(broker) },
    { name: 'store', look: () => storeFinding(given) },
    { name: 'clock', look: () => clockOfStore(given) },
    { name: 'running sink', look: () => answerOfSink(given) },
  ];
  return examine(checks, { json: given.json, app });
}

async function storeFinding(given: CloudSinkOptions): Promise<Finding> {
  const store = storeOf(given);
  const began = performance.now();
  const key = `probes/${randomUUID()}.json`;
  const data = Buffer.from(JSON.stringify({ type: 'dev.edge-relay.probe.v1', time: new Date() }));
  try {
    await store.open();
    await store.put(key, data, { contentType: 'application/json' });
    const found = await store.get(key).catch((error) => error as Error);
    const removed = await (store.erase?.(key) ?? store.delete(key))
      .catch(() => store.delete(key))
      .then(
        () => undefined,
        (error) => error as Error,
      );
    if (found instanceof Error) throw found;
    const isSame = found !== undefined && Buffer.compare(found.data, data) === 0;
    const took = `written, read and deleted in ${Math.round(performance.now() - began)} ms`;
    const exclusive = store.supports.exclusive === false ? ', without If-None-Match or hard links' : '';
    if (!isSame) {
      const cure = 'Look what stands between us and the store.';
      return { state: 'wrong', value: `${store.location}: what was written is not what is read`, cure };
    }
    if (removed) {
      const cure = `cloud-sink forget needs the right to delete; remove ${key} by hand. ${removed.message}`;
      return { state: 'doubtful', value: `${store.location}: written and read, but not deleted`, cure };
    }
    return { state: 'good', value: `${store.location}: ${took}${exclusive}` };
  } finally {
    await store.close();
  }
}

async function clockOfStore(given: CloudSinkOptions): Promise<Finding> {
  if (!given.store.startsWith('s3://')) {
    return { state: 'skipped', value: 'a folder has no clock of its own' };
  }
  const { s3Endpoint, s3Region = process.env.AWS_REGION ?? 'us-east-1' } = given;
  const url = s3Endpoint ?? `https://s3.${s3Region}.amazonaws.com`;
  const sentAt = Date.now();
  // Also a refusal tells the time.
  const answer = await fetch(url, {
    method: 'HEAD',
    redirect: 'manual',
    signal: AbortSignal.timeout(5_000),
  }).catch((error) => error as Error);
  const tookMs = Date.now() - sentAt;
  if (answer instanceof Error) {
    const cure = 'Is --s3-endpoint right, and the network up?';
    return { state: 'wrong', value: `${url} does not answer (${answer.message})`, cure };
  }
  const theirs = Date.parse(answer.headers.get('date') ?? '');
  if (Number.isNaN(theirs)) return { state: 'skipped', value: `${url} does not tell the time` };
  const aheadMs = theirs + HALF_SECOND_MS - (sentAt + tookMs / 2);
  return clockFinding(aheadMs, HALF_SECOND_MS + tookMs / 2, `the Date of ${url}`);
}

async function answerOfSink(given: CloudSinkOptions): Promise<Finding> {
  if (!given.receipts) return { state: 'skipped', value: 'without --receipts a sink does not answer' };
  if (/[+#]|^\$share/.test(given.topic)) {
    return { state: 'skipped', value: `nothing can be sent to the filter ${given.topic}` };
  }
  const answer = await roundTrip({ ...brokerOf(given), topic: given.topic });
  if (answer.outcome === 'stored') {
    return { state: 'good', value: `a probe was stored and receipted in ${answer.totalMs} ms` };
  }
  return {
    state: 'doubtful',
    value:
      answer.outcome === 'silent' ? 'no receipt came for a probe' : `nobody subscribes to ${given.topic}`,
    cure: `Start cloud-sink with the same options; if it runs, let its user write ${given.topic}/receipts/#.`,
  };
}

function brokerOf({ cloudUrl, username, password, ca, cert, key }: CloudSinkOptions) {
  return { url: cloudUrl, username, password, ca, cert, key };
}

/** Without what removes: it only looks. */
function storeOf(given: CloudSinkOptions): Store {
  if (given.store.startsWith('s3://')) {
    return new S3Store(given.store, {
      ...s3OptionsOf(given),
      ...(given.s3Encryption && { serverSideEncryption: given.s3Encryption }),
      ...(given.s3KmsKey && { kmsKeyId: given.s3KmsKey }),
      requestTimeoutMs: 5_000,
    });
  }
  return new FileStore(given.store, {
    ...(given.freeDisk !== undefined && { freeDiskBytes: given.freeDisk }),
  });
}

import { RelayError, roundTrip } from 'edge-relay';
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
  wayFinding,
} from 'edge-relay-command-line';
import { type CloudSinkOptions, cloudSink, review } from './options';
import { storeFinding } from './store-finding';

const EXAMPLES = `Examples:
  With the options of the sink, before its first start or beside it:
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
  review,
};

/** The clock of a server is told in whole seconds (RFC 9110 section 6.6.1), so that on average it is later by half of one. */
const HALF_SECOND_MS = 500;

/** `cloud-sink doctor`: looks at what the sink needs. */
export function runDoctor(given: OptionsOf<typeof options>, app: App): Promise<void> {
  const checks: readonly Check[] = [
    { name: 'broker', look: (timeoutMs) => brokerFinding(brokerOf(given, timeoutMs)) },
    { name: 'store', look: (timeoutMs) => storeFinding(given, timeoutMs) },
    { name: 'clock', look: (timeoutMs) => clockOfStore(given, timeoutMs) },
    {
      name: 'running sink',
      needs: ['broker'],
      look: (timeoutMs) => answerOfSink(given, timeoutMs),
    },
  ];
  return examine(checks, given, app);
}

/** By the `Date` of an answer, which also a refusal has. */
async function clockOfStore(given: CloudSinkOptions, timeoutMs: number): Promise<Finding> {
  if (!given.store.startsWith('s3://')) {
    return { state: 'skipped', value: 'not checked, because a folder has no clock of its own' };
  }
  const { s3Endpoint, s3Region = process.env.AWS_REGION ?? 'us-east-1' } = given;
  const url = s3Endpoint ?? `https://s3.${s3Region}.amazonaws.com`;
  const sentAt = Date.now();
  const answer = await fetch(url, {
    method: 'HEAD',
    redirect: 'manual',
    signal: AbortSignal.timeout(timeoutMs),
  }).catch((error) => error as Error);
  const tookMs = Date.now() - sentAt;
  const theirs = answer instanceof Error ? Number.NaN : Date.parse(answer.headers.get('date') ?? '');
  if (Number.isNaN(theirs)) {
    return { state: 'skipped', value: `not checked, because ${url} does not tell the time` };
  }
  const aheadMs = theirs + HALF_SECOND_MS - (sentAt + tookMs / 2);
  return clockFinding(aheadMs, HALF_SECOND_MS + tookMs / 2, `the Date of ${url}`);
}

/** Before its first start, a sink does not answer, and that is in order. */
async function answerOfSink(given: CloudSinkOptions, timeoutMs: number): Promise<Finding> {
  const { topic, receipts = false } = given;
  if (/[+#]|^\$share/.test(topic)) {
    return { state: 'skipped', value: `not checked, because nothing can be sent to the filter ${topic}` };
  }
  try {
    const trip = await roundTrip({ ...brokerOf(given, timeoutMs), topic, receipts, timeoutMs });
    const finding = wayFinding(trip, topic, 'cloud-sink');
    return finding.state === 'fail' ? { ...finding, state: 'warning' } : finding;
  } catch (error) {
    // A sink needs no right to send there, and should have none.
    if (!(error instanceof RelayError && error.code === 'MESSAGE_REFUSED')) throw error;
    const why = `this user may not send to ${topic}, and need not; it is checked with --username of a device`;
    return { state: 'skipped', value: `not checked, because ${why}` };
  }
}

function brokerOf(given: CloudSinkOptions, timeoutMs: number) {
  const { cloudUrl: url, username, password, ca, cert, key } = given;
  return { url, username, password, ca, cert, key, connectTimeoutMs: timeoutMs / url.length };
}

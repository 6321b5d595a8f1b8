import { audit } from 'edge-relay';
import {
  type App,
  date,
  type OptionsOf,
  onOff,
  option,
  type Program,
  Progress,
  text,
} from 'edge-relay-command-line';
import { auditText } from './audit-text';
import { cloudSink } from './options';
import { s3OptionsOf, storeOptions } from './store-options';

const EXAMPLES = `Examples:
  cloud-sink audit --store ./faces
  Read every object, too, and keep the answer:
    cloud-sink audit --store s3://my-bucket/faces --verify --json > audit.json

It changes nothing, and may run while sinks store. Exit codes: 0 nothing is missing, 1 something is missing or
damaged, 2 wrong use.`;

const options = {
  ...storeOptions,
  camera: option(text().optional(), {
    text: 'only what this camera has taken',
    value: 'name',
    only: 'process',
  }),
  since: option(date().optional(), {
    text: 'only what was taken then or later, such as 2026-01-31',
    value: 'time',
    only: 'process',
  }),
  verify: option(onOff().optional(), {
    text: 'reads every object and compares its SHA-256',
    only: 'process',
  }),
  json: option(onOff().optional(), { text: 'prints JSON for programs', only: 'process' }),
};

export const cloudSinkAudit: Program<typeof options> = {
  name: 'cloud-sink audit',
  description: 'Says what is there, what is missing, and how fast it came.',
  examples: EXAMPLES,
  options,
  file: cloudSink.options,
};

/** `cloud-sink audit`: says what is there and what is missing. */
export async function runAudit(
  options: OptionsOf<typeof cloudSinkAudit.options>,
  { signal, onStop }: App,
): Promise<void> {
  const stopping = new AbortController();
  onStop(() => stopping.abort(new Error('stopped before the audit was done')));
  const progress = new Progress();
  const report = await audit(options.store, {
    verify: options.verify,
    camera: options.camera,
    since: options.since,
    s3: s3OptionsOf(options),
    signal: AbortSignal.any([signal, stopping.signal]),
    onProgress: ({ step, done, total }) =>
      progress.show(() => `${step} ${done}${total === undefined ? '' : ` of ${total}`}`),
  });
  progress.clear();
  process.stdout.write(options.json ? `${JSON.stringify(report, undefined, 2)}\n` : auditText(report));
  if (!report.complete) process.exitCode = 1;
}

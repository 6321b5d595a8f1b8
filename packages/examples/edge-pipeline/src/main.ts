import { setTimeout as sleep } from 'node:timers/promises';
import type { Bridge } from 'edge-relay';
import { type App, runApp } from 'edge-relay-command-line';
import { makeBridge } from './bridge';
import { detect } from './detect';
import { type EdgePipelineOptions, parseOptions } from './options';

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
  // A broker of MQTT 3.1.1 throws away what nobody subscribes to and does not say so: the bridge comes first.
  const isSubscribed = new Promise<void>((resolve) => {
    bridge.on('online', ({ side }) => side === 'from' && resolve());
    app.onStop(resolve);
  });
  const running = bridge.run({ signal: app.signal });
  const seeing = isSubscribed.then(() => see(options, app, bridge));
  await Promise.all([seeing, running]);
  app.log.info(`bridge: ${bridge.stats.forwarded} forwarded`);
}

/** Ends when the source does, after the last face has been forwarded. */
async function see(options: EdgePipelineOptions, app: App, bridge: Bridge): Promise<void> {
  let acknowledged = 0;
  if (!app.isStopping) {
    await detect(options, app, () => {
      acknowledged += 1;
    });
  }
  // Told to stop, it leaves the rest to the local broker, which delivers it to the bridge's next start.
  const isForwarded = () => bridge.stats.forwarded >= acknowledged && bridge.stats.outstanding === 0;
  while (!app.isStopping && !isForwarded()) await sleep(50, undefined, { signal: app.signal });
  await bridge.close();
}

import { setTimeout as sleep } from 'node:timers/promises';
import type { Bridge } from 'edge-relay';
import { type App, runApp } from 'edge-relay-command-line';
import { makeBridge, watchBridge } from './bridge';
import { detect } from './detect';
import { makeStages } from './detect-stages';
import { showCameras } from './list-cameras';
import { type EdgePipelineOptions, edgePipeline } from './options';
import { edgePipelineDoctor, runDoctor } from './run-doctor';

const [name, ...rest] = process.argv.slice(2);
if (name === 'doctor') await runApp(edgePipelineDoctor, rest, { run: runDoctor, isWatched: false });
else await runApp(edgePipeline, process.argv.slice(2), { run, rehearse });

async function run(options: EdgePipelineOptions, app: App): Promise<void> {
  if (options.listCameras) return showCameras(options);
  if (options.role === 'detect') return detect(options, app, app.signal, () => {});
  await using bridge = makeBridge(options);
  watchBridge(bridge, options, app);
  if (options.role === 'bridge') {
    app.onStop(() => bridge.close());
    await bridge.run({ signal: app.signal });
  } else {
    await both(options, app, bridge);
  }
  const { forwarded, refused } = bridge.stats;
  app.log.info(`bridge: ${forwarded} forwarded, ${refused} refused`);
}

/** Detector and bridge in one process: when one fails, the other stops. */
async function both(options: EdgePipelineOptions, app: App, bridge: Bridge): Promise<void> {
  const failed = new AbortController();
  const signal = AbortSignal.any([app.signal, failed.signal]);
  // A broker of MQTT 3.1.1 throws away what nobody subscribes to and does not say so: the bridge comes first.
  const isSubscribed = new Promise<void>((resolve, reject) => {
    bridge.on('online', ({ side }) => side === 'from' && resolve());
    app.onStop(resolve);
    signal.addEventListener('abort', () => reject(signal.reason), { once: true });
  });
  const running = bridge.run({ signal });
  const seeing = isSubscribed.then(() => see(options, app, signal, bridge));
  const fail = (error: unknown) => failed.abort(error);
  running.catch(fail);
  seeing.catch(fail);
  await Promise.all([seeing, running]);
}

/** Ends when the source does, after the last face has been forwarded. */
async function see(
  options: EdgePipelineOptions,
  app: App,
  signal: AbortSignal,
  bridge: Bridge,
): Promise<void> {
  let acknowledged = 0;
  if (!app.isStopping) {
    await detect(options, app, signal, () => {
      acknowledged += 1;
    });
  }
  // Told to stop, it leaves the rest to the local broker, which delivers it to the bridge's next start.
  const isThrough = () => {
    const { forwarded, refused, dropped, outstanding } = bridge.stats;
    return forwarded + refused + dropped >= acknowledged && outstanding === 0;
  };
  while (!app.isStopping && !isThrough()) await sleep(50, undefined, { signal });
  await bridge.close();
}

/** Makes what `run` makes, and starts nothing of it. */
async function rehearse(options: EdgePipelineOptions): Promise<void> {
  if (options.listCameras) return;
  if (options.role !== 'detect') await makeBridge(options).close();
  if (options.role !== 'bridge') await makeStages(options).close();
}

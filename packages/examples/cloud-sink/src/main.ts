import { pipeline, Sink, Subscriber } from 'edge-relay';
import { type App, runApp } from 'edge-relay-command-line';
import { type CloudSinkOptions, parseOptions } from './options';

await runApp('cloud-sink', (app) => run(parseOptions(process.argv.slice(2)), app));

async function run(options: CloudSinkOptions, { log, signal, onStop }: App): Promise<void> {
  const { s3Endpoint: endpoint, s3Region: region, s3PathStyle: forcePathStyle } = options;
  await using sink = new Sink(options.store, {
    concurrency: options.concurrency,
    ...(options.store.startsWith('s3://') && {
      s3: {
        ...(endpoint && { endpoint }),
        ...(region && { region }),
        ...(forcePathStyle && { forcePathStyle }),
      },
    }),
  });
  await using faces = new Subscriber({
    url: options.cloudUrl,
    topic: options.topic,
    clientId: options.clientId,
    username: options.username,
    password: options.password,
    ca: options.ca,
    cert: options.cert,
    key: options.key,
    receipts: options.receipts,
    // More than the sink stores at once, so that it never waits for the network.
    windowMessages: Math.max(100, options.concurrency * 4),
  });
  faces.on('online', ({ url }) => log.change('broker', `listening to ${options.topic} at ${url}`));
  faces.on('forgotten', ({ url }) =>
    log.warn(`the broker at ${url} has forgotten us; what it kept for this sink is gone`),
  );
  faces.on('offline', ({ error }) => log.change('broker', error.message, 'warn'));
  sink.on('stored', ({ key }) =>
    log.change('first', `storing in ${options.store}, first ${key.split('/', 1)[0]}/…`),
  );
  sink.on('rejected', ({ key, reason }) => log.warn(`not a picture, kept as ${key}: ${reason}`));
  sink.on('conflict', ({ key }) => log.warn(`other bytes under a known id, kept as ${key}`));
  sink.on('retry', ({ error }) =>
    log.change('store', `the store fails, trying again: ${error.message}`, 'warn'),
  );
  onStop(async () => {
    await faces.close();
    // A store that cannot be reached is not waited for any longer; its messages stay with the broker.
    await sink.close();
  });

  await pipeline(faces, sink, { signal });
  const { stored, duplicates, conflicts, rejected } = sink.stats;
  log.info(`stored ${stored}, duplicates ${duplicates}, conflicts ${conflicts}, rejected ${rejected}`);
}

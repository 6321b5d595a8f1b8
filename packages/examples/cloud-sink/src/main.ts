import { type GapRecord, pipeline, Sink, type SinkOptions, Subscriber } from 'edge-relay';
import { type App, runApp } from 'edge-relay-command-line';
import { Gallery } from './gallery/server';
import { measureSink, timed } from './metrics';
import { type CloudSinkOptions, cloudSink } from './options';
import { cloudSinkAudit, runAudit } from './run-audit';
import { cloudSinkDoctor, runDoctor } from './run-doctor';
import { cloudSinkForget, runForget } from './run-forget';

const [name, ...rest] = process.argv.slice(2);
if (name === 'audit') await runApp(cloudSinkAudit, rest, { run: runAudit });
else if (name === 'forget') await runApp(cloudSinkForget, rest, { run: runForget });
else if (name === 'doctor') await runApp(cloudSinkDoctor, rest, { run: runDoctor, isWatched: false });
else await runApp(cloudSink, process.argv.slice(2), { run, rehearse });

async function run(options: CloudSinkOptions, { log, health, meter, signal, onStop }: App): Promise<void> {
  await using sink = new Sink(options.store, sinkOptions(options));
  await using faces = subscriber(options, sink);
  if (meter) measureSink(meter, sink, faces);
  for (const part of ['broker', 'store']) health.expect(part);
  // The sink is opened before the first message is asked for.
  faces.once('online', () => health.up('store'));
  faces.on('online', ({ url }) => health.up('broker', `listening to ${options.topic} at ${url}`));
  faces.on('forgotten', ({ url }) =>
    log.warn(`the broker at ${url} has forgotten us; what it kept for this sink is gone`),
  );
  faces.on('offline', ({ error }) => health.down('broker', error.message));
  let first: string | undefined;
  sink.on('stored', ({ key }) => {
    first ??= key.split('/', 1)[0];
    health.up('store', `storing in ${options.store}, first ${first}/…`);
  });
  for (const event of ['duplicate', 'conflict', 'rejected', 'gap'] as const) {
    sink.on(event, () => health.up('store'));
  }
  sink.on('rejected', ({ key, reason }) => log.warn(`not accepted, kept as ${key}: ${reason}`));
  sink.on('notice', ({ message }) => log.warn(message));
  let removed = 0;
  sink.on('removed', ({ key }) => {
    removed += 1;
    if (removed === 1) log.info(`removing what is older or more than is to be kept, first ${key}`);
  });
  sink.on('conflict', ({ key }) => log.warn(`other bytes under a known id, kept as ${key}`));
  sink.on('gap', ({ gap }) =>
    log.warn(`camera ${gap.camera} has left out ${formatNumbers(gap)} (${gap.reason}), and says so`),
  );
  sink.on('forgotten', ({ key }) => log.info(`came again after it was forgotten, not stored: ${key}`));
  sink.on('uncompacted', ({ error }) =>
    log.change(
      'manifest',
      `the manifest could not be gathered: ${error instanceof Error ? error.message : error}`,
      'warn',
    ),
  );
  sink.on('retry', ({ error }) => health.down('store', `the store fails, trying again: ${error.message}`));
  onStop(async () => {
    await faces.close();
    // A store that cannot be reached is not waited for any longer; its messages stay with the broker.
    await sink.close();
  });

  await using gallery = options.gallery === undefined ? undefined : galleryOf(sink, options);
  if (gallery) log.reveal(`gallery at ${await gallery.open()}`);
  await pipeline(faces, timed(sink, meter), { signal });
  const { stored, duplicates, conflicts, rejected, gaps, forgotten } = sink.stats;
  const seldom = Object.entries({ 'gap records': gaps, forgotten, removed }).filter(([, count]) => count > 0);
  const more = seldom.map(([name, count]) => `, ${name} ${count}`).join('');
  log.info(`stored ${stored}, duplicates ${duplicates}, conflicts ${conflicts}, rejected ${rejected}${more}`);
}

/** Makes what `run` makes, and starts nothing of it. */
async function rehearse(options: CloudSinkOptions): Promise<void> {
  await using sink = new Sink(options.store, sinkOptions(options));
  await using _ = subscriber(options, sink);
}

function subscriber(options: CloudSinkOptions, sink: Sink): Subscriber {
  return new Subscriber({
    url: options.cloudUrl,
    topic: options.topic,
    clientId: options.clientId,
    username: options.username,
    password: options.password,
    ca: options.ca,
    cert: options.cert,
    key: options.key,
    receipts: options.receipts,
    stateTopic: options.statusTopic,
    // More than the sink takes at once, so that it never waits for the network.
    windowMessages: Math.max(100, sink.concurrency * 2),
  });
}

function galleryOf(sink: Sink, { gallery: port = 0, galleryHost, galleryToken }: CloudSinkOptions): Gallery {
  return new Gallery(sink, { port, host: galleryHost, token: galleryToken });
}

function formatNumbers({ numbers }: GapRecord): string {
  const count = numbers.reduce((sum, [from, to]) => sum + to - from + 1, 0);
  return count === 1 ? 'a picture' : `${count} pictures`;
}

function sinkOptions(options: CloudSinkOptions): SinkOptions {
  return {
    ...given({
      concurrency: options.concurrency,
      key: options.keyTemplate,
      accept: options.accept,
      maxPixels: options.maxPixels,
      manifest: options.manifest,
    }),
    s3: given({
      endpoint: options.s3Endpoint,
      region: options.s3Region,
      forcePathStyle: options.s3PathStyle,
      serverSideEncryption: options.s3Encryption,
      kmsKeyId: options.s3KmsKey,
      storageClass: options.s3StorageClass,
      tags: options.s3Tags,
    }),
    files: given({
      maxAgeHours: options.maxAge,
      maxBytes: options.maxSize,
      freeDiskBytes: options.freeDisk,
      whenFull: options.whenFull,
    }),
  };
}

/** Without what was not given. */
function given<Options extends object>(
  options: Options,
): { [Name in keyof Options]?: NonNullable<Options[Name]> } {
  const entries = Object.entries(options).filter(([, value]) => value !== undefined);
  return Object.fromEntries(entries) as { [Name in keyof Options]?: NonNullable<Options[Name]> };
}

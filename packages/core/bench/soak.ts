/** A relay for a long time, cut off again and again: what its memory, file descriptors and warnings come to. */
import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { Bridge, Publisher, pipeline, Subscriber } from 'edge-relay';
import { startFaultProxy, startMosquitto } from 'edge-relay/testing';
import { mebibytes, statusBytes } from './lib/process-memory';
import { Told } from './lib/told';

const self = fileURLToPath(import.meta.url);
const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    minutes: { type: 'string', default: '15' },
    /** Messages a second. */
    rate: { type: 'string', default: '500' },
    bytes: { type: 'string', default: '2000' },
    /** Seconds from one cut of all links to the next. */
    cut: { type: 'string', default: '30' },
  },
});
const [minutes, rate] = [Number(values.minutes), Number(values.rate)];
const [bytes, cutSeconds] = [Number(values.bytes), Number(values.cut)];
const SAMPLE_MS = 10_000;

interface Sample {
  readonly seconds: number;
  readonly rss: number;
  readonly anonymous: number;
  readonly heapUsed: number;
  readonly external: number;
  readonly descriptors: number;
}

if (positionals[0] === 'world') await runWorld();
else await soak();

/** The brokers, and links to them that are cut, in a process of their own: they are not what is measured. */
async function runWorld(): Promise<void> {
  const [edge, cloud] = [await startMosquitto(), await startMosquitto()];
  const proxies = await Promise.all(
    [edge, edge, cloud, cloud].map(({ port }) => startFaultProxy({ targetPort: port })),
  );
  const [publisher, bridgeFrom, bridgeTo, subscriber] = proxies.map(({ port }) => port);
  console.log('ready');
  setInterval(() => console.log(JSON.stringify({ publisher, bridgeFrom, bridgeTo, subscriber })), 100);
  setInterval(() => {
    for (const proxy of proxies) proxy.cut();
  }, cutSeconds * 1000);
  process.once('SIGTERM', async () => {
    await Promise.all([edge.close(), cloud.close()]);
    process.exit();
  });
}

async function soak(): Promise<void> {
  process.once('SIGINT', () => process.exit(1));
  const folder = mkdtempSync(join(tmpdir(), 'edge-relay-soak-'));
  const warnings: Record<string, number> = {};
  process.on('warning', ({ name }) => {
    warnings[name] = (warnings[name] ?? 0) + 1;
  });
  const world = await Told.start(self, [`--cut=${cutSeconds}`, 'world']);
  await world.until(({ publisher }) => publisher !== undefined, 'the brokers are there');
  const url = (name: string) => `mqtt://127.0.0.1:${world.figures[name]}`;

  const publisher = new Publisher({
    url: url('publisher'),
    topic: 'edge',
    spool: join(folder, 'publisher'),
    receipts: true,
  });
  const bridge = new Bridge({
    from: { url: url('bridgeFrom') },
    to: { url: url('bridgeTo') },
    topics: [{ from: 'edge', to: 'cloud' }],
    spool: join(folder, 'bridge'),
    receipts: true,
  });
  const subscriber = new Subscriber({
    url: url('subscriber'),
    topic: 'cloud',
    clientId: 'soak',
    receipts: true,
  });
  const total = Math.round(rate * minutes * 60);
  const isStored = new Uint8Array(total);
  const counts = { published: 0, stored: 0, duplicates: 0 };
  const count = (payload: Uint8Array) => {
    const number = Buffer.from(payload.buffer, payload.byteOffset).readUInt32LE();
    counts[isStored[number] ? 'duplicates' : 'stored'] += 1;
    isStored[number] = 1;
  };
  const running = [
    bridge.run(),
    pipeline(subscriber, { name: 'counting', write: ({ payload }) => count(payload) }),
  ];

  const samples: Sample[] = [];
  const startedAt = performance.now();
  const sampling = setInterval(() => {
    samples.push(sample((performance.now() - startedAt) / 1000));
    const { seconds, descriptors, ...memory } = samples.at(-1)!;
    const inMiB = Object.entries(memory).map(([name, value]) => [`${name}MiB`, mebibytes(value)]);
    const { spooled, resent, unreceipted } = publisher.stats;
    const line = { ...Object.fromEntries(inMiB), descriptors, ...counts, spooled, resent, unreceipted };
    console.log(JSON.stringify({ benchmark: 'soak', seconds: Math.round(seconds), ...line }));
  }, SAMPLE_MS);
  await publishAll(publisher, total, () => {
    counts.published += 1;
  });
  clearInterval(sampling);
  await Promise.race([publisher.flush(), pause(120_000, undefined, { ref: false })]);

  const half = samples.slice(Math.floor(samples.length / 2));
  const lost = total - counts.stored;
  console.log(
    JSON.stringify({
      benchmark: 'soak',
      minutes,
      rate,
      bytes,
      cutSeconds,
      // Over the second half; a first one may still fill caches.
      bytesAMinute: {
        anonymous: slope(half, 'anonymous'),
        heapUsed: slope(half, 'heapUsed'),
        external: slope(half, 'external'),
      },
      descriptors: { begin: samples[0]?.descriptors, end: samples.at(-1)?.descriptors },
      warnings,
      ...counts,
      lost,
    }),
  );
  await Promise.all([publisher.close(), bridge.close(), subscriber.close()]);
  await Promise.all(running);
  world.end();
  rmSync(folder, { recursive: true, force: true });
  process.exitCode = lost === 0 && Object.keys(warnings).length === 0 ? 0 : 1;
}

/** Publishes numbered messages at the rate; resolves when all are in the spool. */
async function publishAll(publisher: Publisher, total: number, onPublished: () => void): Promise<void> {
  const startedAt = performance.now();
  const publishing = new Set<Promise<void>>();
  for (let number = 0; number < total; ) {
    const due = Math.min(total, ((performance.now() - startedAt) / 1000) * rate);
    for (; number < due; number += 1) {
      const payload = Buffer.alloc(bytes, 7);
      payload.writeUInt32LE(number);
      const published = publisher.publish({ payload }).then(() => {
        publishing.delete(published);
        onPublished();
      });
      publishing.add(published);
    }
    await pause(10);
  }
  await Promise.all(publishing);
}

function sample(seconds: number): Sample {
  globalThis.gc?.();
  const { rss, heapUsed, external } = process.memoryUsage();
  const descriptors = readdirSync('/proc/self/fd').length;
  return { seconds, rss, anonymous: statusBytes('self', 'RssAnon'), heapUsed, external, descriptors };
}

/** How much a figure grows in a minute, by least squares. */
function slope(samples: readonly Sample[], name: 'anonymous' | 'heapUsed' | 'external'): number {
  const mean = (of: (one: Sample) => number) =>
    samples.reduce((sum, one) => sum + of(one), 0) / samples.length;
  const [meanX, meanY] = [mean(({ seconds }) => seconds), mean((one) => one[name])];
  const spread = mean(({ seconds }) => (seconds - meanX) ** 2);
  const together = mean((one) => (one.seconds - meanX) * (one[name] - meanY));
  return Math.round((60 * together) / spread);
}

/** The far broker is away while messages come at full speed: memory and spool of the bridge, then the drain, in order. */
import { mkdtempSync, readdirSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { Bridge, LmdbSpool } from 'edge-relay';
import { freePort, startMosquitto } from 'edge-relay/testing';
import { mebibytes, statusBytes } from './lib/process-memory';
import { RawClient } from './lib/raw-mqtt';
import { Told } from './lib/told';

const self = fileURLToPath(import.meta.url);
const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    messages: { type: 'string', default: '100000' },
    bytes: { type: 'string', default: '20000' },
    /** Messages a second that still come while the bridge drains. */
    rate: { type: 'string', default: '200' },
    /** `max_inflight_messages` of both brokers; stock is 20. */
    window: { type: 'string', default: '2000' },
  },
});
process.setMaxListeners(30);
const [messages, bytes] = [Number(values.messages), Number(values.bytes)];
const [rate, window] = [Number(values.rate), Number(values.window)];

const [role, ...args] = positionals;
if (role === 'bridge') await runBridge(Number(args[0]), Number(args[1]), args[2]!);
else if (role === 'load') await runLoad(Number(args[0]));
else if (role === 'trickle') await runTrickle(Number(args[0]));
else if (role === 'drain') await runDrain(Number(args[0]));
else await measure();

async function measure(): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), 'edge-relay-outage-'));
  const config = `max_inflight_messages ${window}\nmax_queued_messages 0\nlog_type none`;
  const farPort = await freePort();
  // Its subscriber is known before: what the bridge sends first when it is back is for somebody.
  const far = await startMosquitto({ port: farPort, config, persistence: true });
  const subscriber = await RawClient.connect(farPort, 'drain', true);
  await subscriber.subscribe('cloud', () => {});
  subscriber.close();
  await far.stop();
  const near = await startMosquitto({ config });
  const bridge = await start('bridge', near.port, farPort, folder);
  const beginAnon = statusBytes(bridge.pid, 'RssAnon');

  const takingAt = performance.now();
  await start('load', near.port);
  await bridge.until(({ spooled }) => spooled === messages, 'everything is in the spool');
  const takingSeconds = (performance.now() - takingAt) / 1000;
  const outageAnon = bridge.maximumAnon;
  const spool = { MiB: bridge.figures.bytes, fileMiB: fileBytes(folder) };

  const trickle = await start('trickle', near.port);
  await far.start();
  const drainingAt = performance.now();
  const drain = await start('drain', farPort);
  await bridge.until(({ spooled, forwarded }) => forwarded! >= messages && spooled! < rate, 'it is drained');
  const drainSeconds = (performance.now() - drainingAt) / 1000;
  trickle.end();
  await trickle.until(({ isOver }) => isOver === 1, 'the last message is published');
  const total = messages + trickle.figures.published!;
  await drain.until(({ received }) => received! >= total, 'the last message has come').catch(() => {});
  await bridge.until(({ spooled }) => spooled === 0, 'nothing is left');
  await pause(500);
  const { received = 0, duplicates, outOfOrder } = drain.figures;
  console.log(
    JSON.stringify({
      benchmark: 'outage',
      messages,
      bytes,
      window,
      takenPerSecond: Math.round(messages / takingSeconds),
      spoolMiB: mebibytes(spool.MiB!),
      spoolFileMiB: mebibytes(spool.fileMiB),
      anonymousMiB: {
        begin: mebibytes(beginAnon),
        outageMaximum: mebibytes(outageAnon),
        maximum: mebibytes(bridge.maximumAnon),
      },
      drainSeconds: Math.round(drainSeconds * 10) / 10,
      drainedPerSecond: Math.round(messages / drainSeconds),
      newMessages: total - messages,
      lost: total - received,
      outOfOrder,
      duplicates,
    }),
  );
  for (const told of [bridge, drain]) told.end('SIGKILL');
  await Promise.all([near.close(), far.close()]);
  rmSync(folder, { recursive: true, force: true });
  process.exitCode = received === total && outOfOrder === 0 ? 0 : 1;
}

async function runBridge(nearPort: number, farPort: number, folder: string): Promise<void> {
  const spool = new LmdbSpool(folder, { maximumBytes: 2 * messages * (bytes + 500) + 1024 ** 3 });
  const bridge = new Bridge({
    from: { url: `mqtt://127.0.0.1:${nearPort}` },
    to: { url: `mqtt://127.0.0.1:${farPort}`, retryMaximumMs: 2_000 },
    topics: [{ from: 'edge', to: 'cloud' }],
    spool,
  });
  bridge.on('online', ({ side }) => side === 'from' && console.log('ready'));
  setInterval(() => tell({ ...bridge.stats, bytes: spool.bytes }), 100);
  await bridge.run();
}

async function runLoad(port: number): Promise<void> {
  const client = await RawClient.connect(port, 'load');
  console.log('ready');
  await client.publishAll('edge', messages, bytes, 500);
  client.close();
}

async function runTrickle(port: number): Promise<void> {
  const client = await RawClient.connect(port, 'trickle');
  console.log('ready');
  let isEnding = false;
  process.once('SIGTERM', () => {
    isEnding = true;
  });
  const startedAt = performance.now();
  let published = 0;
  while (!isEnding) {
    const due = Math.floor(((performance.now() - startedAt) / 1000) * rate) - published;
    if (due > 0) await client.publishAll('edge', due, bytes, 500, messages + published);
    published += Math.max(due, 0);
    await pause(20);
  }
  tell({ published, isOver: 1 });
  client.close();
}

async function runDrain(port: number): Promise<void> {
  const client = await RawClient.connect(port, 'drain', true);
  const figures = { received: 0, duplicates: 0, outOfOrder: 0 };
  const seen = new Set<number>();
  console.log('ready');
  await client.subscribe('cloud', (payload) => {
    const number = payload.readUInt32LE(8);
    if (seen.has(number)) {
      figures.duplicates += 1;
      return;
    }
    if (number !== figures.received) figures.outOfOrder += 1;
    seen.add(number);
    figures.received += 1;
  });
  setInterval(() => tell(figures), 100);
}

function fileBytes(folder: string): number {
  const files = readdirSync(folder, { recursive: true, withFileTypes: true }).filter((entry) =>
    entry.isFile(),
  );
  return files.reduce((sum, { parentPath, name }) => sum + statSync(join(parentPath, name)).size, 0);
}

function start(name: string, ...rest: (string | number)[]): Promise<Told> {
  const options = Object.entries(values).map(([option, value]) => `--${option}=${value}`);
  return Told.start(self, [...options, name, ...rest]);
}

function tell(figures: object): void {
  console.log(JSON.stringify(figures));
}

import { randomBytes } from 'node:crypto';
import { join } from 'node:path';
import { Bridge, LmdbSpool, type LmdbSpoolOptions, Publisher, pipeline, Sink, Subscriber } from 'edge-relay';
import { idFor } from './audit';
import { IdLog } from './id-log';

/** What each process of the relay is told when it is started. */
export interface RoleSettings {
  /** What must outlive the process lies here. */
  readonly folder: string;
  readonly edgePort: number;
  readonly cloudPort: number;
  readonly withReceipts: boolean;
  /** Of the spools. */
  readonly writes: NonNullable<LmdbSpoolOptions['writes']>;
  readonly messagesPerSecond: number;
}

/** Impatient, so that much happens in little time. */
const IMPATIENT = {
  keepaliveSeconds: 4,
  connectTimeoutMs: 2_000,
  retryMinimumMs: 100,
  retryMaximumMs: 1_000,
};
const EDGE_TOPIC = 'hw3facestx2';
const CLOUD_TOPIC = 'hw3faces';
/** More than these are not published before the spool has taken them. */
const MOST_UNDER_WAY = 500;

/** The processes of the relay between the two brokers, each to be run alone and killed at any time. */
export const roles: Readonly<Record<string, (settings: RoleSettings) => Promise<void>>> = {
  publisher: async (settings) => {
    const { folder, edgePort, withReceipts, writes, messagesPerSecond } = settings;
    const receipts = withReceipts && { resendAfterMs: 2_000, probeAfterMs: 3_000 };
    const publisher = new Publisher({
      ...IMPATIENT,
      url: urlOf(edgePort),
      topic: EDGE_TOPIC,
      spool: new LmdbSpool(join(folder, 'publisher-spool'), { writes }),
      acknowledgeTimeoutMs: 3_000,
      receipts,
    });
    const boot = randomBytes(4).toString('hex');
    const log = await IdLog.open(join(folder, 'published'), boot);
    await publisher.open();
    let [number, underWay] = [0, 0];
    const publishOne = async () => {
      const payload = randomBytes(
        Math.floor(Math.random() < 0.25 ? 5_000 + Math.random() * 35_000 : 500 + Math.random() * 3_000),
      );
      const id = idFor(`${boot}-${number}`, payload);
      const properties = { id, camera: 'chaos', time: new Date().toISOString() };
      number += 1;
      underWay += 1;
      await publisher.publish({ payload, properties });
      underWay -= 1;
      log.add(id);
    };
    const startedAt = performance.now();
    const timer = setInterval(() => {
      const due = ((performance.now() - startedAt) / 1000) * messagesPerSecond;
      while (number < due && underWay < MOST_UNDER_WAY) void publishOne();
    }, 10);
    // Publishes no more, and goes on sending what is in the spool.
    process.on('SIGTERM', () => clearInterval(timer));
    // Not before: who hears that it is ready may send the signal at once.
    tell(() => publisher.stats);
  },

  bridge: async (settings) => {
    const { folder, edgePort, cloudPort, withReceipts, writes } = settings;
    const bridge = new Bridge({
      from: { ...IMPATIENT, url: urlOf(edgePort) },
      to: { ...IMPATIENT, url: urlOf(cloudPort), acknowledgeTimeoutMs: 3_000 },
      topics: [{ from: EDGE_TOPIC, to: CLOUD_TOPIC }],
      spool: new LmdbSpool(join(folder, 'bridge-spool'), { writes }),
      receipts: withReceipts,
    });
    tell(() => bridge.stats);
    await bridge.run();
  },

  sink: async ({ folder, cloudPort, withReceipts }) => {
    const subscriber = new Subscriber({
      ...IMPATIENT,
      url: urlOf(cloudPort),
      topic: CLOUD_TOPIC,
      clientId: 'archive',
      receipts: withReceipts,
    });
    const sink = new Sink(join(folder, 'store'), { accept: 'any' });
    tell(() => sink.stats);
    await pipeline(subscriber, sink);
  },
};

function urlOf(port: number): string {
  return `mqtt://127.0.0.1:${port}`;
}

/** Says that it is ready, and from then on four times a second how far it is. */
function tell(stats: () => object): void {
  console.log('ready');
  setInterval(() => console.log(JSON.stringify(stats())), 250);
}

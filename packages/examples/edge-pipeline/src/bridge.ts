import { join } from 'node:path';
import { Bridge, type Message } from 'edge-relay';
import type { App } from 'edge-relay-command-line';
import { cloudBroker, edgeBroker } from './brokers';
import { measureBridge } from './metrics';
import type { EdgePipelineOptions } from './options';

/** The bridge from the local broker to the cloud, ready to run. */
export function makeBridge(options: EdgePipelineOptions): Bridge {
  return new Bridge({
    from: { ...edgeBroker(options), clientId: options.bridgeClientId },
    to: cloudBroker(options),
    topics: [{ from: options.edgeTopic, to: options.cloudTopic }],
    spool: options.spool && join(options.spool, 'bridge'),
    receipts: options.receipts,
    stamp: true,
    stateTopic: options.bridgeStatusTopic,
  });
}

/** Says what happens to it. */
export function watchBridge(bridge: Bridge, options: EdgePipelineOptions, { log, health, meter }: App): void {
  if (meter) measureBridge(meter, bridge);
  const topics = { from: options.edgeTopic, to: options.cloudTopic };
  for (const side of ['from', 'to']) health.expect(`bridge ${side}`);
  bridge.on('online', ({ side, url }) =>
    health.up(`bridge ${side}`, `bridge: connected ${side} ${topics[side]} at ${url}`),
  );
  bridge.on('offline', ({ side, error }) => health.down(`bridge ${side}`, error.message));
  bridge.on('waiting', ({ topic }) =>
    log.change('waiting', `bridge: nobody subscribes to ${topic} yet; keeping the faces`),
  );
  bridge.on('isolated', ({ message }) => log.warn(`bridge: ${isolation(message)}`));
  bridge.on('forgotten', ({ side, url }) =>
    log.warn(`bridge: the broker at ${url} has forgotten us (${side}); what it kept for the bridge is gone`),
  );
  bridge.on('refused', ({ error }) => log.warn(error.message));
  bridge.on('forwarded', () => log.change('waiting', 'bridge: forwarding'));
}

/** What to say of a message on which a broker hangs up. */
export function isolation({ id, payload }: Message): string {
  return `the broker hangs up on ${id} (${payload.byteLength} bytes): larger than it takes? It is kept and tried again`;
}

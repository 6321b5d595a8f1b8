import { inspect } from 'node:util';
import type { EventEmitter } from 'eventemitter3';
import type { RelayError } from '../src/errors';
import { Bridge } from '../src/mqtt/bridge';
import type { BrokerOptions } from '../src/mqtt/broker-options';
import { Publisher } from '../src/mqtt/publisher';
import { Subscriber } from '../src/mqtt/subscriber';

/** How a first connection ended. */
export interface FirstConnection {
  /** `online`; `refused`: what was asked for has rejected; `retrying`: the next attempt comes by itself. */
  readonly outcome: 'online' | 'refused' | 'retrying';
  readonly error: RelayError | undefined;
  /** All events and errors as a log would show them, causes and all. */
  readonly told: string;
}

export type Role = 'publisher' | 'subscriber' | 'bridge (to)' | 'bridge (from)';

/** Connects to a broker in a role, until it is up or the first error is there. */
export async function firstConnection(role: Role, broker: BrokerOptions): Promise<FirstConnection> {
  const nowhere = { url: 'mqtt://127.0.0.1:1', retryMinimumMs: 60_000, retryMaximumMs: 60_000 };
  if (role === 'publisher') {
    const publisher = new Publisher({ ...broker, topic: 'of-publisher' });
    return watch(publisher, () => publisher.publish({ payload: 'x' }));
  }
  if (role === 'subscriber') {
    const subscriber = new Subscriber({ ...broker, topic: 'of-subscriber', clientId: 'first' });
    const iterator = subscriber[Symbol.asyncIterator]();
    return watch(subscriber, () => iterator.next());
  }
  const side = role === 'bridge (to)' ? 'to' : 'from';
  const sides = side === 'to' ? { from: nowhere, to: broker } : { from: broker, to: nowhere };
  const bridge = new Bridge({ ...sides, topics: [{ from: 'of-bridge', to: 'y' }] });
  return watch(bridge, () => bridge.run(), side);
}

interface Watched {
  on(event: string, listener: (news: { side?: string; error: RelayError }) => void): unknown;
  close(): Promise<void>;
}

async function watch(
  watched: EventEmitter & { close(): Promise<void> },
  use: () => Promise<unknown>,
  side?: string,
): Promise<FirstConnection> {
  const emitter = watched as unknown as Watched;
  const told: unknown[] = [];
  let using: Promise<unknown> | undefined;
  const end = await new Promise<Omit<FirstConnection, 'told'>>((resolve) => {
    for (const [event, outcome] of [
      ['online', 'online'],
      ['offline', 'retrying'],
      ['failed', undefined],
    ] as const) {
      emitter.on(event, (news) => {
        told.push(news);
        if (outcome && news.side === side) resolve({ outcome, error: news.error });
      });
    }
    using = use().catch((error) => {
      told.push(error, error.stack);
      resolve({ outcome: 'refused', error });
    });
  });
  await emitter.close();
  await using;
  return { ...end, told: inspect(told, { depth: 20, showHidden: true, maxStringLength: null }) };
}

import { once } from 'node:events';
import { connect, createServer, type Socket } from 'node:net';
import { DelayedRelay } from './delayed-relay';
import { Lane } from './lane';

/** A TCP proxy on loopback that fails on command. */
export interface FaultProxy {
  /** Where clients connect, on 127.0.0.1. */
  readonly port: number;
  /** How many connections were opened through it so far. */
  readonly connections: number;
  /** Resets every connection that is open now (RST). */
  cut(): void;
  /**
   * Forgets every connection that is open now, as a NAT does: the server's side is closed, the client's stays
   * open and is never told; what it sends is lost. New connections pass.
   */
  halfOpen(): void;
  /** New connections are reset at once until `accept()`. */
  refuse(): void;
  /** Accepts connections again after `refuse()`. */
  accept(): void;
  /** Keeps connections open and passes nothing on, in one direction or both, until `resume()`. */
  pause(direction?: 'both' | 'to-server' | 'to-client'): void;
  /** Passes bytes on again after `pause()`. */
  resume(): void;
  /** Everything arrives so many milliseconds later, each way, in order and no slower; 0 ends it. */
  delay(milliseconds: number): void;
  /** So many bytes pass in a second, each way, of all connections together; `Infinity` ends it. */
  throttle(bytesPerSecond: number): void;
  /** Ends what was begun: `accept()`, `resume()`, no delay, no limit. What was forgotten is reset. */
  heal(): void;
  /** Cuts all connections and stops listening. Idempotent. */
  close(): Promise<void>;
}

/** Where a FaultProxy passes on to, and where it listens. */
export interface FaultProxyOptions {
  /** The port that connections are passed on to, on 127.0.0.1. */
  readonly targetPort: number;
  /** @default '127.0.0.1' */
  readonly targetHost?: string;
}

interface Pair {
  readonly client: Socket;
  readonly server: Socket;
  readonly relays: readonly DelayedRelay[];
  isForgotten: boolean;
}

/** Starts a proxy in front of a server, to test against lost, refused, slow and silent connections. */
export async function startFaultProxy(options: FaultProxyOptions): Promise<FaultProxy> {
  const { targetPort, targetHost = '127.0.0.1' } = options;
  const pairs = new Set<Pair>();
  const toServer = new Lane();
  const toClient = new Lane();
  let connections = 0;
  let isRefusing = false;

  // A half-closed connection stays open the other way until that has ended, too.
  const listener = createServer({ allowHalfOpen: true }, (client) => {
    connections += 1;
    if (isRefusing) {
      client.on('error', () => {});
      reset(client);
      return;
    }
    const server = connect({ port: targetPort, host: targetHost, allowHalfOpen: true });
    const relays = [new DelayedRelay(client, server, toServer), new DelayedRelay(server, client, toClient)];
    const pair = { client, server, relays, isForgotten: false };
    pairs.add(pair);
    for (const socket of [client, server]) {
      socket.setNoDelay(true);
      socket.on('error', () => {
        client.destroy();
        if (!pair.isForgotten) server.destroy();
      });
      socket.on('close', () => {
        if (client.destroyed && server.destroyed) pairs.delete(pair);
      });
    }
    for (const relay of relays) relay.update();
  }).listen(0, '127.0.0.1');
  await once(listener, 'listening');

  const resetBoth = ({ client, server }: Pair) => {
    reset(client);
    reset(server);
  };
  const forget = (pair: Pair) => {
    pair.isForgotten = true;
    for (const relay of pair.relays) relay.cut();
    pair.server.destroy();
  };
  const change = (apply: (lane: Lane) => void, lanes: readonly Lane[] = [toServer, toClient]) => {
    for (const lane of lanes) apply(lane);
    for (const { relays } of pairs) for (const relay of relays) relay.update();
  };
  const proxy: FaultProxy = {
    port: (listener.address() as { port: number }).port,
    get connections() {
      return connections;
    },
    cut: () => {
      for (const pair of pairs) resetBoth(pair);
    },
    halfOpen: () => {
      for (const pair of pairs) forget(pair);
    },
    refuse: () => {
      isRefusing = true;
    },
    accept: () => {
      isRefusing = false;
    },
    pause: (direction = 'both') => {
      toServer.isPaused = direction !== 'to-client';
      toClient.isPaused = direction !== 'to-server';
      change(() => {});
    },
    resume: () =>
      change((lane) => {
        lane.isPaused = false;
      }),
    delay: (milliseconds) => {
      assertAmount('milliseconds', milliseconds, milliseconds >= 0 && Number.isFinite(milliseconds));
      change((lane) => {
        lane.delayMs = milliseconds;
      });
    },
    throttle: (bytesPerSecond) => {
      assertAmount('bytesPerSecond', bytesPerSecond, bytesPerSecond > 0);
      change((lane) => {
        lane.bytesPerSecond = bytesPerSecond;
      });
    },
    heal: () => {
      proxy.accept();
      change((lane) => lane.clear());
      for (const pair of pairs) if (pair.isForgotten) resetBoth(pair);
    },
    close: async () => {
      listener.close();
      proxy.cut();
      await once(listener, 'close');
    },
  };
  return proxy;
}

/** Node resets only what is written out and open: on anything else it would wait for a peer that may never read. */
function reset(socket: Socket): void {
  if (socket.connecting || socket.writableLength > 0 || socket.writableEnded) socket.destroy();
  else socket.resetAndDestroy();
}

function assertAmount(name: string, value: number, isRight: boolean): void {
  if (!isRight) throw new TypeError(`fault proxy: ${name} must be a number above 0, not ${value}.`);
}

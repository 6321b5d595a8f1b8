import { once } from 'node:events';
import { connect, createServer, type Socket } from 'node:net';

/** A TCP proxy on loopback that fails on command. */
export interface FaultProxy {
  readonly port: number;
  /** How many connections were opened through it so far. */
  readonly connections: number;
  /** Resets every connection that is open now. */
  cut(): void;
  /** New connections are reset at once until `accept()`. */
  refuse(): void;
  accept(): void;
  /** Keeps connections open and passes nothing on, in one direction or both, until `resume()`. */
  pause(direction?: 'both' | 'to-server' | 'to-client'): void;
  resume(): void;
  close(): Promise<void>;
}

export interface FaultProxyOptions {
  readonly targetPort: number;
  /** @default '127.0.0.1' */
  readonly targetHost?: string;
}

interface Pair {
  readonly client: Socket;
  readonly server: Socket;
}

/** Starts a proxy in front of a server, to test against lost, refused and silent connections. */
export async function startFaultProxy(options: FaultProxyOptions): Promise<FaultProxy> {
  const { targetPort, targetHost = '127.0.0.1' } = options;
  const pairs = new Set<Pair>();
  let connections = 0;
  let isRefusing = false;
  let paused: 'both' | 'to-server' | 'to-client' | undefined;

  const applyPause = ({ client, server }: Pair) => {
    if (paused === 'both' || paused === 'to-server') client.pause();
    else client.resume();
    if (paused === 'both' || paused === 'to-client') server.pause();
    else server.resume();
  };
  const relay = (from: Socket, to: Socket) => {
    from.on('data', (data) => {
      if (to.write(data)) return;
      from.pause();
      to.once('drain', () => {
        for (const pair of pairs) if (pair.client === from || pair.server === from) applyPause(pair);
      });
    });
  };
  const listener = createServer((client) => {
    connections += 1;
    if (isRefusing) {
      client.on('error', () => {});
      client.resetAndDestroy();
      return;
    }
    const server = connect(targetPort, targetHost);
    const pair = { client, server };
    pairs.add(pair);
    const end = () => {
      pairs.delete(pair);
      client.destroy();
      server.destroy();
    };
    for (const socket of [client, server]) {
      socket.setNoDelay(true);
      socket.on('error', end);
      socket.on('close', end);
    }
    relay(client, server);
    relay(server, client);
    applyPause(pair);
  }).listen(0, '127.0.0.1');
  await once(listener, 'listening');
  const cut = () => {
    for (const { client, server } of pairs) {
      client.resetAndDestroy();
      server.resetAndDestroy();
    }
  };
  const setPause = (direction: typeof paused) => {
    paused = direction;
    for (const pair of pairs) applyPause(pair);
  };
  return {
    port: (listener.address() as { port: number }).port,
    get connections() {
      return connections;
    },
    cut,
    refuse: () => {
      isRefusing = true;
    },
    accept: () => {
      isRefusing = false;
    },
    pause: (direction = 'both') => setPause(direction),
    resume: () => setPause(undefined),
    close: async () => {
      listener.close();
      cut();
      await once(listener, 'close');
    },
  };
}

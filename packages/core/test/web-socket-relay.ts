import { once } from 'node:events';
import { createServer as createHttpServer } from 'node:http';
import { createServer as createHttpsServer, type ServerOptions } from 'node:https';
import { createRequire } from 'node:module';
import { connect } from 'node:net';
import type { Duplex } from 'node:stream';

interface WebSocketPackage {
  WebSocketServer: new (
    options: object,
  ) => { on(event: 'connection', listener: (socket: object) => void): unknown };
  createWebSocketStream(socket: object): Duplex;
}

/** The `ws` that MQTT.js brings along. */
const { WebSocketServer, createWebSocketStream } = createRequire(
  createRequire(import.meta.url).resolve('mqtt'),
)('ws') as WebSocketPackage;

/**
 * WebSocket in front of a broker's TCP port, at the path /mqtt: Debian builds its Mosquitto without. It
 * stands for a broker's own listener, and for the web server that many brokers have in front of them.
 */
export async function startWebSocketRelay(
  targetPort: number,
  tls?: ServerOptions,
): Promise<{ readonly url: string; close(): Promise<void> }> {
  const server = tls ? createHttpsServer(tls) : createHttpServer();
  const relay = new WebSocketServer({ server, path: '/mqtt', handleProtocols: () => 'mqtt' });
  relay.on('connection', (socket) => {
    const near = createWebSocketStream(socket);
    const far = connect(targetPort, '127.0.0.1');
    for (const [stream, other] of [
      [near, far],
      [far, near],
    ] as const) {
      stream.pipe(other);
      stream.on('error', () => other.destroy());
      stream.on('close', () => other.destroy());
    }
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as { port: number };
  return {
    url: `${tls ? 'wss' : 'ws'}://127.0.0.1:${port}/mqtt`,
    close: async () => {
      const closed = once(server, 'close');
      server.close();
      server.closeAllConnections();
      await closed;
    },
  };
}

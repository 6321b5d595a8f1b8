import { once } from 'node:events';
import { Agent, createServer, type IncomingMessage, request, type ServerResponse } from 'node:http';
import type { AddressInfo, Socket } from 'node:net';

/**
 * What can become of a request. `error`: 500. `slow-down`: 503, as S3 throttles. `reset`: the connection is reset
 * and the server hears nothing. `hang`: neither side hears anything. `cut-request`: the server gets half of the
 * body, then both connections are reset. The server does what it is asked for, and the client hears nothing but
 * a reset (`lose-answer`), nothing at all (`hang-answer`), or half of the answer and then a reset (`cut-answer`) or
 * nothing more (`stall-answer`).
 */
export type HttpFault =
  | 'error'
  | 'slow-down'
  | 'reset'
  | 'hang'
  | 'cut-request'
  | 'lose-answer'
  | 'hang-answer'
  | 'cut-answer'
  | 'stall-answer';

/** All faults that a HttpFaultProxy can make. */
export const HTTP_FAULTS: readonly HttpFault[] = [
  'error',
  'slow-down',
  'reset',
  'hang',
  'cut-request',
  'lose-answer',
  'hang-answer',
  'cut-answer',
  'stall-answer',
];

/** A request that came by. */
export interface HttpRequestSeen {
  /** `GET`, `PUT` and so on, in capitals. */
  readonly method: string;
  /** With the query. */
  readonly path: string;
  /** By lower-case name. */
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
}

/** Where a HttpFaultProxy passes on to. */
export interface HttpFaultProxyOptions {
  /** The port that requests are passed on to, on 127.0.0.1. */
  readonly targetPort: number;
  /** @default '127.0.0.1' */
  readonly targetHost?: string;
  /** Is told each request before it is passed on. @default nobody is */
  readonly onRequest?: (request: HttpRequestSeen) => void;
}

/** An HTTP proxy on loopback that fails on command. */
export interface HttpFaultProxy {
  /** `http://127.0.0.1:…` */
  readonly url: string;
  /** How often each fault has happened. */
  readonly faults: Readonly<Record<HttpFault, number>>;
  /** Asks for each request from now on what is to become of it; undefined lets it pass. */
  fail(decide: (request: HttpRequestSeen) => HttpFault | undefined): void;
  /** From now on everything passes. What hangs is reset. */
  heal(): void;
  /** Cuts all connections and stops listening. Idempotent. */
  close(): Promise<void>;
}

const ANSWERS: Readonly<Partial<Record<HttpFault, readonly [status: number, code: string]>>> = {
  error: [500, 'InternalError'],
  'slow-down': [503, 'SlowDown'],
};

/**
 * Starts a proxy in front of a server that speaks HTTP, such as an S3 one. Requests pass with the headers that they
 * came with, `Host` too, so that signatures stay right, and nothing is kept of them.
 */
export async function startHttpFaultProxy(options: HttpFaultProxyOptions): Promise<HttpFaultProxy> {
  const { targetPort: port, targetHost: host = '127.0.0.1', onRequest = () => {} } = options;
  const agent = new Agent({ keepAlive: true });
  const hanging = new Set<Socket>();
  const faults = Object.fromEntries(HTTP_FAULTS.map((fault) => [fault, 0])) as Record<HttpFault, number>;
  let decide: (request: HttpRequestSeen) => HttpFault | undefined = () => undefined;

  const hang = (socket: Socket) => {
    hanging.add(socket);
    socket.once('close', () => hanging.delete(socket));
  };
  const server = createServer((incoming, outgoing) => {
    const seen = { method: incoming.method ?? '', path: incoming.url ?? '', headers: incoming.headers };
    onRequest(seen);
    const fault = decide(seen);
    if (fault) faults[fault] += 1;
    incoming.on('error', () => {});
    outgoing.on('error', () => {});
    const answer = fault && ANSWERS[fault];
    if (answer) say(outgoing, answer);
    else if (fault === 'reset') incoming.socket.resetAndDestroy();
    else if (fault === 'hang') hang(incoming.socket);
    else pass(incoming, outgoing, fault);
  });

  const pass = (incoming: IncomingMessage, outgoing: ServerResponse, fault: HttpFault | undefined) => {
    const { method, url: path } = incoming;
    // We have said 100 to the client already.
    const { expect: _, ...headers } = incoming.headers;
    const onward = request({ agent, host, port, method, path, headers });
    onward.on('error', () => incoming.socket.destroy());
    incoming.on('close', () => {
      if (!incoming.complete) onward.destroy();
    });
    if (fault === 'cut-request') {
      cutHalfway(incoming, () => {
        onward.destroy();
        incoming.socket.resetAndDestroy();
      });
    }
    incoming.pipe(onward);
    onward.on('response', (response) => {
      response.on('error', () => outgoing.destroy());
      if (fault === 'hang-answer') hang(incoming.socket);
      if (fault === 'hang-answer' || fault === 'lose-answer') {
        response.resume();
        response.on('end', () => fault === 'lose-answer' && incoming.socket.resetAndDestroy());
        return;
      }
      const { statusCode = 502, headers: answered } = response;
      if (fault === 'cut-answer' || fault === 'stall-answer') {
        const { socket } = incoming;
        const then = fault === 'cut-answer' ? () => socket.resetAndDestroy() : () => hang(socket);
        response.resume();
        response.on('end', () => sayHalf(socket, statusCode, answered['content-length'], then));
        return;
      }
      outgoing.writeHead(statusCode, answered);
      response.pipe(outgoing);
    });
  };

  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const proxy: HttpFaultProxy = {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    faults,
    fail: (next) => {
      decide = next;
    },
    heal: () => {
      decide = () => undefined;
      for (const socket of hanging) socket.resetAndDestroy();
    },
    close: async () => {
      proxy.heal();
      server.close();
      server.closeAllConnections();
      agent.destroy();
      await once(server, 'close');
    },
  };
  return proxy;
}

/** The whole answer at once, before the body has come: what still comes is read and thrown away. */
function say(outgoing: ServerResponse, [status, code]: readonly [number, string]): void {
  const text = `<?xml version="1.0"?><Error><Code>${code}</Code><Message>as told</Message></Error>`;
  outgoing.writeHead(status, { 'content-type': 'application/xml', 'content-length': text.length });
  outgoing.end(text);
}

function sayHalf(socket: Socket, status: number, bytes = '0', then: () => void): void {
  const half = Buffer.alloc(Math.floor(Number(bytes) / 2));
  const head =
    half.length > 0 ? `HTTP/1.1 ${status} OK\r\nContent-Length: ${bytes}\r\n\r\n` : `HTTP/1.1 ${status} O`;
  socket.write(Buffer.concat([Buffer.from(head), half]), then);
}

function cutHalfway(incoming: IncomingMessage, cut: () => void): void {
  const half = Number(incoming.headers['content-length'] ?? 0) / 2;
  let passed = 0;
  incoming.on('data', (chunk: Buffer) => {
    passed += chunk.length;
    if (passed > half) cut();
  });
  incoming.on('end', cut);
}

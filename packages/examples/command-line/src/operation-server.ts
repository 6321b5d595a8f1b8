import { once } from 'node:events';
import { createServer, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Health } from './health';
import type { Meter } from './meter';

/** Serves what Prometheus, Kubernetes and Docker ask for. */
export class OperationServer {
  readonly #meter: Meter;
  readonly #health: Health;
  readonly #server = createServer((request, response) => {
    const { pathname } = new URL(request.url ?? '/', 'http://localhost');
    if (request.method !== 'GET' && request.method !== 'HEAD')
      return answer(response, 405, 'GET is wanted.\n');
    this.#answer(pathname, response).catch((error) => answer(response, 500, `${error}\n`));
  });

  constructor(meter: Meter, health: Health) {
    this.#meter = meter;
    this.#health = health;
  }

  /** Resolves with the address. @throws where the port cannot be had */
  async open(port: number, host: string): Promise<string> {
    this.#server.listen(port, host);
    try {
      await once(this.#server, 'listening');
    } catch (error) {
      const cure = 'Choose another --metrics port, or --metrics-host.';
      throw new Error(`metrics: cannot serve at ${host}:${port} (${(error as Error).message}). ${cure}`);
    }
    const { port: used } = this.#server.address() as AddressInfo;
    return `http://${host.includes(':') ? `[${host}]` : host}:${used}`;
  }

  async close(): Promise<void> {
    if (!this.#server.listening) return;
    const closed = once(this.#server, 'close');
    this.#server.close();
    this.#server.closeAllConnections();
    await closed;
  }

  async #answer(path: string, response: ServerResponse): Promise<void> {
    if (path === '/metrics') {
      const { type, body } = await this.#meter.text();
      answer(response, 200, body, type);
    } else if (path === '/healthz') {
      answer(response, 200, 'alive\n');
    } else if (path === '/readyz') {
      const { reasons } = this.#health;
      const isReady = Object.keys(reasons).length === 0;
      const body = `${JSON.stringify({ ready: isReady, reasons })}\n`;
      answer(response, isReady ? 200 : 503, body, 'application/json');
    } else {
      answer(response, 404, 'There are /metrics, /healthz and /readyz.\n');
    }
  }
}

function answer(response: ServerResponse, status: number, body: string, type = 'text/plain'): void {
  response.writeHead(status, { 'content-type': type, 'cache-control': 'no-store' });
  response.end(body);
}

import { once } from 'node:events';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { buffer } from 'node:stream/consumers';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { HTTP_FAULTS, type HttpFault, type HttpFaultProxy, startHttpFaultProxy } from './http-fault-proxy';

let server: Server;
let proxy: HttpFaultProxy;
let received: (number | 'cut')[];
const seen: string[] = [];
const body = Buffer.alloc(1_000_000, 7);

beforeEach(async () => {
  received = [];
  server = createServer(async (request, response) => {
    const bytes = await buffer(request).then(
      ({ length }) => length,
      () => 'cut' as const,
    );
    received.push(bytes);
    response.end(request.headers.host === new URL(proxy.url).host ? body : 'not the host that was asked for');
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  proxy = await startHttpFaultProxy({
    targetPort: port,
    onRequest: ({ method, path, headers }) => seen.push(`${method} ${path} ${headers['x-some']}`),
  });
});
afterEach(async () => {
  await proxy.close();
  server.closeAllConnections();
  server.close();
});

const ask = (signal?: AbortSignal) =>
  fetch(`${proxy.url}/a?b`, { method: 'PUT', body, headers: { 'x-some': 'thing' }, signal: signal ?? null });
/** How it ended for the client. */
async function outcome(): Promise<number | string> {
  try {
    const response = await ask();
    return (await buffer(response.body!)).length === body.length ? 'whole' : response.status;
  } catch {
    return 'broken';
  }
}
const failWith = (fault: HttpFault) => proxy.fail(() => fault);
const until = async (condition: () => boolean) => {
  while (!condition()) await new Promise((resolve) => setTimeout(resolve, 5));
};

describe('the HTTP fault proxy', () => {
  it('passes everything on, and tells what', async () => {
    seen.length = 0;
    expect(await outcome()).toBe('whole');
    expect(received).toEqual([body.length]);
    expect(seen).toEqual(['PUT /a?b thing']);
  });

  it.each([
    ['error', 500, []],
    ['slow-down', 503, []],
    ['reset', 'broken', []],
    ['cut-request', 'broken', ['cut']],
    ['lose-answer', 'broken', [body.length]],
    ['cut-answer', 'broken', [body.length]],
  ] as const)('%s: the client sees %j, the server %j', async (fault, client, atServer) => {
    failWith(fault);
    expect(await outcome()).toBe(client);
    await until(() => received.length === atServer.length);
    expect(received).toEqual(atServer);
    expect(proxy.faults).toMatchObject({ [fault]: 1 });
    proxy.heal();
    expect(await outcome()).toBe('whole');
  });

  it.each([
    ['hang', []],
    ['hang-answer', [body.length]],
    ['stall-answer', [body.length]],
  ] as const)('%s: the client waits until all is well again', async (fault, atServer) => {
    failWith(fault);
    const asked = outcome();
    let isOver = false;
    void asked.then(() => {
      isOver = true;
    });
    await until(() => proxy.faults[fault] === 1 && received.length === atServer.length);
    await new Promise((resolve) => setTimeout(resolve, 50));
    expect(isOver).toBe(false);
    expect(received).toEqual(atServer);
    proxy.heal();
    expect(await asked).toBe('broken');
  });

  it('has a name for each fault, and closes while some hang', async () => {
    expect(Object.keys(proxy.faults)).toEqual(HTTP_FAULTS);
    failWith('hang');
    const asked = outcome();
    await until(() => proxy.faults.hang === 1);
    await proxy.close();
    expect(await asked).toBe('broken');
    proxy = await startHttpFaultProxy({ targetPort: (server.address() as AddressInfo).port });
  });
});

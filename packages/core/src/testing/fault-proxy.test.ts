import { once } from 'node:events';
import { connect, createServer, type Socket } from 'node:net';
import { beforeEach, describe, expect, it, onTestFinished } from 'vitest';
import { until } from '../../test/brokers';
import { type FaultProxy, startFaultProxy } from './fault-proxy';

describe('a fault proxy', () => {
  let proxy: FaultProxy;
  /** What the server has open, and what it has heard. */
  let served: Socket[];
  beforeEach(async () => {
    served = [];
    const server = createServer((socket) => {
      served.push(socket);
      socket.on('error', () => {});
      socket.pipe(socket);
    }).listen(0, '127.0.0.1');
    await once(server, 'listening');
    proxy = await startFaultProxy({ targetPort: (server.address() as { port: number }).port });
    onTestFinished(async () => {
      await proxy.close();
      server.close();
    });
  });

  async function open() {
    const socket = connect(proxy.port, '127.0.0.1');
    onTestFinished(() => void socket.destroy());
    const chunks: Buffer[] = [];
    const client = {
      socket,
      error: undefined as NodeJS.ErrnoException | undefined,
      hasEnded: false,
      get text() {
        return Buffer.concat(chunks).toString();
      },
      /** Resolves with the milliseconds until the answer is here. */
      async ask(text: string) {
        const startedAt = performance.now();
        const expected = this.text + text;
        socket.write(text);
        await until(() => this.text === expected, `an answer to ${text}`);
        return performance.now() - startedAt;
      },
    };
    socket.on('data', (data) => chunks.push(data));
    socket.on('end', () => {
      client.hasEnded = true;
    });
    socket.on('error', (error) => {
      client.error = error;
    });
    await until(() => !socket.connecting || client.error !== undefined, 'an outcome');
    return client;
  }
  const pause = (milliseconds: number) => new Promise((resolve) => setTimeout(resolve, milliseconds));

  it('passes everything on, and the end of it', async () => {
    const client = await open();
    const text = 'x'.repeat(5_000_000);
    client.socket.end(text);
    await until(() => client.hasEnded, 'the end came back');
    expect(client.text).toBe(text);
    expect(proxy.connections).toBe(1);
  });

  it('cuts: both sides hear of a reset', async () => {
    const client = await open();
    await client.ask('hello');
    const reset = once(served[0]!, 'error');
    proxy.cut();
    await until(() => client.error !== undefined, 'a reset');
    expect(client.error?.code).toBe('ECONNRESET');
    expect((await reset)[0]).toMatchObject({ code: 'ECONNRESET' });
    await (await open()).ask('a new one passes');
  });

  it('cuts although the server does not read what was sent to it', async () => {
    const client = await open();
    await client.ask('hello');
    served[0]!.unpipe().pause();
    client.socket.write('x'.repeat(20_000_000));
    await pause(100);
    const before = served[0]!.bytesRead;
    proxy.cut();
    await until(() => client.socket.destroyed, 'the client hears of it');
    served[0]!.resume();
    await until(() => served[0]!.destroyed, 'the server does, too');
    expect(served[0]!.bytesRead - before).toBeLessThan(20_000_000);
  });

  it('refuses until it accepts', async () => {
    proxy.refuse();
    const refused = await open();
    await until(() => refused.error !== undefined, 'a reset');
    proxy.accept();
    await (await open()).ask('hello');
  });

  it('pauses one direction or both, and loses nothing', async () => {
    const client = await open();
    await client.ask('a');
    proxy.pause('to-client');
    const heard = once(served[0]!, 'data');
    client.socket.write('b');
    expect(String((await heard)[0])).toBe('b');
    await pause(50);
    expect(client.text).toBe('a');
    proxy.pause('to-server');
    await until(() => client.text === 'ab', 'the way to the client is open');
    client.socket.write('c');
    await pause(50);
    expect(client.text).toBe('ab');
    proxy.resume();
    await until(() => client.text === 'abc', 'both ways are open');
  });

  it('delays each way, keeps the order, and is no slower for it', async () => {
    const client = await open();
    proxy.delay(150);
    expect(await client.ask('a')).toBeGreaterThan(299);
    const text = [...Array(200_000).keys()].join();
    proxy.delay(600_000);
    client.socket.write(text);
    // All of it is on its way at once.
    await until(() => client.socket.writableLength === 0, 'nothing waits for what went before');
    await pause(50);
    expect(client.text).toBe('a');
    proxy.delay(1);
    await until(() => client.text === `a${text}`, 'what was on its way, too');
  });

  it('delays the end, too, behind what came before it', async () => {
    const client = await open();
    proxy.delay(100);
    client.socket.end('goodbye');
    await until(() => client.hasEnded, 'the end');
    expect(client.text).toBe('goodbye');
  });

  it('throttles all connections together', async () => {
    const [one, two] = [await open(), await open()];
    proxy.throttle(100_000);
    const text = 'x'.repeat(25_000);
    const startedAt = performance.now();
    await Promise.all([one.ask(text), two.ask(text)]);
    // Half a second of each way, one behind the other only in part.
    expect(performance.now() - startedAt).toBeGreaterThan(450);
    const behind = 'y'.repeat(10_000_000);
    one.socket.write(behind);
    await pause(50);
    expect(one.socket.writableLength).toBeGreaterThan(0);
    proxy.throttle(Number.POSITIVE_INFINITY);
    await until(() => one.text === text + behind, 'full speed again');
  });

  it('forgets connections: the server hears the end, the client nothing', async () => {
    const client = await open();
    await client.ask('hello');
    const closed = once(served[0]!, 'close');
    proxy.halfOpen();
    await closed;
    client.socket.write('is anybody there?');
    await (await open()).ask('a new one passes');
    await pause(50);
    expect(client).toMatchObject({ hasEnded: false, error: undefined, text: 'hello' });
    expect(client.socket.destroyed).toBe(false);
    proxy.heal();
    await until(() => client.error !== undefined, 'a reset in the end');
  });

  it('heals: everything passes again', async () => {
    const client = await open();
    proxy.pause();
    proxy.delay(60_000);
    proxy.throttle(1);
    proxy.refuse();
    client.socket.write('hello');
    proxy.heal();
    await until(() => client.text === 'hello', 'an answer');
    await (await open()).ask('a new one passes');
  });

  it('takes no amounts that are none', () => {
    expect(() => proxy.delay(-1)).toThrow(TypeError);
    expect(() => proxy.delay(Number.NaN)).toThrow(TypeError);
    expect(() => proxy.throttle(0)).toThrow(/bytesPerSecond must be a number above 0, not 0/);
  });
});

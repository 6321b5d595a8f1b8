import { createHash } from 'node:crypto';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { deliveryOf, keysOf, properties } from '../../test/deliveries';
import { describeWith } from '../../test/requirements';
import { createBucket, type S3Server, startS3Server } from '../../test/s3-server';
import type { Delivery } from '../message';
import { pipeline } from '../pipeline';
import { HTTP_FAULTS, type HttpFaultProxy, startHttpFaultProxy } from '../testing/http-fault-proxy';
import { SeededRandom } from '../testing/seeded-random';
import { S3Store } from './s3-store';
import { Sink } from './sink';

const MESSAGES = 300;
const CONCURRENCY = 16;

describeWith('ceph', 'Sink with a real S3 server behind a bad connection', () => {
  let server: S3Server;
  let proxy: HttpFaultProxy;
  /** Requests to the server that have a body, each with its key. */
  const puts: string[] = [];
  beforeAll(async () => {
    server = await startS3Server();
    await createBucket(server, 'faces');
    proxy = await startHttpFaultProxy({
      targetPort: Number(new URL(server.endpoint).port),
      onRequest: ({ method, path }) => method === 'PUT' && puts.push(path),
    });
  });
  afterAll(async () => {
    await proxy?.close();
    await server?.stop();
  });

  it('loses nothing, stores nothing twice, and holds no more than it works on', {
    timeout: 120_000,
  }, async () => {
    const random = new SeededRandom(20_261_124);
    const payloads = Array.from({ length: MESSAGES }, (_, index) =>
      Buffer.alloc(1 + Math.floor(random.next() * 60_000), index),
    );
    proxy.fail(() => (random.next() < 0.4 ? random.pick(HTTP_FAULTS) : undefined));
    const straight = new S3Store('s3://faces/all', server);
    const sink = new Sink('s3://faces/all', {
      accept: 'any',
      concurrency: CONCURRENCY,
      retry: { firstDelayMs: 5, longestDelayMs: 50 },
      s3: { ...server, endpoint: proxy.url, requestTimeoutMs: 500 },
    });
    const acknowledged = new Set<string>();
    let [given, most] = [0, 0];
    async function* source(): AsyncGenerator<Delivery> {
      for (const [index, payload] of payloads.entries()) {
        const id = `picture-${index}`;
        given += 1;
        most = Math.max(most, given - acknowledged.size);
        const ack = () => void acknowledged.add(id);
        yield deliveryOf(payload, { properties: { ...properties, id }, ack });
      }
    }
    await pipeline(source(), sink);

    expect(acknowledged.size).toBe(MESSAGES);
    const keys = await keysOf(straight);
    expect(keys.sort()).toEqual(
      payloads.map((_, index) => `front-door/dt=2026-01-02/hour=03/picture-${index}.bin`).sort(),
    );
    for (const [index, payload] of payloads.entries()) {
      const key = `front-door/dt=2026-01-02/hour=03/picture-${index}.bin`;
      const object = await straight.get(key);
      expect(Buffer.compare(object!.data, payload), key).toBe(0);
      expect(object?.metadata?.sha256).toBe(createHash('sha256').update(payload).digest('hex'));
    }
    // What was stored although the answer was lost is found there at the next attempt.
    expect(sink.stats).toMatchObject({ conflicts: 0, rejected: 0 });
    expect(sink.stats.stored + sink.stats.duplicates).toBe(MESSAGES);
    expect(sink.stats.duplicates).toBeGreaterThan(0);
    for (const fault of HTTP_FAULTS) expect(proxy.faults[fault], fault).toBeGreaterThan(0);
    expect(puts.length).toBeGreaterThan(MESSAGES);
    expect(most).toBeLessThanOrEqual(3 * CONCURRENCY);
    await sink.close();
    await straight.close();
  });

  it('gives up a server that stops in the middle of an answer', async () => {
    const straight = new S3Store('s3://faces/stalled', server);
    const data = Buffer.alloc(500_000, 1);
    await straight.put('a.bin', data);
    const store = new S3Store('s3://faces/stalled', {
      ...server,
      endpoint: proxy.url,
      requestTimeoutMs: 300,
    });
    proxy.fail(() => 'stall-answer');
    for (const work of [() => store.get('a.bin'), () => keysOf(store), () => store.put('b.bin', data)]) {
      await expect(work()).rejects.toMatchObject({ code: 'STORE_FAILED', retryable: true });
    }
    proxy.heal();
    expect((await store.get('a.bin'))?.data.length).toBe(data.length);
    // The server had it; only its answer was not heard.
    expect(await store.put('b.bin', data)).toBe('exists');
    await Promise.all([store.close(), straight.close()]);
  });

  it('keeps messages unacknowledged while the server is away, and stores them when it is back', async () => {
    proxy.fail(() => 'slow-down');
    const sink = new Sink('s3://faces/away', {
      accept: 'any',
      retry: { firstDelayMs: 5, longestDelayMs: 20 },
      s3: { ...server, endpoint: proxy.url },
    });
    const acknowledged = new Set<number>();
    async function* source(): AsyncGenerator<Delivery> {
      for (let index = 0; index < 20; index += 1) {
        const own = { ...properties, id: `p-${index}` };
        yield deliveryOf(Buffer.of(index), { properties: own, ack: () => acknowledged.add(index) });
      }
    }
    const storing = pipeline(source(), sink);
    await new Promise<void>((resolve) => {
      sink.on('retry', () => sink.stats.retries === 10 && resolve());
    });
    expect(acknowledged.size).toBe(0);
    proxy.heal();
    await storing;
    expect(acknowledged.size).toBe(20);
    expect(await keysOf(sink.store)).toHaveLength(20);
    await sink.close();
  });
});

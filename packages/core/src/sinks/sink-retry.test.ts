import { setTimeout as delay } from 'node:timers/promises';
import { beforeAll, describe, expect, it } from 'vitest';
import { deliveryOf, key, keysOf, noisePng, properties } from '../../test/deliveries';
import { RelayError } from '../errors';
import type { Delivery, Message } from '../message';
import { pipeline } from '../pipeline';
import { MemoryStore } from './memory-store';
import { Sink } from './sink';
import type { PutOptions } from './store';

const quick = { retry: { firstDelayMs: 1, longestDelayMs: 2 } };
/** Nobody waits for the end of an hour: what ends before has been ended. */
const patient = { retry: { firstDelayMs: 3_600_000, longestDelayMs: 3_600_000 } };

let png: Buffer;
beforeAll(async () => {
  png = await noisePng();
});
const delivery = (parts: Partial<Delivery> = {}) => deliveryOf(png, parts);

const failure = (retryable: boolean) =>
  new RelayError('The store is not well.', { code: 'STORE_FAILED', stage: 'sink', retryable });

/** Fails as often as it is told before it works. */
class FailingStore extends MemoryStore {
  failures = { open: 0, put: 0, get: 0 };
  retryable = true;
  attempts = 0;

  override async open(): Promise<void> {
    this.#fail('open');
  }

  override async put(key: string, data: Uint8Array, options?: PutOptions): Promise<'created' | 'exists'> {
    this.#fail('put');
    return super.put(key, data, options);
  }

  override async get(key: string) {
    this.#fail('get');
    return super.get(key);
  }

  #fail(what: 'open' | 'put' | 'get'): void {
    this.attempts += 1;
    if (this.failures[what] === 0) return;
    this.failures[what] -= 1;
    throw failure(this.retryable);
  }
}

describe('Sink with a store that fails or is slow', () => {
  it('tries again what fails in passing, and tells each time', async () => {
    const store = new FailingStore();
    store.failures = { open: 2, put: 3, get: 0 };
    const sink = new Sink(store, quick);
    const events: unknown[] = [];
    sink.on('retry', (event) => events.push(event));
    expect((await sink.write(delivery())).outcome).toBe('stored');
    store.failures.get = 1;
    expect((await sink.write(delivery())).outcome).toBe('duplicate');
    expect(sink.stats.retries).toBe(6);
    expect(events).toHaveLength(6);
    expect(events[0]).toEqual({ error: expect.any(RelayError), inMs: expect.any(Number) });
    expect(events[2]).toEqual({ key, error: expect.any(RelayError), inMs: expect.any(Number) });
  });

  it('fails at once with what trying again cannot cure', async () => {
    const store = new FailingStore();
    store.retryable = false;
    store.failures.open = 1;
    const sink = new Sink(store, quick);
    await expect(sink.open()).rejects.toMatchObject({ code: 'STORE_FAILED' });
    store.failures.put = 1;
    await expect(sink.write(delivery())).rejects.toMatchObject({ code: 'STORE_FAILED' });
    expect((await sink.write(delivery())).outcome).toBe('stored');
    expect(sink.stats.retries).toBe(0);
  });

  it.each(['open', 'put'] as const)('gives up when its signal is aborted while %s fails', async (what) => {
    const store = new FailingStore();
    store.failures[what] = Number.POSITIVE_INFINITY;
    const sink = new Sink(store, patient);
    const controller = new AbortController();
    sink.once('retry', () => controller.abort(new Error('enough')));
    await expect(sink.write(delivery(), controller)).rejects.toThrow('enough');
    await sink.close();
  });

  it('does not write when its signal is aborted already', async () => {
    const store = new MemoryStore();
    const signal = AbortSignal.abort(new Error('enough'));
    await expect(new Sink(store).write(delivery(), { signal })).rejects.toThrow('enough');
    expect(await keysOf(store)).toEqual([]);
  });

  it('gives up what waits to be tried again when it is closed', async () => {
    const store = new FailingStore();
    store.failures.put = Number.POSITIVE_INFINITY;
    const sink = new Sink(store, patient);
    const closed = new Promise<void>((resolve) => {
      sink.once('retry', () => resolve(sink.close()));
    });
    await expect(sink.write(delivery())).rejects.toMatchObject({ code: 'STORE_FAILED', retryable: true });
    await closed;
  });

  it('finishes what is in flight before it is closed, and takes nothing after that', async () => {
    let finish = () => {};
    const gate = new Promise<void>((resolve) => {
      finish = resolve;
    });
    class SlowStore extends MemoryStore {
      override async put(key: string, data: Uint8Array, options?: PutOptions) {
        await gate;
        return super.put(key, data, options);
      }
    }
    const sink = new Sink(new SlowStore());
    const writing = sink.write(delivery());
    let isClosed = false;
    const closing = sink.close().then(() => {
      isClosed = true;
    });
    await delay(20);
    expect(isClosed).toBe(false);
    finish();
    await closing;
    expect((await writing).outcome).toBe('stored');
    await sink.close();
    await expect(sink.write(delivery())).rejects.toMatchObject({ code: 'CLOSED' });
    await expect(sink.open()).rejects.toMatchObject({ code: 'CLOSED' });
  });

  it('does not wait for ever for an object that is there and is not', async () => {
    class ContradictoryStore extends MemoryStore {
      override async put(): Promise<'exists'> {
        return 'exists';
      }
    }
    await expect(new Sink(new ContradictoryStore()).write(delivery())).rejects.toMatchObject({
      code: 'STORE_FAILED',
    });
  });

  it('acknowledges in a pipeline only what is stored', async () => {
    const store = new FailingStore();
    const sink = new Sink(store, { ...quick, concurrency: 1 });
    const acknowledged: number[] = [];
    async function* source(): AsyncGenerator<Message> {
      for (const number of [1, 2, 3]) {
        const own = { ...properties, id: `picture-${number}` };
        yield delivery({ properties: own, ack: () => void acknowledged.push(number) });
      }
    }
    sink.on('stored', ({ id }) => {
      if (id !== 'picture-2') return;
      store.retryable = false;
      store.failures.put = 1;
    });
    await expect(pipeline(source(), sink)).rejects.toMatchObject({ code: 'STORE_FAILED' });
    expect(acknowledged).toEqual([1, 2]);
    expect(await keysOf(store)).toHaveLength(2);
  });
});

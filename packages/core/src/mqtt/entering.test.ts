import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, it, onTestFinished } from 'vitest';
import { freePort } from '../testing/free-port';
import { Publisher } from './publisher';

/** Resolves with the next error that nobody catches, which is none of the test runner's meanwhile. */
function nextUncaught(): Promise<Error> {
  const listeners = process.listeners('uncaughtException');
  process.removeAllListeners('uncaughtException');
  return new Promise((resolve) => {
    process.once('uncaughtException', (error) => {
      for (const listener of listeners) process.on('uncaughtException', listener);
      resolve(error);
    });
  });
}

it('a waiter that throws keeps nobody else of its turn from hearing', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'edge-relay-entering-'));
  onTestFinished(() => rm(folder, { recursive: true }));
  const url = `mqtt://127.0.0.1:${await freePort()}`;
  const publisher = new Publisher({ url, topic: 'faces', spool: folder, closeTimeoutMs: 1 });
  onTestFinished(() => publisher.close());
  await publisher.open();
  const uncaught = nextUncaught();
  const payload = Buffer.from('a face');
  const failed = (error: unknown) => expect.unreachable(`${error}`);
  const second = new Promise<void>((resolve) => {
    const published = () => {
      throw new Error('of the first one');
    };
    publisher.publishFor({ payload }, { published, failed });
    publisher.publishFor({ payload }, { published: resolve, failed });
  });
  expect((await uncaught).message).toBe('of the first one');
  await second;
  expect(publisher.stats.published).toBe(2);
});

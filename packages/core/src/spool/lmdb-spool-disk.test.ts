import { setMaxListeners } from 'node:events';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { until } from '../../test/brokers';
import { describeWith } from '../../test/requirements';
import { SmallDisk } from '../../test/small-disk';
import type { Message } from '../message';
import { LentCopies, Slab } from '../slab';
import { LmdbSpool, type LmdbSpoolOptions } from './lmdb-spool';

const MEBIBYTE = 1024 ** 2;
const message = (number: number): Message => ({
  id: String(number),
  payload: Buffer.alloc(20_000, number),
  properties: {},
});
const idsIn = async (spool: LmdbSpool) => {
  spool.rewind();
  return (await spool.read(10_000)).map(({ message: { id } }) => id);
};
const numbers = (from: number, to: number) =>
  Array.from({ length: to - from }, (_, index) => String(from + index));

describeWith('tmpfs', 'LmdbSpool on a small disk', () => {
  let disk: SmallDisk;
  let spool: LmdbSpool;
  beforeEach(() => {
    disk = new SmallDisk(8 * MEBIBYTE);
  });
  afterEach(async () => {
    await spool.close();
    disk.close();
  });

  async function open(options: LmdbSpoolOptions): Promise<LmdbSpool> {
    spool = new LmdbSpool(join(disk.folder, 'spool'), options);
    await spool.open();
    return spool;
  }

  /** Appends all at once; `durable` grows as they resolve. */
  function appendAll(from: number, to: number) {
    const durable: string[] = [];
    const all = Promise.all(
      numbers(from, to).map(async (id) => {
        const entry = await spool.append(message(Number(id)));
        if (entry) durable.push(id);
      }),
    );
    return { durable, all };
  }

  it('waits while the disk is full, keeps all that it has said to be durable, and goes on by itself', async () => {
    await disk.fill(4 * MEBIBYTE);
    await open({ freeDiskBytes: 0 });
    const { durable, all } = appendAll(0, 300);
    await until(() => disk.free < 2.2 * MEBIBYTE, 'the disk is full');
    await until(() => spool.messages === durable.length, 'all that fits is in');
    const before = [...durable];
    expect(before.length).toBeLessThan(110);
    expect(await idsIn(spool)).toEqual(before);

    await disk.empty();
    await all;
    expect(durable).toEqual(numbers(0, 300));
    expect(await idsIn(spool)).toEqual(durable);
    await spool.close();
    await open({});
    expect(await idsIn(spool)).toEqual(durable);
  });

  it('goes on while the disk stays full when messages leave, and forgets none of those for good', async () => {
    await open({ freeDiskBytes: 0 });
    const { durable, all } = appendAll(0, 600);
    const sent: string[] = [];
    const sending = (async () => {
      while (sent.length < 600) {
        await until(() => spool.messages > 0, 'something to send');
        for (const entry of await spool.read(20)) {
          sent.push(entry.message.id);
          await spool.remove(entry.position);
        }
      }
    })();
    await until(() => disk.free < 2.2 * MEBIBYTE || durable.length === 600, 'the disk is full');
    await Promise.all([all, sending]);
    expect(sent).toEqual(numbers(0, 600));
    await spool.close();
    await open({});
    expect(spool.messages).toBe(0);
  });

  it.each(['drop-newest', 'drop-oldest'] as const)(
    'with %s drops and counts what finds no room',
    async (whenFull) => {
      await open({ freeDiskBytes: 0, whenFull });
      const dropped: string[] = [];
      spool.onDrop((drop) => dropped.push(drop.message.id));
      for (const id of numbers(0, 600)) await spool.append(message(Number(id)));
      const kept = await idsIn(spool);
      expect(kept.length).toBeGreaterThan(100);
      expect([...kept, ...dropped].sort()).toEqual(numbers(0, 600).sort());
      if (whenFull === 'drop-newest') expect(kept[0]).toBe('0');
      else expect(kept.at(-1)).toBe('599');
    },
  );

  it('leaves others their share of the disk, and uses again what it has taken', async () => {
    await open({ freeDiskBytes: 4 * MEBIBYTE, whenFull: 'drop-newest' });
    await appendAll(0, 300).all;
    const kept = spool.messages;
    expect(disk.free).toBeGreaterThan(3.9 * MEBIBYTE);
    expect(disk.free).toBeLessThan(4.2 * MEBIBYTE);
    for (let number = 0; number < 1_000; number += 1) {
      const [oldest] = await spool.read(1);
      await spool.remove(oldest!.position);
      await spool.append(message(number));
    }
    expect(spool.messages).toBeGreaterThan(kept * 0.7);
    expect(disk.free).toBeGreaterThan(3.9 * MEBIBYTE);
  });

  it('has room again when most of it has left, whatever waits for a subscriber of its topic in between', async () => {
    await open({ freeDiskBytes: 4 * MEBIBYTE, whenFull: 'drop-newest' });
    // As a connection reads them: behind each other in memory.
    const slab = new Slab(5 * MEBIBYTE);
    const waits = (id: string) => Number(id) % 8 === 0;
    const read = numbers(0, 250).map((id, index) => {
      const payload = slab.lend(slab.bytes.subarray(index * 20_000, (index + 1) * 20_000));
      return { ...message(Number(id)), topic: waits(id) ? 'waits' : 'flows', payload };
    });
    await Promise.all(read.map((one) => spool.append(one)));
    const full = spool.messages;
    for (const { position, message: one } of await spool.read(1_000)) {
      if (!waits(one.id)) await spool.remove(position);
    }
    const waiting = spool.messages;
    expect(waiting).toBeLessThan(full / 7);
    let added = 0;
    while (added < full / 2 && (await spool.append(message(added)))) added += 1;
    expect(added).toBeGreaterThanOrEqual(full / 2);
    expect(disk.free).toBeGreaterThan(3.9 * MEBIBYTE);
  });

  it('leaves others their share whatever the sizes, and whatever leaves from among them', async () => {
    disk.resize(16 * MEBIBYTE);
    await open({ freeDiskBytes: 8 * MEBIBYTE, whenFull: 'drop-oldest' });
    let seed = 2;
    const random = (below: number) => {
      seed = (Math.imul(seed, 1_103_515_245) + 12_345) >>> 0;
      return Math.floor((seed / 2 ** 32) * below);
    };
    const copies = new LentCopies();
    let number = 0;
    let least = Number.POSITIVE_INFINITY;
    for (let round = 0; round < 400; round += 1) {
      const appended: Promise<unknown>[] = [];
      for (let count = random(40); count >= 0; count -= 1) {
        number += 1;
        const payload = copies.copy(
          Buffer.alloc(random(10) < 3 ? random(4_000) : 4_096 + random(56_000), number),
        );
        const priority = random(5) === 0 ? 1 : 0;
        appended.push(spool.append({ id: String(number), payload, properties: {}, priority }));
      }
      await Promise.all(appended);
      spool.rewind();
      const entries = await spool.read(random(60));
      await Promise.all(entries.filter(() => random(2) === 0).map(({ position }) => spool.remove(position)));
      least = Math.min(least, disk.free);
    }
    expect(number).toBeGreaterThan(spool.messages * 10);
    for (const { message: one } of await spool.read(number)) {
      expect(one.payload.every((byte) => byte === Number(one.id) % 256)).toBe(true);
    }
    expect(least).toBeGreaterThan(7.9 * MEBIBYTE);
  });

  it('can be emptied, and filled again, when others have taken even its share', async () => {
    await open({ freeDiskBytes: 0 });
    await appendAll(0, 200).all;
    await spool.close();
    await open({ freeDiskBytes: 8 * MEBIBYTE });
    const { all } = appendAll(200, 250);
    for (const { position } of await spool.read(200)) await spool.remove(position);
    await all;
    expect(await idsIn(spool)).toEqual(numbers(200, 250));
  });

  it('touches nothing while others have filled the disk to the last byte, and catches up after that', async () => {
    await open({ freeDiskBytes: 0, whenFull: 'drop-oldest' });
    const dropped: string[] = [];
    spool.onDrop((drop) => dropped.push(drop.message.id));
    await appendAll(0, 100).all;
    await disk.fill(disk.free);
    const [first] = await spool.read(1);
    const removed = spool.remove(first!.position);
    await appendAll(100, 110).all;
    expect(dropped).toEqual(numbers(100, 110));
    await disk.empty();
    await removed;
    await appendAll(110, 120).all;
    const expected = [...numbers(1, 100), ...numbers(110, 120)];
    await until(() => spool.messages === expected.length, 'the last ten are in');
    await spool.close();
    await open({});
    expect(await idsIn(spool)).toEqual(expected);
  });

  it('lets a waiting append go when it is aborted or the spool is closed', async () => {
    await disk.fill(7 * MEBIBYTE);
    await open({ freeDiskBytes: 0 });
    const controller = new AbortController();
    setMaxListeners(0, controller.signal);
    const aborted = Promise.allSettled(
      numbers(0, 60).map((id) => spool.append(message(Number(id)), controller.signal)),
    );
    const closed = Promise.allSettled(numbers(60, 120).map((id) => spool.append(message(Number(id)))));
    await until(() => disk.free < 2.2 * MEBIBYTE, 'the disk is full');
    controller.abort(new Error('enough'));
    expect((await aborted).at(-1)).toMatchObject({ reason: { message: 'enough' } });
    await spool.close();
    expect((await closed).at(-1)).toMatchObject({ reason: { code: 'CLOSED' } });
  });

  it('looks again at a disk with plenty of room that others have filled since', async () => {
    disk.resize(3 * 1024 * MEBIBYTE);
    await open({ whenFull: 'drop-newest' });
    expect(await spool.append(message(1))).toBeDefined();
    // What it saw then is no longer fresh.
    await delay(600);
    disk.resize(50 * MEBIBYTE);
    expect(await spool.append(message(2))).toBeUndefined();
  });

  it('does not write what has left while there was no room for it', async () => {
    await open({ freeDiskBytes: 0 });
    await disk.fill(disk.free);
    const appended = spool.append(message(1));
    const [entry] = await spool.read(1);
    // It has been refused once, and waits to be tried again.
    await delay(300);
    const removed = spool.remove(entry!.position);
    await disk.empty();
    await Promise.all([appended, removed]);
    await spool.close();
    await open({});
    expect(spool.messages).toBe(0);
  });
});

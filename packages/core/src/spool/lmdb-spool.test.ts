import { createHash } from 'node:crypto';
import { once } from 'node:events';
import {
  access,
  cp,
  mkdir,
  mkdtemp,
  readdir,
  readFile,
  readlink,
  rm,
  stat,
  truncate,
  unlink,
  utimes,
  writeFile,
} from 'node:fs/promises';
import { hostname, tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { hasDirectWrites } from '../../test/direct-writes';
import { spoolModel } from '../../test/spool-model';
import { bundleWriter, startWriter } from '../../test/writer-process';
import type { Message } from '../message';
import { LentCopies } from '../slab';
import { spoolSuite } from '../testing/spool-suite';
import { LmdbSpool } from './lmdb-spool';

let root: string;
let program: string;
let count = 0;
const place = () => join(root, `spool-${++count}`);
const message = (id: string): Message => ({ id, payload: Buffer.from(`payload of ${id}`), properties: {} });
const allIn = (spool: LmdbSpool) => {
  spool.rewind();
  return spool.read(1_000_000);
};
const idsIn = async (spool: LmdbSpool) => (await allIn(spool)).map((entry) => entry.message.id);

beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), 'edge-relay-spool-'));
  program = await bundleWriter('spool-writer');
});
afterAll(() => rm(root, { recursive: true }));

spoolSuite({ describe, it, name: 'LmdbSpool', create: (bounds) => new LmdbSpool(place(), bounds) });
spoolSuite({
  describe,
  it,
  name: 'LmdbSpool that writes unless taken',
  create: (bounds) => new LmdbSpool(place(), { ...bounds, writes: 'unless-taken' }),
});

describe('LmdbSpool', () => {
  spoolModel('it', 25, (order) => new LmdbSpool(place(), { order }));

  it.each(['always', 'unless-taken'] as const)(
    'gives out what is on its way to the disk (%s)',
    async (writes) => {
      const folder = place();
      const spool = new LmdbSpool(folder, { writes });
      await spool.open();
      const payload = Buffer.alloc(100_000, 1);
      const appended = Array.from({ length: 200 }, (_, index) =>
        spool.append({ ...message(String(index)), payload }),
      );
      const read = await spool.read(1_000);
      expect(read.length).toBe(200);
      await Promise.all(read.map(({ position }) => spool.remove(position)));
      const entries = await Promise.all(appended);
      expect(entries.map((entry) => entry!.position)).toEqual(read.map(({ position }) => position));
      expect([spool.messages, spool.bytes]).toEqual([0, 0]);
      await spool.append(message('last'));
      await spool.close();
      const { size } = await stat(join(folder, 'messages', 'data.mdb'));
      if (writes === 'always') expect(size).toBeGreaterThan(200 * payload.byteLength);
      else expect(size).toBeLessThan(1_000_000);
      const second = new LmdbSpool(folder);
      await second.open();
      expect(await idsIn(second)).toEqual(['last']);
      await second.close();
    },
  );

  it('that writes unless taken waits for the broker with what is being sent, and with nothing else', async () => {
    const folder = place();
    const spool = new LmdbSpool(folder, { writes: 'unless-taken', graceMs: 3_600_000 });
    await spool.open();
    const payload = Buffer.alloc(100_000, 1);
    const safe: string[] = [];
    const append = (id: string) =>
      spool.append({ ...message(id), payload }).then((entry) => {
        safe.push(id);
        return entry!.position;
      });
    const taken = Promise.all(Array.from({ length: 50 }, (_, index) => append(`taken ${index}`)));
    const sent = await spool.read(50);
    await delay(50);
    expect(safe).toEqual([]);
    for (const { position } of sent) await spool.remove(position);
    await taken;
    await append('unread');
    const kept = append('kept');
    const [unread] = await spool.read(1);
    await spool.read(1);
    await spool.remove(unread!.position);
    await spool.close();
    await kept;
    const { size } = await stat(join(folder, 'messages', 'data.mdb'));
    expect(size).toBeLessThan(1_000_000);
    const second = new LmdbSpool(folder);
    await second.open();
    expect(await idsIn(second)).toEqual(['kept']);
    await second.close();
  });

  it('that writes unless taken tells a waiter once, also of what leaves while it is being written', async () => {
    const spool = new LmdbSpool(place(), { writes: 'unless-taken' });
    await spool.open();
    const told = new Map<string, number>();
    // The write begins after some 20 ms.
    for (let wait = 16; wait < 32; wait += 0.5) {
      const id = String(wait);
      const appended = () => void told.set(id, (told.get(id) ?? 0) + 1);
      spool.appendFor({ ...message(id), payload: Buffer.alloc(1_000_000) }, { appended, failed: appended });
      const begun = performance.now();
      while (performance.now() - begun < wait) await new Promise(setImmediate);
      for (const { position } of await spool.read(10)) await spool.remove(position);
    }
    await spool.close();
    expect(new Set(told.values())).toEqual(new Set([1]));
    expect(told.size).toBe(32);
  });

  it('that writes unless taken does not wait for the broker for ever', async () => {
    const folder = place();
    const spool = new LmdbSpool(folder, { writes: 'unless-taken', graceMs: 20 });
    await spool.open();
    const appended = spool.append(message('slow'));
    await spool.read(1);
    await appended;
    // Another process that comes after a kill finds it.
    const copy = place();
    await cp(join(folder, 'messages'), join(copy, 'messages'), { recursive: true });
    const second = new LmdbSpool(copy);
    await second.open();
    expect(await idsIn(second)).toEqual(['slow']);
    await Promise.all([spool.close(), second.close()]);
  });

  it('finds nothing that is not safe yet', async () => {
    const spool = new LmdbSpool(place());
    await spool.open();
    const held = { ...message('held'), properties: { id: 'held' } };
    let isSafe = false;
    const appending = spool.append(held).then((entry) => {
      isSafe = true;
      return entry!.position;
    });
    const found = await spool.find(held);
    // The flush takes longer than a turn of the event loop, the promises behind it do not.
    await new Promise(setImmediate);
    expect(isSafe).toBe(true);
    expect(found).toBe(await appending);
    await spool.close();
  });

  it.each(['always', 'unless-taken'] as const)(
    'what leaves while it is being written is gone, too (%s)',
    async (writes) => {
      const folder = place();
      const spool = new LmdbSpool(folder, { writes });
      await spool.open();
      for (let round = 0; round < 20; round += 1) {
        const appended = spool.append(message(String(round)));
        for (let turn = 0; turn < round; turn += 1) await new Promise(setImmediate);
        const [entry] = await spool.read(1);
        await Promise.all([spool.remove(entry!.position), appended]);
      }
      await spool.close();
      const second = new LmdbSpool(folder);
      await second.open();
      expect(second.messages).toBe(0);
      await second.close();
    },
  );

  it('remembers over a restart how old a message is', async () => {
    const folder = place();
    const first = new LmdbSpool(folder);
    await first.open();
    const { storedAt } = (await first.append({ ...message('a'), expirySeconds: 60 }))!;
    await first.append({ ...message('b'), expirySeconds: 0.01 });
    await first.append(message('c'));
    await first.close();
    await delay(20);

    const second = new LmdbSpool(folder);
    const dropped: string[] = [];
    second.onDrop((drop) => dropped.push(`${drop.message.id} ${drop.reason}`));
    await second.open();
    const [a, c] = await second.read(10);
    expect([a!.message.id, a!.storedAt, a!.expiresAt]).toEqual(['a', storedAt, storedAt + 60_000]);
    expect([c!.message.id, c!.expiresAt]).toEqual(['c', undefined]);
    expect(dropped).toEqual(['b expired']);
    await second.close();

    const third = new LmdbSpool(folder, { maximumAgeSeconds: 0.01 });
    await third.open();
    expect(await idsIn(third)).toEqual([]);
    expect(third.messages).toBe(0);
    await third.close();
  });

  it('finds a message over a restart', async () => {
    const folder = place();
    const first = new LmdbSpool(folder);
    await first.open();
    const known = { ...message('a'), properties: { id: 'a' } };
    const { position } = (await first.append(known))!;
    await first.append({ ...message('b'), properties: { id: 'b' } });
    await first.close();

    const second = new LmdbSpool(folder);
    await second.open();
    expect(await second.find(known)).toBe(position);
    expect(await second.find({ ...known, payload: Buffer.from('other') })).toBeUndefined();
    expect(await second.find({ ...known, properties: { id: 'c' } })).toBeUndefined();
    await second.close();
  });

  it('has everything after it was closed and opened again, in order', async () => {
    const folder = place();
    const first = new LmdbSpool(folder);
    await first.open();
    for (const id of ['a', 'b', 'c']) await first.append(message(id));
    await first.remove((await first.read(1))[0]!.position);
    const bytes = first.bytes;
    await first.close();

    const second = new LmdbSpool(folder);
    await second.open();
    expect(await idsIn(second)).toEqual(['b', 'c']);
    expect(second.bytes).toBe(bytes);
    await second.append(message('d'));
    expect(await idsIn(second)).toEqual(['b', 'c', 'd']);
    await second.close();
  });

  it('has every message that was durable, and none by halves, however often its process is killed', {
    timeout: 120_000,
  }, async () => {
    const folder = place();
    const durable = new Set<string>();
    const removed = new Set<string>();
    for (let round = 0; round < 12; round += 1) {
      const { child, lines } = startWriter(program, folder);
      const closed = once(child, 'close');
      await Promise.race([once(child.stdout!, 'data'), closed]);
      await delay(Math.random() * 120);
      child.kill('SIGKILL');
      await closed;
      for (const line of lines()) {
        if (line.startsWith('-')) removed.add(line.slice(1));
        else durable.add(line);
      }
    }
    const spool = new LmdbSpool(folder);
    await spool.open();
    const entries = await allIn(spool);
    for (const {
      message: { id, payload },
    } of entries) {
      expect(createHash('sha256').update(payload).digest('hex')).toBe(id);
    }
    const found = new Set(entries.map((entry) => entry.message.id));
    expect(found.size).toBe(entries.length);
    expect([...durable].filter((id) => !found.has(id) && !removed.has(id))).toEqual([]);
    expect(durable.size).toBeGreaterThan(200);
    expect(found.size).toBeGreaterThan(100);
    await spool.close();
    if (hasDirectWrites()) await access(join(folder, 'messages', 'payloads'));
  });

  it('refuses a second process, and a second spool of the same process, while the first lives', async () => {
    const folder = place();
    const { child } = startWriter(program, folder);
    await once(child.stdout!, 'data');
    const spool = new LmdbSpool(folder);
    await expect(spool.open()).rejects.toMatchObject({ code: 'SPOOL_IN_USE' });
    await expect(spool.open()).rejects.toThrow(new RegExp(`process ${child.pid}`));
    expect(await spool.holder()).toEqual({ pid: child.pid, host: hostname() });
    child.kill('SIGKILL');
    await once(child, 'close');
    expect(await spool.holder()).toBeUndefined();
    await spool.open();
    await expect(new LmdbSpool(folder).open()).rejects.toMatchObject({ code: 'SPOOL_IN_USE' });
    expect(spool.messages).toBeGreaterThan(0);
    await spool.close();
    const next = new LmdbSpool(folder);
    await next.open();
    await next.close();
  });

  it('opens again for a killed container that starts as the same process number', async () => {
    const folder = place();
    await mkdir(folder);
    const before = { pid: process.pid, startedAt: '1', host: hostname(), boot: 'another' };
    await writeFile(join(folder, 'lock.json'), JSON.stringify(before));
    const spool = new LmdbSpool(folder);
    await spool.open();
    await spool.close();
  });

  it('lets one of several in that find the lock of a killed process at the same time', async () => {
    for (let round = 0; round < 20; round += 1) {
      const folder = place();
      await mkdir(folder);
      const before = { pid: 999_999, startedAt: '1', host: hostname(), boot: 'another' };
      await writeFile(join(folder, 'lock.json'), JSON.stringify(before));
      const spools = Array.from({ length: 4 }, () => new LmdbSpool(folder));
      const opened = await Promise.allSettled(spools.map((spool) => spool.open()));
      expect(opened.filter(({ status }) => status === 'fulfilled')).toHaveLength(1);
      for (const spool of spools) await spool.close();
    }
  });

  it('believes the heartbeat of a process on another host, until it stops', async () => {
    const folder = place();
    await mkdir(folder);
    const lock = join(folder, 'lock.json');
    await writeFile(lock, JSON.stringify({ pid: 1, startedAt: '1', host: 'elsewhere', boot: 'another' }));
    const spool = new LmdbSpool(folder);
    await expect(spool.open()).rejects.toMatchObject({ code: 'SPOOL_IN_USE', retryable: true });
    const longAgo = new Date(Date.now() - 20_000);
    await utimes(lock, longAgo, longAgo);
    await spool.open();
    await spool.close();
  });

  it.each([
    ['garbage', async (file: string) => writeFile(file, Buffer.alloc(20_000, 65))],
    ['a file cut short', async (file: string) => truncate(file, Math.floor((await stat(file)).size / 2))],
    ['an empty file', async (file: string) => truncate(file, 0)],
  ])('sets %s aside with a clear error, and begins anew after that', async (_, damage) => {
    const folder = place();
    const first = new LmdbSpool(folder);
    await first.open();
    for (let number = 0; number < 50; number += 1) {
      await first.append({ ...message(String(number)), payload: Buffer.alloc(10_000, 1) });
    }
    await first.close();
    const file = join(folder, 'messages', 'data.mdb');
    await damage(file);
    const damaged = await readFile(file);

    const second = new LmdbSpool(folder);
    await expect(second.open()).rejects.toMatchObject({ code: 'SPOOL_DAMAGED', stage: 'spool' });
    const aside = (await readdir(folder)).find((name) => name.startsWith('messages.damaged-'));
    expect(await readFile(join(folder, aside!, 'data.mdb'))).toEqual(damaged);
    await second.open();
    expect(second.messages).toBe(0);
    await second.close();
  });

  it.runIf(hasDirectWrites()).each([
    ['missing', (file: string) => unlink(file)],
    ['cut short', async (file: string) => truncate(file, Math.floor((await stat(file)).size / 2))],
  ])('sets a spool aside whose file of payloads is %s, and begins anew after that', async (_, damage) => {
    const folder = place();
    const first = new LmdbSpool(folder);
    await first.open();
    await first.append(message('first'));
    const copies = new LentCopies();
    const payloads = Array.from({ length: 50 }, (_, number) => copies.copy(Buffer.alloc(20_000, number)));
    await Promise.all(payloads.map((payload, id) => first.append({ ...message(String(id)), payload })));
    await first.close();
    const again = new LmdbSpool(folder);
    await again.open();
    const found = (await allIn(again)).slice(1).map((entry) => Buffer.from(entry.message.payload));
    expect(found).toHaveLength(50);
    for (const [number, payload] of found.entries()) {
      expect(payload.equals(Buffer.alloc(20_000, number))).toBe(true);
    }
    await again.close();
    await damage(join(folder, 'messages', 'payloads'));

    const second = new LmdbSpool(folder);
    await expect(second.open()).rejects.toMatchObject({ code: 'SPOOL_DAMAGED', stage: 'spool' });
    expect((await readdir(folder)).filter((name) => name.startsWith('messages.damaged-'))).toHaveLength(1);
    await second.open();
    expect(second.messages).toBe(0);
    await second.close();
  });

  it('sets a spool aside of which a row says nothing of a place', async () => {
    const folder = place();
    const first = new LmdbSpool(folder);
    await first.open();
    await first.append(message('kept'));
    await first.close();
    const { open } = await import('lmdb');
    const root = open<Buffer, number>({ path: join(folder, 'messages'), maxDbs: 5, encoding: 'binary' });
    await root.openDB<Buffer, number>({ name: 'places', encoding: 'binary' }).put(1, Buffer.from('x'));
    await root.close();
    const second = new LmdbSpool(folder);
    await expect(second.open()).rejects.toMatchObject({ code: 'SPOOL_DAMAGED' });
    await second.open();
    await second.close();
    const inUse = await Promise.all(
      (await readdir('/proc/self/fd').catch(() => [])).map((one) =>
        readlink(`/proc/self/fd/${one}`).catch(() => ''),
      ),
    );
    expect(inUse.filter((path) => path.startsWith(folder))).toEqual([]);
  });

  it('does not take for damaged what LMDB has left shorter than its last page', async () => {
    const folder = place();
    const spool = new LmdbSpool(folder);
    await spool.open();
    await spool.append(message('kept'));
    await spool.close();
    const file = join(folder, 'messages', 'data.mdb');
    const { open } = await import('lmdb');
    const root = open<Buffer, number>({ path: join(folder, 'messages'), maxDbs: 3, encoding: 'binary' });
    const messages = root.openDB<Buffer, number>({ name: 'payloads', encoding: 'binary' });
    await root.batch(() => {
      for (let key = 1_000; key < 1_100; key += 1) messages.put(key, Buffer.alloc(50_000));
      for (let key = 1_000; key < 1_100; key += 1) messages.remove(key);
    });
    const { lastPageNumber, pageSize } = root.getStats() as { lastPageNumber: number; pageSize: number };
    await root.close();
    expect((await stat(file)).size).toBeLessThan((lastPageNumber + 1) * pageSize);
    const again = new LmdbSpool(folder);
    await again.open();
    expect(await idsIn(again)).toEqual(['kept']);
    await again.append(message('new'));
    await again.close();
  });

  it('keeps what is set aside apart, with the reason, and through a restart', async () => {
    const folder = place();
    const first = new LmdbSpool(folder);
    await first.open();
    for (const id of ['a', 'b']) await first.append(message(id));
    await first.setAside((await first.read(1))[0]!.position, 'not authorised');
    expect(await idsIn(first)).toEqual(['b']);
    await first.close();

    const second = new LmdbSpool(folder);
    const [kept, ...others] = await second.listSetAside();
    expect(others).toEqual([]);
    expect(kept).toMatchObject({ message: { id: 'a', properties: {} }, reason: 'not authorised' });
    expect(Buffer.from(kept!.message.payload).toString()).toBe('payload of a');
    expect(Date.now() - kept!.at).toBeLessThan(60_000);
    // Its place is not given to another message.
    expect((await second.append(message('c')))!.position).toBeGreaterThan(kept!.position);
    await second.discardSetAside(kept!.position);
    expect(await second.listSetAside()).toEqual([]);
    await second.close();
  });

  it('keeps apart the newest of what is set aside, as much as it may', async () => {
    const folder = place();
    const spool = new LmdbSpool(folder, { setAsideBytes: 25_000 });
    await spool.open();
    for (const id of ['a', 'b', 'c']) {
      await spool.append({ id, payload: Buffer.alloc(10_000), properties: {} });
    }
    for (const { position } of await spool.read(3)) await spool.setAside(position, 'why not');
    await spool.setAside(1, 'it is gone already');
    const kept = async (of: LmdbSpool) => (await of.listSetAside()).map((one) => one.message.id);
    expect(await kept(spool)).toEqual(['b', 'c']);
    await spool.close();
    const smaller = new LmdbSpool(folder, { setAsideBytes: 15_000 });
    await smaller.open();
    const { position } = (await smaller.append({ id: 'd', payload: Buffer.alloc(10), properties: {} }))!;
    await smaller.setAside(position, 'nor this');
    expect(await kept(smaller)).toEqual(['c', 'd']);
    expect(smaller.messages).toBe(0);
    await smaller.close();
  });

  it('refuses a spool of another version and leaves it as it is', async () => {
    const folder = place();
    await mkdir(folder);
    await writeFile(join(folder, 'spool.json'), '{"version":99}');
    const spool = new LmdbSpool(folder);
    await expect(spool.open()).rejects.toThrow(/another version.*99/);
    expect(await readFile(join(folder, 'spool.json'), 'utf8')).toBe('{"version":99}');
  });

  it('says what is wrong with a folder that cannot be', async () => {
    const file = place();
    await writeFile(file, '');
    await expect(new LmdbSpool(join(file, 'spool')).open()).rejects.toMatchObject({ code: 'SPOOL_FAILED' });
    expect(() => new LmdbSpool('')).toThrow(TypeError);
    expect(() => new LmdbSpool('x', { freeDiskBytes: -1 })).toThrow(TypeError);
  });

  it('removes before it is closed what was to leave while it was being written', async () => {
    const problems: string[] = [];
    for (let round = 0; round < 20; round += 1) {
      const spool = new LmdbSpool(place());
      await spool.open();
      const appended = spool.append({ id: 'a', payload: Buffer.alloc(50_000), properties: {} });
      for (let turn = 0; turn < round; turn += 1) await new Promise(setImmediate);
      const [entry] = await spool.read(1);
      const removed = spool
        .remove(entry!.position)
        .catch((error) => problems.push(`${round} ${error.message}`));
      await Promise.all([spool.close(), removed, appended]);
      await spool.open();
      if (spool.messages !== 0) problems.push(`${round} is still there`);
      await spool.close();
    }
    expect(problems).toEqual([]);
  });
});

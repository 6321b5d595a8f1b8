import { randomUUID } from 'node:crypto';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { buffer } from 'node:stream/consumers';
import { GetObjectTaggingCommand, S3Client } from '@aws-sdk/client-s3';
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from 'vitest';
import { deliveryOf, properties } from '../../test/deliveries';
import { describeWith } from '../../test/requirements';
import { createBucket, type S3Server, startS3Server } from '../../test/s3-server';
import { pipeline } from '../pipeline';
import { storeSuite } from '../testing/store-suite';
import { S3Store } from './s3-store';
import { Sink } from './sink';

const png = new TextEncoder().encode('as good as a picture');
const large = new Uint8Array(9 * 1024 ** 2).fill(7);
const keys = { accessKeyId: 'someone', secretAccessKey: 'secret' };

describeWith('ceph', 'S3Store with a real server', () => {
  let server: S3Server;
  beforeAll(async () => {
    server = await startS3Server();
    await createBucket(server, 'faces');
  });
  afterAll(() => server?.stop());

  const create = () => new S3Store(`s3://faces/${randomUUID()}`, server);
  storeSuite({ describe, it, name: 'S3Store', create });
  storeSuite({
    describe,
    it,
    name: 'S3Store with all checksums',
    create: () => new S3Store(`s3://faces/${randomUUID()}`, { ...server, checksums: 'when-supported' }),
  });

  it('works at the root of a bucket and with a client of your own, which stays open', async () => {
    let isDestroyed = false;
    class OwnClient extends S3Client {
      override destroy(): void {
        isDestroyed = true;
        super.destroy();
      }
    }
    const client = new OwnClient({ ...server, credentials: server, forcePathStyle: true });
    const store = new S3Store('s3://faces', { client });
    await store.put('at-the-root.png', png);
    expect(await store.get('at-the-root.png')).toMatchObject({ data: png });
    await store.close();
    expect(isDestroyed).toBe(false);
    client.destroy();
  });

  it('puts tags on objects, which the server gives back', async () => {
    const store = new S3Store('s3://faces/tagged', {
      ...server,
      storageClass: 'STANDARD',
      tags: { project: 'edge & relay', stage: 'test' },
    });
    await store.put('a.png', png);
    const client = new S3Client({ ...server, credentials: server, forcePathStyle: true });
    const { TagSet } = await client.send(
      new GetObjectTaggingCommand({ Bucket: 'faces', Key: 'tagged/a.png' }),
    );
    expect(TagSet).toEqual(
      expect.arrayContaining([
        { Key: 'project', Value: 'edge & relay' },
        { Key: 'stage', Value: 'test' },
      ]),
    );
    client.destroy();
    await store.close();
  });

  it('puts a large object in one request, too, and never over another', async () => {
    const store = create();
    expect(await store.put('large.bin', large)).toBe('created');
    expect(await store.put('large.bin', new Uint8Array(large))).toBe('exists');
    expect(await store.put('another.bin', large)).toBe('created');
    expect(
      await store.put(
        'another.bin',
        large.map((byte) => byte + 1),
      ),
    ).toBe('exists');
    expect(Buffer.from(large).equals((await store.get('another.bin'))!.data)).toBe(true);
    await store.close();
  });

  it('lists more keys than fit one answer', async () => {
    const store = create();
    const names = Array.from({ length: 1100 }, (_, index) => `many/${index}.png`);
    await Promise.all(names.map((name) => store.put(name, png)));
    const found: string[] = [];
    for await (const { key } of store.list('many/')) found.push(key);
    expect(found.sort()).toEqual(names.sort());
    await store.close();
  });

  it('finds out with the first object that this server is exclusive', async () => {
    const store = create();
    expect(store.supports.exclusive).toBeUndefined();
    await store.put('a.png', png);
    expect(store.supports.exclusive).toBe(true);
    await store.close();
  });

  it('names the bucket that does not exist, the endpoint and the cure', async () => {
    await expect(new S3Store('s3://no-such-bucket/faces', server).open()).rejects.toMatchObject({
      code: 'STORE_NOT_FOUND',
      stage: 'sink',
      retryable: false,
      message: expect.stringMatching(
        /"no-such-bucket" at http:\/\/127\.0\.0\.1:\d+ does not exist.*Create it/,
      ),
    });
  });

  it('says that it was refused when the keys are wrong', async () => {
    const store = new S3Store('s3://faces', { ...server, secretAccessKey: 'wrong' });
    const refusal = {
      code: 'STORE_DENIED',
      retryable: false,
      message: expect.stringMatching(/secretAccessKey/),
    };
    await expect(store.open()).rejects.toMatchObject(refusal);
    await expect(store.put('a.png', png)).rejects.toMatchObject(refusal);
  });
});

/** Just enough of an S3 server to misbehave as some do. */
class OddServer {
  readonly objects = new Map<string, Buffer>();
  readonly #server: Server;
  puts = 0;

  constructor(
    put: (this: OddServer, request: IncomingMessage, response: ServerResponse, body: Buffer) => void,
    admits: (request: IncomingMessage) => boolean = () => true,
  ) {
    this.#server = createServer(async (request, response) => {
      const path = request.url?.split('?')[0] ?? '';
      const body = await buffer(request);
      if (!admits(request)) {
        say(response, 400, 'ExpiredToken');
      } else if (request.method === 'PUT') {
        this.puts += 1;
        put.call(this, request, response, body);
      } else {
        response.writeHead(this.objects.has(path) ? 200 : 404).end();
      }
    });
  }

  async start(): Promise<string> {
    await new Promise<void>((resolve) => this.#server.listen(0, '127.0.0.1', resolve));
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  keep(request: IncomingMessage, response: ServerResponse, body: Buffer): void {
    this.objects.set(request.url?.split('?')[0] ?? '', body);
    response.writeHead(200, { etag: '"0"' }).end();
  }

  stop(): void {
    this.#server.closeAllConnections();
    this.#server.close();
  }
}

function say(response: ServerResponse, status: number, code: string): void {
  response.writeHead(status, { 'content-type': 'application/xml' });
  response.end(`<?xml version="1.0"?><Error><Code>${code}</Code><Message>as told</Message></Error>`);
}

describe('S3Store with a server of its own ways', () => {
  let odd: OddServer | undefined;
  afterEach(() => odd?.stop());

  const storeAt = async (server: OddServer, requestTimeoutMs = 300) => {
    odd = server;
    return new S3Store('s3://faces', { endpoint: await server.start(), ...keys, requestTimeoutMs });
  };
  const overwriting = () =>
    new OddServer(function (request, response, body) {
      this.keep(request, response, body);
    });

  it('overwrites nothing where the condition is ignored', async () => {
    const server = overwriting();
    const store = await storeAt(server);
    server.objects.set('/faces/there.png', Buffer.from('first'));
    expect(await store.put('there.png', png)).toBe('exists');
    // The first race finds the server out, the second is run knowing it.
    for (const key of ['first-race.png', 'second-race.png']) {
      const outcomes = await Promise.all(Array.from({ length: 8 }, () => store.put(key, png)));
      expect(outcomes.filter((outcome) => outcome === 'created')).toHaveLength(1);
    }
    expect(await store.put('there.png', png)).toBe('exists');
    expect(store.supports.exclusive).toBe(false);
    expect(server.objects.get('/faces/there.png')?.toString()).toBe('first');
  });

  it('overwrites nothing where the condition is not implemented', async () => {
    const server = new OddServer(function (request, response, body) {
      if (request.headers['if-none-match']) response.writeHead(501).end();
      else this.keep(request, response, body);
    });
    const store = await storeAt(server);
    expect(await store.put('a.png', png)).toBe('created');
    expect(await store.put('a.png', png)).toBe('exists');
    expect(store.supports.exclusive).toBe(false);
  });

  it('puts again while another put of the key is under way', async () => {
    const server = new OddServer(function (request, response, body) {
      if (this.puts < 3) response.writeHead(409).end();
      else this.keep(request, response, body);
    });
    expect(await (await storeAt(server)).put('a.png', png)).toBe('created');
  });

  it.each([
    ['is overloaded', 503],
    ['fails', 500],
    ['wants fewer requests', 429],
  ])('asks to be tried again when the server %s', async (_, status) => {
    const store = await storeAt(new OddServer((_request, response) => response.writeHead(status).end()));
    await expect(store.put('a.png', png)).rejects.toMatchObject({ code: 'STORE_FAILED', retryable: true });
  });

  it('asks to be tried again when the server does not answer', async () => {
    const store = await storeAt(new OddServer(() => {}));
    await expect(store.put('a.png', png)).rejects.toMatchObject({ code: 'STORE_FAILED', retryable: true });
  });

  it('asks to be tried again when there is no server', async () => {
    const server = overwriting();
    const store = await storeAt(server);
    server.stop();
    await expect(store.open()).rejects.toMatchObject({
      code: 'STORE_FAILED',
      retryable: true,
      message: expect.stringMatching(/"faces" at http:.*ECONNREFUSED/),
    });
  });

  it('puts each object with what it was told: encryption, class, tags, type and metadata', async () => {
    let headers: IncomingMessage['headers'] = {};
    const server = new OddServer(function (request, response, body) {
      headers = request.headers;
      this.keep(request, response, body);
    });
    odd = server;
    const store = new S3Store('s3://faces', {
      endpoint: await server.start(),
      ...keys,
      sessionToken: 'a-session',
      checksums: 'when-supported',
      serverSideEncryption: 'aws:kms',
      kmsKeyId: 'the-key',
      storageClass: 'STANDARD_IA',
      tags: { project: 'edge & relay', stage: 'test' },
    });
    await store.put('a.png', png, { contentType: 'image/png', metadata: { id: 'a-1', time: 'now' } });
    expect(headers).toMatchObject({
      'x-amz-server-side-encryption': 'aws:kms',
      'x-amz-server-side-encryption-aws-kms-key-id': 'the-key',
      'x-amz-storage-class': 'STANDARD_IA',
      'x-amz-tagging': 'project=edge%20%26%20relay&stage=test',
      'x-amz-security-token': 'a-session',
      'x-amz-checksum-crc32': expect.any(String),
      'x-amz-meta-id': 'a-1',
      'x-amz-meta-time': 'now',
      'content-type': 'image/png',
    });
  });

  it('says once that the server is not exclusive', async () => {
    const store = await storeAt(overwriting());
    const notices: string[] = [];
    store.events.on('notice', ({ message }) => notices.push(message));
    for (const key of ['a.png', 'b.png']) await store.put(key, png);
    expect(notices).toEqual([expect.stringMatching(/does not heed If-None-Match/)]);
  });

  /** Takes only the session tokens that have not been revoked. */
  const guarded = (valid: Set<string>) =>
    new OddServer(
      function (request, response, body) {
        this.keep(request, response, body);
      },
      ({ headers }) => valid.has(String(headers['x-amz-security-token'])),
    );
  const provider = (tokens: string[], lifeMs?: number) => async () => ({
    ...keys,
    sessionToken: tokens.length > 1 ? tokens.shift()! : tokens[0]!,
    ...(lifeMs !== undefined && { expiration: new Date(Date.now() + lifeMs) }),
  });

  it('asks for new credentials before the old ones expire', async () => {
    odd = guarded(new Set(['one', 'two', 'three', 'four']));
    const tokens = ['one', 'two', 'three', 'four'];
    const store = new S3Store('s3://faces', {
      endpoint: await odd.start(),
      credentials: provider(tokens, 1_000),
    });
    for (const key of ['a.png', 'b.png', 'c.png', 'd.png']) expect(await store.put(key, png)).toBe('created');
    expect(tokens).toEqual(['four']);
  });

  it('asks for new credentials when the server takes the old ones no longer, and asks to be tried again', async () => {
    const valid = new Set(['old']);
    odd = guarded(valid);
    const store = new S3Store('s3://faces', {
      endpoint: await odd.start(),
      credentials: provider(['old', 'not yet known', 'new']),
    });
    expect(await store.put('a.png', png)).toBe('created');
    valid.delete('old');
    valid.add('new');
    for (let attempt = 1; attempt <= 2; attempt += 1) {
      const failures = await Promise.allSettled(['b.png', 'c.png'].map((key) => store.put(key, png)));
      expect(failures).toEqual(
        Array(2).fill({
          status: 'rejected',
          reason: expect.objectContaining({ code: 'STORE_DENIED', retryable: true }),
        }),
      );
    }
    expect(await store.put('b.png', png)).toBe('created');
  });

  it('lets a sink store on through credentials that end again and again', async () => {
    let term = 0;
    const server = new OddServer(
      function (request, response, body) {
        this.keep(request, response, body);
        if (this.puts % 5 === 0) term += 1;
      },
      ({ headers }) => headers['x-amz-security-token'] === `term-${term}`,
    );
    odd = server;
    // The bucket itself, for a sink that looks whether it is there.
    server.objects.set('/faces/', Buffer.of());
    const store = new S3Store('s3://faces', {
      endpoint: await server.start(),
      credentials: async () => ({ ...keys, sessionToken: `term-${term}` }),
    });
    const retry = { firstDelayMs: 1, longestDelayMs: 10 };
    await using sink = new Sink(store, { accept: 'any', concurrency: 4, retry });
    const acknowledged = new Set<string>();
    async function* source() {
      for (let index = 0; index < 40; index += 1) {
        const own = { ...properties, id: `picture-${index}` };
        yield deliveryOf(Buffer.of(index), { properties: own, ack: () => acknowledged.add(own.id) });
      }
    }
    await pipeline(source(), sink);
    expect(sink.stats).toMatchObject({ stored: 40, duplicates: 0, conflicts: 0 });
    server.objects.delete('/faces/');
    expect([server.objects.size, acknowledged.size]).toEqual([40, 40]);
    expect(term).toBeGreaterThan(4);
    expect(sink.stats.retries).toBeGreaterThan(0);
  });

  it('does not try for ever with credentials that are not good from the start, or that nobody renews', async () => {
    const valid = new Set<string>();
    odd = guarded(valid);
    const endpoint = await odd.start();
    const refusal = {
      code: 'STORE_DENIED',
      retryable: false,
      message: expect.stringMatching(/when they end/),
    };
    const store = new S3Store('s3://faces', { endpoint, credentials: provider(['old']) });
    await expect(store.put('a.png', png)).rejects.toMatchObject(refusal);
    valid.add('fixed');
    const fixed = new S3Store('s3://faces', { endpoint, ...keys, sessionToken: 'fixed' });
    await fixed.put('a.png', png);
    valid.clear();
    await expect(fixed.put('b.png', png)).rejects.toMatchObject(refusal);
  });

  it.each([
    ['small', png],
    ['large', large],
  ])('gives a put up, with the reason, when its signal is aborted: a %s one', async (_, data) => {
    let givenUp = 0;
    const server = new OddServer((_request, response) => {
      response.once('close', () => {
        givenUp += 1;
      });
    });
    const store = await storeAt(server, 60_000);
    const controller = new AbortController();
    const putting = store.put('a.png', data, { signal: controller.signal });
    controller.abort(new Error('enough'));
    await expect(putting).rejects.toThrow('enough');
    const late = new AbortController();
    const waiting = store.put('b.png', data, { signal: late.signal });
    setTimeout(() => late.abort(new Error('too long')), 200);
    await expect(waiting).rejects.toThrow('too long');
    // An Upload lets the request go on that it has begun.
    if (data === png) await vi.waitFor(() => expect(givenUp).toBeGreaterThan(0));
  });
});

describe('new S3Store', () => {
  it.each([
    ['faces', {}, /s3:\/\/bucket\/prefix/],
    ['s3://', {}, /s3:\/\/bucket\/prefix/],
    ['s3://10.0.0.7/faces', {}, /must name a bucket, not the address of a server: "s3:\/\/10/],
    ['s3://faces/a/../b', {}, /a part is "\.\."/],
    ['s3://faces', { endpoint: 'localhost:9000' }, /endpoint must be an http or https URL/],
    ['s3://faces', { accessKeyId: 'someone' }, /secretAccessKey must be given together/],
    ['s3://faces', { checksums: 'always' }, /checksums must be/],
    [`s3://faces/${'p'.repeat(250)}/${'q'.repeat(250)}`, {}, /prefix of at most 480 bytes/],
    ['s3://faces', { sessionToken: 'x' }, /sessionToken must be given together/],
    ['s3://faces', { serverSideEncryption: 'yes' }, /serverSideEncryption must be/],
    ['s3://faces', { kmsKeyId: 'x' }, /kmsKeyId must be given together/],
    ['s3://faces', { serverSideEncryption: 'AES256', kmsKeyId: 'x' }, /kmsKeyId must be/],
    [
      's3://faces',
      { storageClass: 'DEEP_ARCHIVE' },
      /storageClass must be one whose objects can be read at once/,
    ],
    ['s3://faces', { storageClass: '' }, /storageClass must be/],
    ['s3://faces', { tags: { '': 'x' } }, /tags must be at most ten/],
    ['s3://faces', { connections: 0 }, /connections must be a whole number above 0/],
  ])('refuses %j with %j', (location, options, message) => {
    expect(() => new S3Store(location, options as object)).toThrow(TypeError);
    expect(() => new S3Store(location, options as object)).toThrow(message);
  });

  it('says where it is, without needless slashes', () => {
    expect(new S3Store('s3://faces/a/b//').location).toBe('s3://faces/a/b');
    expect(new S3Store('s3://faces/').location).toBe('s3://faces');
  });
});

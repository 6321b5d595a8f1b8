import { isIPv4 } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';
import type { ListObjectsV2CommandOutput, PutObjectCommandInput, S3Client } from '@aws-sdk/client-s3';
import { EventEmitter } from 'eventemitter3';
import { apart } from '../apart';
import { assertKey } from './key';
import { areStale, asStaleError, asStoreError, type S3Place, statusOf } from './s3-errors';
import { decodeMetadata, encodeMetadata, mapValues } from './s3-metadata';
import { assertS3Options, clientConfigOf, objectSettings, type S3StoreOptions } from './s3-options';
import { eraseEarlier, eraseVersions, versionsOf } from './s3-versions';
import type { PutOptions, Store, StoredObject, StoreSupport } from './store';
import type { StoreEvents } from './store-events';
import { Turns } from './turns';

/**
 * 5 GiB, what S3 takes in one request: an object is never put in parts. There are servers (Ceph's gateway
 * 16 is one) that heed `If-None-Match` for one request and not at the end of parts, and so would overwrite.
 */
const PART_BYTES = 5 * 1024 ** 3;
/**
 * What is no larger, in bytes, is put without an `Upload`, whose preparations cost a face 2 % of the rate, and which
 * lets a request go on that is given up.
 */
const SMALL_BYTES = 8 * 1024 ** 2;
/** S3 takes keys of 1,024; this leaves enough for the longest that a sink makes. */
const LONGEST_PREFIX_BYTES = 480;
const NOT_EXCLUSIVE = (location: string) =>
  `The server of ${location} does not heed If-None-Match: each object is looked for before it is put. Of two ` +
  'processes that store other bytes under one id in the same moment, one can overwrite the other there.';
const CONFLICT_ATTEMPTS = 8;
const CONFLICT_DELAY_MS = 50;

// Once: an import() of what is loaded already still takes a part of what an upload takes.
let sdk: Promise<typeof import('@aws-sdk/client-s3')> | undefined;
const loadSdk = () => {
  sdk ??= import('@aws-sdk/client-s3');
  return sdk;
};
let uploads: Promise<typeof import('@aws-sdk/lib-storage')> | undefined;
const loadUploads = () => {
  uploads ??= import('@aws-sdk/lib-storage');
  return uploads;
};

/**
 * Keeps objects in a bucket of any S3-compatible server. Each is put in one request on the condition that
 * there is none under its key (`If-None-Match: *`). A server that ignores or refuses the condition is found
 * out with the first object, by putting it a second time; from then on this store looks before it puts and
 * `supports.exclusive` is false: two processes that put one key at the same time could both succeed.
 */
export class S3Store implements Store {
  readonly location: string;
  readonly events = new EventEmitter<StoreEvents>();
  readonly #options: S3StoreOptions;
  readonly #bucket: string;
  readonly #prefix: string;
  readonly #turns = new Turns();
  #client: Promise<S3Client> | undefined;
  #exclusive: boolean | undefined;
  /** Whether the server has ever done what we asked for. */
  #wasLetIn = false;

  /** @param location `s3://bucket` or `s3://bucket/prefix` */
  constructor(location: string, options: S3StoreOptions = {}) {
    const match = /^s3:\/\/([A-Za-z0-9][A-Za-z0-9._-]{2,62})(?:\/(.*?))?\/*$/.exec(String(location));
    if (!match) {
      throw new TypeError(
        `location must be s3://bucket or s3://bucket/prefix, not ${JSON.stringify(location)}; a bucket's name has 3 to 63 letters, digits, dots and dashes.`,
      );
    }
    const [, bucket = '', prefix = ''] = match;
    if (isIPv4(bucket)) {
      throw new TypeError(
        `location must name a bucket, not the address of a server: ${JSON.stringify(location)}. The server is what the endpoint names.`,
      );
    }
    if (Buffer.byteLength(prefix) > LONGEST_PREFIX_BYTES) {
      throw new TypeError(`location must have a prefix of at most ${LONGEST_PREFIX_BYTES} bytes.`);
    }
    assertS3Options(options);
    this.#prefix = prefix && `${assertKey(prefix)}/`;
    this.#bucket = bucket;
    this.#options = { ...options };
    this.location = `s3://${bucket}${prefix && `/${prefix}`}`;
  }

  /** What this server can do; `exclusive` is undefined until the first `put()` has tried it. */
  get supports(): StoreSupport {
    return { metadata: true, exclusive: this.#exclusive };
  }

  /**
   * Asks what is in the bucket: unlike to HeadBucket, the server's answer says what is wrong.
   * @throws {RelayError} `STORE_NOT_FOUND`, `STORE_DENIED` or `STORE_FAILED`.
   */
  async open(): Promise<void> {
    const question = { Bucket: this.#bucket, Prefix: this.#prefix, MaxKeys: 1 };
    await this.#request(async (client, { ListObjectsV2Command }) =>
      client.send(new ListObjectsV2Command(question)),
    );
  }

  async put(key: string, data: Uint8Array, options: PutOptions = {}): Promise<'created' | 'exists'> {
    const name = this.#nameOf(key);
    options.signal?.throwIfAborted();
    if (this.#exclusive === undefined) return this.#turns.take('', () => this.#putFirst(name, data, options));
    return this.#putKnowing(name, data, options);
  }

  async get(key: string): Promise<StoredObject | undefined> {
    const Key = this.#nameOf(key);
    return this.#request(async (client, { GetObjectCommand }) => {
      try {
        const answer = await client.send(new GetObjectCommand({ Bucket: this.#bucket, Key }));
        const data = (await answer.Body?.transformToByteArray()) ?? new Uint8Array();
        const metadata = mapValues(answer.Metadata ?? {}, decodeMetadata);
        return { data, metadata, ...(answer.ContentType && { contentType: answer.ContentType }) };
      } catch (error) {
        if ((error as Error).name === 'NoSuchKey') return undefined;
        throw error;
      }
    });
  }

  async *list(prefix = ''): AsyncGenerator<{ key: string; bytes: number }> {
    for await (const { Contents = [] } of this.#pages(prefix)) {
      for (const { Key = '', Size = 0 } of Contents) {
        yield { key: Key.slice(this.#prefix.length), bytes: Size };
      }
    }
  }

  async *folders(prefix: string): AsyncGenerator<string> {
    for await (const { CommonPrefixes = [] } of this.#pages(prefix, '/')) {
      for (const { Prefix = '' } of CommonPrefixes)
        yield Prefix.slice(this.#prefix.length + prefix.length, -1);
    }
  }

  async delete(key: string): Promise<void> {
    const Key = this.#nameOf(key);
    await this.#request(async (client, { DeleteObjectCommand }) =>
      client.send(new DeleteObjectCommand({ Bucket: this.#bucket, Key })),
    );
  }

  /** Removes every version, so that nothing is left in a bucket that keeps them. */
  async erase(key: string): Promise<number> {
    const Key = this.#nameOf(key);
    return this.#request((client, sdk) => eraseVersions(client, sdk, { Bucket: this.#bucket, Key }));
  }

  async versions(key: string): Promise<number> {
    const Key = this.#nameOf(key);
    const ids = await this.#request((client, sdk) => versionsOf(client, sdk, { Bucket: this.#bucket, Key }));
    return ids.length;
  }

  async eraseEarlier(prefix: string): Promise<number> {
    const place = { Bucket: this.#bucket, Prefix: this.#prefix + prefix };
    return this.#request((client, sdk) => eraseEarlier(client, sdk, place));
  }

  /** A URL signed by our credentials, whose rights it has for so many seconds. */
  async link(key: string, seconds: number): Promise<string> {
    const Key = this.#nameOf(key);
    const { getSignedUrl } = await import('@aws-sdk/s3-request-presigner');
    return this.#request((client, { GetObjectCommand }) =>
      getSignedUrl(client, new GetObjectCommand({ Bucket: this.#bucket, Key }), { expiresIn: seconds }),
    );
  }

  async close(): Promise<void> {
    const client = this.#client;
    this.#client = undefined;
    if (!this.#options.client) (await client)?.destroy();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  #nameOf(key: string): string {
    assertKey(key);
    return assertKey(this.#prefix + key);
  }

  /** The answers of a listing; with a delimiter, what follows it is left out. */
  async *#pages(prefix: string, delimiter?: '/'): AsyncGenerator<ListObjectsV2CommandOutput> {
    let token: string | undefined;
    do {
      const page = await this.#request(async (client, { ListObjectsV2Command }) =>
        client.send(
          new ListObjectsV2Command({
            Bucket: this.#bucket,
            Prefix: this.#prefix + prefix,
            Delimiter: delimiter,
            ContinuationToken: token,
          }),
        ),
      );
      yield page;
      token = page.NextContinuationToken;
    } while (token !== undefined);
  }

  /** The put that finds out whether the server heeds the condition; only one is under way. */
  async #putFirst(name: string, data: Uint8Array, options: PutOptions): Promise<'created' | 'exists'> {
    if (this.#exclusive !== undefined) return this.#putKnowing(name, data, options);
    if (await this.#has(name)) return 'exists';
    const outcome = await this.#send(name, data, options, '*');
    if (outcome === 'exists') this.#learn(true);
    if (outcome === 'refused') {
      this.#learn(false);
      return this.#putKnowing(name, data, options);
    }
    // The same bytes once more: whatever the server does, the object stays as it is.
    const again = await this.#send(name, data, options, '*').catch(() => undefined);
    if (again !== undefined) this.#learn(again === 'exists');
    return outcome;
  }

  #learn(isExclusive: boolean): void {
    this.#exclusive = isExclusive;
    if (isExclusive) return;
    apart(() => this.events.emit('notice', { message: NOT_EXCLUSIVE(this.location) }));
  }

  async #putKnowing(name: string, data: Uint8Array, options: PutOptions): Promise<'created' | 'exists'> {
    if (this.#exclusive) return (await this.#send(name, data, options, '*')) as 'created' | 'exists';
    return this.#turns.take(name, async () => {
      if (await this.#has(name)) return 'exists';
      await this.#send(name, data, options);
      return 'created';
    });
  }

  /** By its first byte: unlike to HeadObject, the server's answer says what is wrong. */
  async #has(name: string): Promise<boolean> {
    return this.#request(async (client, { GetObjectCommand }) => {
      try {
        const question = { Bucket: this.#bucket, Key: name, Range: 'bytes=0-0' };
        const { Body } = await client.send(new GetObjectCommand(question));
        await Body?.transformToByteArray();
        return true;
      } catch (error) {
        const status = statusOf(error);
        // An object without any bytes has no first one.
        if (status === 416) return true;
        if (status === 404 && (error as Error).name !== 'NoSuchBucket') return false;
        throw error;
      }
    });
  }

  /** One request; `refused` where the server does not know the condition. */
  async #send(
    name: string,
    data: Uint8Array,
    { contentType, metadata, signal }: PutOptions,
    condition?: '*',
  ): Promise<'created' | 'exists' | 'refused'> {
    const params = {
      ...objectSettings(this.#options),
      Bucket: this.#bucket,
      Key: name,
      Body: data,
      ...(contentType && { ContentType: contentType }),
      ...(metadata && { Metadata: mapValues(metadata, encodeMetadata) }),
      ...(condition && { IfNoneMatch: condition }),
    };
    for (let attempt = 1; ; attempt += 1) {
      try {
        await this.#use((client) => this.#upload(client, params, signal));
        return 'created';
      } catch (error) {
        const status = statusOf(error);
        if (condition && status === 412) return 'exists';
        if (condition && status === 501) return 'refused';
        // 409: another put of this key is under way, and nobody knows yet whether it succeeds.
        if (status !== 409 || attempt === CONFLICT_ATTEMPTS) throw this.#failure(error);
      }
      await delay(CONFLICT_DELAY_MS * attempt, undefined, signal && { signal });
    }
  }

  async #upload(
    client: S3Client,
    params: PutObjectCommandInput & { readonly Body: Uint8Array },
    signal: AbortSignal | undefined,
  ): Promise<void> {
    signal?.throwIfAborted();
    try {
      if (params.Body.byteLength <= SMALL_BYTES) {
        const { PutObjectCommand } = await loadSdk();
        await client.send(new PutObjectCommand(params), signal && { abortSignal: signal });
      } else {
        const { Upload } = await loadUploads();
        const abortController = new AbortController();
        const abort = () => abortController.abort();
        signal?.addEventListener('abort', abort, { once: true });
        await new Upload({ client, params, abortController, partSize: PART_BYTES, queueSize: 1 })
          .done()
          .finally(() => signal?.removeEventListener('abort', abort));
      }
    } catch (error) {
      signal?.throwIfAborted();
      throw error;
    }
  }

  async #request<T>(
    work: (client: S3Client, sdk: typeof import('@aws-sdk/client-s3')) => Promise<T>,
  ): Promise<T> {
    try {
      return await this.#use(async (client) => work(client, await loadSdk()));
    } catch (error) {
      throw this.#failure(error);
    }
  }

  /** Credentials that were good and are so no longer are asked for anew, by a new client. */
  async #use<T>(work: (client: S3Client) => Promise<T>): Promise<T> {
    this.#client ??= this.#makeClient();
    const connected = this.#client;
    try {
      const result = await work(await connected);
      this.#wasLetIn = true;
      return result;
    } catch (error) {
      const mayBeRenewed = this.#wasLetIn && this.#options.accessKeyId === undefined;
      if (!(mayBeRenewed && areStale(error))) throw error;
      if (this.#client === connected) this.#retire(await connected);
      throw asStaleError(error, this.#place);
    }
  }

  /** What is under way by it may end. */
  #retire(client: S3Client): void {
    if (this.#options.client) return;
    this.#client = undefined;
    setTimeout(() => client.destroy(), this.#options.requestTimeoutMs ?? 60_000).unref();
  }

  async #makeClient(): Promise<S3Client> {
    if (this.#options.client) return this.#options.client;
    const { S3Client } = await loadSdk();
    return new S3Client(clientConfigOf(this.#options));
  }

  #failure(error: unknown): unknown {
    return asStoreError(error, this.#place);
  }

  get #place(): S3Place {
    return { bucket: this.#bucket, endpoint: this.#options.endpoint ?? 'Amazon S3' };
  }
}

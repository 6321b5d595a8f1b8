import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import type { AddressInfo } from 'node:net';
import { type ServerType, serve } from '@hono/node-server';
import {
  forget,
  isPictureKey,
  type ManifestRow,
  manifestDays,
  newestPictures,
  type Sink,
  type StoredEvent,
} from 'edge-relay';
import { Hono } from 'hono';
import { secureHeaders } from 'hono/secure-headers';
import { streamSSE } from 'hono/streaming';
import { CachingStore } from './caching-store';
import { guard } from './guard';

export interface GalleryOptions {
  /** 0 for any that is free. */
  readonly port: number;
  /** @default '127.0.0.1', this machine alone */
  readonly host?: string | undefined;
  /** What a visitor has to bring. @default none on this machine, one at random elsewhere */
  readonly token?: string | undefined;
}

const PAGE_FACES = 60;
const LINK_SECONDS = 300;
/** Proxies and phones let go of a connection on which nothing comes. */
const SIGN_OF_LIFE_MS = 15_000;
/** Events that a visitor who reads too slowly may be behind; then he is let go, and comes back by himself. */
const BEHIND = 1_000;
const LOOPBACK = new Set(['127.0.0.1', '::1', 'localhost']);

/** A web page of what a sink stores: it shows the manifest, and lives beside the sink. */
export class Gallery {
  readonly #sink: Sink;
  readonly #store: CachingStore;
  readonly #options: GalleryOptions;
  readonly #token: string | undefined;
  readonly #visitors = new Set<(event: string, data: string) => void>();
  readonly #closing = new AbortController();
  readonly #stored = ({ row }: StoredEvent) => row && this.#tell('stored', row);
  #server: ServerType | undefined;

  constructor(sink: Sink, options: GalleryOptions) {
    const { host = '127.0.0.1', token } = options;
    this.#sink = sink;
    this.#store = new CachingStore(sink.store);
    this.#options = { ...options, host };
    this.#token = token ?? (LOOPBACK.has(host) ? undefined : randomBytes(16).toString('hex'));
    sink.on('stored', this.#stored);
  }

  /** Begins to serve; resolves with the address to open, with the token where one is needed. */
  async open(): Promise<string> {
    const { port, host = '' } = this.#options;
    this.#server = serve({ fetch: this.#app().fetch, port, hostname: host });
    await once(this.#server, 'listening');
    const { port: used } = this.#server.address() as AddressInfo;
    const name = host.includes(':') ? `[${host}]` : host;
    const token = this.#token === undefined ? '' : `?token=${encodeURIComponent(this.#token)}`;
    return `http://${name}:${used}/${token}`;
  }

  async close(): Promise<void> {
    this.#sink.off('stored', this.#stored);
    this.#closing.abort();
    const server = this.#server;
    if (!server) return;
    this.#server = undefined;
    const closed = once(server, 'close');
    server.close();
    if ('closeAllConnections' in server) server.closeAllConnections();
    await closed;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  #app(): Hono {
    const app = new Hono();
    // Pictures may come from the bucket itself, whose address is known only when a link is made.
    const images = this.#sink.store.link ? ["'self'", 'data:', 'https:', 'http:'] : ["'self'", 'data:'];
    const own = ["'self'"];
    app.use(
      secureHeaders({
        contentSecurityPolicy: {
          ...{ defaultSrc: ["'none'"], scriptSrc: own, styleSrc: own, connectSrc: own, imgSrc: images },
          ...{ baseUri: ["'none'"], formAction: ["'none'"], frameAncestors: ["'none'"] },
        },
        crossOriginResourcePolicy: 'same-origin',
      }),
    );
    app.use(guard(this.#token));
    app.get('/', (context) => context.html(file('gallery.html')));
    app.get('/gallery.css', (context) =>
      context.body(file('gallery.css'), 200, { 'content-type': 'text/css' }),
    );
    app.get('/gallery.js', (context) =>
      context.body(file('gallery.js'), 200, { 'content-type': 'text/javascript' }),
    );
    app.get('/api/days', async (context) => context.json(await manifestDays(this.#store)));
    app.get('/api/faces', async (context) => {
      const given = (name: string) => context.req.query(name) || undefined;
      const query = {
        camera: given('camera'),
        day: given('day'),
        before: given('before'),
        limit: PAGE_FACES,
      };
      return context.json(await newestPictures(this.#store, query));
    });
    app.get('/api/events', (context) =>
      streamSSE(context, async (stream) => {
        const waiting: { event: string; data: string }[] = [];
        let wake = () => {};
        const visitor = (event: string, data: string) => {
          waiting.push({ event, data });
          if (waiting.length > BEHIND) stream.abort();
          wake();
        };
        this.#visitors.add(visitor);
        stream.onAbort(() => wake());
        const stop = () => stream.abort();
        this.#closing.signal.addEventListener('abort', stop, { once: true });
        try {
          await stream.writeSSE({ event: 'hello', data: '' });
          while (!stream.aborted && !stream.closed) {
            for (let next = waiting.shift(); next; next = waiting.shift()) await stream.writeSSE(next);
            if (stream.aborted) break;
            const isAwake = await new Promise<boolean>((resolve) => {
              const timer = setTimeout(() => resolve(false), SIGN_OF_LIFE_MS);
              wake = () => {
                clearTimeout(timer);
                resolve(true);
              };
            });
            if (!isAwake) await stream.write(': still here\n\n');
          }
        } finally {
          this.#visitors.delete(visitor);
          this.#closing.signal.removeEventListener('abort', stop);
        }
      }),
    );
    app.get('/picture', async (context) =>
      this.#picture(context.req.query('key') ?? '', context.req.query('download')),
    );
    app.post('/api/forget', async (context) => {
      // A form of another site can send no JSON without being asked by the browser first.
      if (context.req.header('content-type') !== 'application/json')
        return context.text('JSON is wanted.', 415);
      const object = (await context.req.json()) as Pick<ManifestRow, 'key' | 'camera' | 'captured'>;
      if (![object.key, object.camera, object.captured].every((text) => typeof text === 'string')) {
        return context.text('key, camera and captured are wanted.', 400);
      }
      const report = await forget(this.#sink.store, { objects: [object] });
      this.#store.clear();
      if (!report.proven) return context.text('It could not be deleted altogether.', 500);
      this.#tell('forgotten', { key: object.key });
      return context.json(report);
    });
    app.onError((error, context) => context.text(error.message, error instanceof TypeError ? 400 : 500));
    return app;
  }

  async #picture(key: string, download: string | undefined): Promise<Response> {
    if (!isPictureKey(key)) return new Response('Not a picture.', { status: 404 });
    const { store } = this.#sink;
    if (store.link && !download) {
      const headers = {
        location: await store.link(key, LINK_SECONDS),
        'cache-control': 'private, max-age=200',
      };
      return new Response(undefined, { status: 302, headers });
    }
    const object = await store.get(key);
    if (!object) return new Response('It is not there any more.', { status: 404 });
    const name = key.split('/').at(-1) ?? 'face';
    const type = object.contentType?.startsWith('image/') ? object.contentType : 'application/octet-stream';
    return new Response(Buffer.from(object.data), {
      headers: {
        'content-type': type,
        // After it is forgotten no browser is to have it.
        'cache-control': 'private, no-store',
        ...(download && {
          'content-disposition': `attachment; filename*=UTF-8''${encodeURIComponent(name)}`,
        }),
      },
    });
  }

  #tell(event: string, data: object): void {
    const text = JSON.stringify(data);
    for (const visitor of this.#visitors) visitor(event, text);
  }
}

/** A file of the page, which the build has put beside the program. */
function file(name: string): string {
  return readFileSync(new URL(name, import.meta.url), 'utf8');
}

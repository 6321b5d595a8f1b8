import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { messageOf, RelayError } from '../errors';
import { assertName } from '../identity';
import type { Look } from '../look';
import { page, script, style } from './preview-page';
import { type PreviewStats, PreviewView } from './preview-view';

/** Where a Preview listens, and how large and how often it shows pictures. */
export interface PreviewOptions {
  /** 0 takes one that is free; see `url`. @default 8081 */
  readonly port?: number | undefined;
  /**
   * The address to listen at. Anybody who can reach it sees the pictures: there is no password.
   * @default '127.0.0.1', which only programs on this machine can reach
   */
  readonly host?: string | undefined;
  /** Width of the pictures shown, in pixels; the boxes are those of the full frame. @default 960 */
  readonly width?: number | undefined;
  /** Pictures that are encoded a second at the most, for all who look together. @default 10 */
  readonly framesPerSecond?: number | undefined;
  /** The name in errors. @default 'preview' */
  readonly name?: string | undefined;
}

/** What a preview can show, such as a FaceSelector: something that tells what was seen in each frame. */
export interface PreviewSource {
  /** Hears what was seen in each frame. */
  on(event: 'look', listener: (look: Look) => void): unknown;
  /** Hears it no more. */
  off(event: 'look', listener: (look: Look) => void): unknown;
  /** Numbers to show beside the picture, by name. Left out where there are none. */
  readonly stats?: object;
}

/** Something whose numbers are shown beside the picture. */
export interface PreviewCompanion {
  /** The numbers, by name. */
  readonly stats: object;
  /** The camera that they belong to. Left out where they belong to all. */
  readonly camera?: string;
}

/** Somebody who has asked for nothing for so long has gone. */
const GONE_MS = 3_000;
/** A request that nothing comes for is answered, and asked again. */
const LONGEST_WAIT_MS = 10_000;
const MOST_CONNECTIONS = 64;
const MOST_VIEWS = 16;

/**
 * A page that shows what is seen as it is seen: frames with boxes, tracks, scores and quality, how fast, and what
 * was dropped. Browsers ask for one frame after the other, so a slow one gets fewer; nothing is done while nobody
 * looks.
 *
 * @example
 * const preview = new Preview({ port: 8081 });
 * preview.watch(selector, camera);
 * await preview.open();
 */
export class Preview implements AsyncDisposable {
  /** The name in errors. */
  readonly name: string;
  readonly #port: number;
  readonly #host: string;
  readonly #width: number;
  readonly #framesPerSecond: number;
  readonly #watched: { readonly source: PreviewSource; readonly see: (look: Look) => void }[] = [];
  readonly #views = new Map<string, PreviewView>();
  #server: Server | undefined;
  #opened: Promise<void> | undefined;
  #isClosed = false;
  #isWatching = false;
  #gone: NodeJS.Timeout | undefined;

  /** @throws {TypeError} for an option that cannot be meant. Listens to nothing. */
  constructor(options: PreviewOptions = {}) {
    const { port = 8081, host = '127.0.0.1', width = 960, framesPerSecond = 10, name = 'preview' } = options;
    if (!(Number.isInteger(port) && port >= 0 && port <= 65_535)) {
      throw new TypeError(`port must be a whole number from 0 to 65535, not ${port}.`);
    }
    if (typeof host !== 'string' || host === '') {
      throw new TypeError(
        `host must be an address such as 127.0.0.1 or 0.0.0.0, not ${JSON.stringify(host)}.`,
      );
    }
    if (!(Number.isInteger(width) && width > 0)) {
      throw new TypeError(`width must be a whole number of pixels above 0, not ${width}.`);
    }
    if (!(framesPerSecond > 0)) {
      throw new TypeError(`framesPerSecond must be a number above 0, not ${framesPerSecond}.`);
    }
    this.name = assertName(name, 'name');
    this.#port = port;
    this.#host = host;
    this.#width = width;
    this.#framesPerSecond = framesPerSecond;
  }

  /** Where the page is, once it is open. */
  get url(): string {
    const address = this.#server?.address() as AddressInfo | null | undefined;
    return `http://${this.#host.includes(':') ? `[${this.#host}]` : this.#host}:${address?.port ?? this.#port}/`;
  }

  /** Whether somebody looks; only then is anything listened to, and encoded. */
  get isWatched(): boolean {
    return this.#isWatching;
  }

  /**
   * Shows what `source` sees, each camera and detector on its own, with the numbers of its `stats` and of those
   * who stand before or after it; of one that has a `camera`, such as a FrameSource, only beside that camera.
   */
  watch(source: PreviewSource, ...others: readonly PreviewCompanion[]): void {
    const see = (look: Look) => {
      const { camera } = look.frame;
      const beside = others.filter((other) => other.camera === undefined || other.camera === camera);
      this.#viewOf(look, () => numbersOf(source, ...beside))?.see(look);
    };
    this.#watched.push({ source, see });
    if (this.#isWatching) source.on('look', see);
  }

  /**
   * Begins to listen. Idempotent.
   * @throws {RelayError} `PREVIEW_FAILED` where the address cannot be had, `CLOSED`.
   */
  open(): Promise<void> {
    if (this.#isClosed) {
      const message = `${this.name} is closed. Make a new one.`;
      return Promise.reject(new RelayError(message, { code: 'CLOSED', stage: this.name }));
    }
    this.#opened ??= this.#open();
    return this.#opened;
  }

  /** Lets go of those who look, and of the address. Idempotent. */
  async close(): Promise<void> {
    this.#isClosed = true;
    await this.#opened?.catch(() => {});
    this.#unwatch();
    const server = this.#server;
    if (!server?.listening) return;
    const closed = new Promise((resolve) => server.close(resolve));
    server.closeAllConnections();
    await closed;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  async #open(): Promise<void> {
    const server = createServer((request, response) => void this.#serve(request, response));
    server.maxConnections = MOST_CONNECTIONS;
    this.#server = server;
    await new Promise<void>((resolve, reject) => {
      server.once('error', (error) => reject(this.#failure(error)));
      server.listen(this.#port, this.#host, resolve);
    });
    server.on('error', () => {});
  }

  #failure(error: Error): RelayError {
    return new RelayError(
      `${this.name} cannot listen at ${this.#host}, port ${this.#port} (${messageOf(error)}). ` +
        'Is another program there? Choose another port.',
      { code: 'PREVIEW_FAILED', stage: this.name, cause: error },
    );
  }

  async #serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    // A page of somebody else, whose name was made to point here, must not see the pictures.
    if (isLoopback(this.#host) && !isLoopback(hostOf(request))) {
      send(response, 403, 'text/plain', 'This preview is for this machine only.');
      return;
    }
    const { pathname, searchParams } = new URL(request.url ?? '/', 'http://preview');
    if (request.method !== 'GET') send(response, 405, 'text/plain', 'GET only.');
    else if (pathname === '/') send(response, 200, 'text/html; charset=utf-8', page);
    else if (pathname === '/preview.js') send(response, 200, 'text/javascript; charset=utf-8', script);
    else if (pathname === '/preview.css') send(response, 200, 'text/css; charset=utf-8', style);
    else if (pathname === '/views') {
      this.#watchOn();
      send(response, 200, 'application/json', JSON.stringify([...this.#views.keys()]));
    } else if (pathname === '/look') await this.#look(searchParams.get('view') ?? '', response);
    else send(response, 404, 'text/plain', 'Nothing here.');
  }

  async #look(name: string, response: ServerResponse): Promise<void> {
    this.#watchOn();
    const view = this.#views.get(name);
    if (!view) {
      send(response, 404, 'text/plain', 'No such view.');
      return;
    }
    const gone = new AbortController();
    response.once('close', () => gone.abort());
    const look = await view.next(AbortSignal.any([gone.signal, AbortSignal.timeout(LONGEST_WAIT_MS)]));
    if (gone.signal.aborted) return;
    this.#watchOn();
    if (look.length === 0) send(response, 204, 'text/plain', '');
    else send(response, 200, 'application/octet-stream', look);
  }

  /** Somebody looks: as long as they do, what is seen is listened to. */
  #watchOn(): void {
    clearTimeout(this.#gone);
    if (this.#isClosed) return;
    if (!this.#isWatching) for (const { source, see } of this.#watched) source.on('look', see);
    this.#isWatching = true;
    const stop = () => {
      const isWaitedFor = [...this.#views.values()].some(({ waiting }) => waiting > 0);
      if (isWaitedFor) this.#watchOn();
      else this.#unwatch();
    };
    this.#gone = setTimeout(stop, GONE_MS);
    this.#gone.unref();
  }

  #unwatch(): void {
    clearTimeout(this.#gone);
    for (const { source, see } of this.#watched) source.off('look', see);
    this.#isWatching = false;
    for (const view of this.#views.values()) view.release();
  }

  #viewOf({ frame, detector }: Look, stats: () => PreviewStats): PreviewView | undefined {
    const name = `${frame.camera} ${detector}`;
    const known = this.#views.get(name);
    if (known || this.#views.size >= MOST_VIEWS) return known;
    const view = new PreviewView({ width: this.#width, framesPerSecond: this.#framesPerSecond, stats });
    this.#views.set(name, view);
    return view;
  }
}

function numbersOf(...owners: readonly { readonly stats?: object }[]): PreviewStats {
  const entries = owners.flatMap(({ stats = {} }) => Object.entries(stats));
  return Object.fromEntries(entries.filter(([, value]) => typeof value === 'number'));
}

/** Without the port; an IPv6 address in its brackets. */
function hostOf({ headers }: IncomingMessage): string {
  return (headers.host ?? '').replace(/:\d+$/, '');
}

function isLoopback(host: string): boolean {
  return /^(localhost|127(\.\d{1,3}){3}|\[?::1\]?)$/i.test(host);
}

function send(response: ServerResponse, status: number, type: string, body: string | Uint8Array): void {
  response.writeHead(status, {
    'content-type': type,
    'cache-control': 'no-store',
    'content-security-policy': "default-src 'self'; img-src data:",
    'x-content-type-options': 'nosniff',
  });
  response.end(body);
}

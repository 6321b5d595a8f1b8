import type { IClientOptions, IConnackPacket, MqttClient } from 'mqtt';
import { messageOf, RelayError } from '../errors';
import { type BrokerOptions, withoutPassword } from './broker-options';
import { Link, type PacketCodec } from './link';

/** Who uses a connection, and what it hears. */
export interface ConnectionUser {
  /** The stage to name in errors: `'publisher'`. */
  readonly stage: string;
  /** What the session is made with: `clean`, `clientId`, `properties`, `will`. */
  readonly session: Pick<IClientOptions, 'clean' | 'clientId' | 'properties' | 'will'>;
  /** Before the handshake, so that no packet is missed. */
  attach?(client: MqttClient): void;
  /** The handshake is done. */
  up(link: Link): void;
  /** The link is gone; all that was in flight on it is open again. */
  down(link: Link): void;
  /** An attempt has failed or a link was lost; the next attempt comes by itself. */
  retrying(news: { readonly error: RelayError; readonly inMs: number }): void;
  /** It makes no sense to go on: the broker refuses us for good. */
  failed(error: RelayError): void;
}

/** CONNACK codes that no waiting cures (MQTT 5 section 3.2.2.2; 2, 4 and 5 are those of 3.1.1). */
const PERMANENT_REFUSALS = new Set([2, 4, 5, 0x85, 0x86, 0x87, 0x8a, 0x8c]);
/** "Unacceptable protocol version" of 3.1.1, "Unsupported Protocol Version" of 5. */
const UNSUPPORTED_VERSION = new Set([1, 0x84]);
/** A link that held this long was a good one: the next loss is retried quickly again. */
const STABLE_MS = 5_000;
/** How long the broker has to hang up after our goodbye. */
const GOODBYE_MS = 1_000;

/**
 * Keeps a connection to a broker: a fresh MQTT.js client for each, with growing, jittered pauses
 * between attempts. MQTT.js's own reconnecting, store and re-send stay switched off: they resend one
 * packet a round trip and settle some promises never.
 */
export class Connection {
  readonly #broker: BrokerOptions;
  readonly #user: ConnectionUser;
  readonly #closing = new AbortController();
  #protocolVersion: 4 | 5;
  #link: Link | undefined;
  #running: Promise<void> | undefined;
  #everUp = false;
  #pauseMs: number;

  constructor(broker: BrokerOptions, user: ConnectionUser) {
    this.#broker = broker;
    this.#user = user;
    this.#protocolVersion = broker.protocolVersion ?? 5;
    this.#pauseMs = broker.retryMinimumMs ?? 500;
  }

  get link(): Link | undefined {
    return this.#link;
  }

  /** Begins to connect, and to stay connected. Idempotent. */
  open(): void {
    this.#running ??= this.#run().catch((error) => {
      const { stage } = this.#user;
      const details = { code: 'BROKER_UNREACHABLE', stage, cause: error } as const;
      this.#user.failed(new RelayError(`${stage}: cannot connect: ${messageOf(error)}.`, details));
    });
  }

  /** Says goodbye to the broker and stops. Idempotent. */
  async close(): Promise<void> {
    this.#closing.abort();
    await this.#running;
  }

  async #run(): Promise<void> {
    const { signal } = this.#closing;
    while (!signal.aborted) {
      const error = await this.#connect();
      if (signal.aborted) return;
      if (!error.retryable && !this.#everUp) {
        this.#user.failed(error);
        return;
      }
      if (error.code === 'BROKER_REFUSED' && !error.retryable) {
        this.#pauseMs = this.#broker.retryMaximumMs ?? 30_000;
      }
      const inMs = Math.round(this.#pauseMs * (0.5 + Math.random()));
      this.#pauseMs = Math.min(this.#pauseMs * 2, this.#broker.retryMaximumMs ?? 30_000);
      this.#user.retrying({ error, inMs });
      await pause(inMs, signal);
    }
  }

  /** One connection from the first packet to the last; resolves with why it ended. */
  async #connect(): Promise<RelayError> {
    const [{ default: mqtt }, { default: mqttPacket }] = await Promise.all([
      import('mqtt'),
      import('mqtt-packet'),
    ]);
    const { signal } = this.#closing;
    const client = mqtt.connect(this.#broker.url, this.#clientOptions());
    let reason: unknown;
    client.on('error', (error) => {
      reason ??= error;
    });
    client.on('disconnect', (packet) => {
      reason ??= new Error(disconnection(packet.reasonCode ?? 0));
    });
    this.#user.attach?.(client);
    const closed = new Promise<void>((resolve) => client.once('close', resolve));
    const connected = new Promise<IConnackPacket>((resolve) => client.once('connect', resolve));
    let impatience: NodeJS.Timeout | undefined;
    const leave = () => {
      if (!client.connected) {
        client.stream?.destroy();
        return;
      }
      client.end();
      // MQTT.js waits for answers, and for the broker to hang up: one that is silent is not waited for.
      impatience = setTimeout(() => client.stream.destroy(), GOODBYE_MS);
    };
    signal.addEventListener('abort', leave, { once: true });
    try {
      client.connect();
      if ('setNoDelay' in client.stream)
        (client.stream as unknown as import('node:net').Socket).setNoDelay(true);
      if (signal.aborted) leave();
      const connack = await Promise.race([connected, closed]);
      if (connack) {
        const link = new Link(client, connack, this.#protocolVersion, mqttPacket as unknown as PacketCodec);
        await this.#hold(link, closed);
      }
      return this.#explain(reason, connack !== undefined);
    } finally {
      signal.removeEventListener('abort', leave);
      clearTimeout(impatience);
      // Sends nothing any more; it lets MQTT.js clear its timers and listeners.
      client.end(true);
    }
  }

  async #hold(link: Link, closed: Promise<void>): Promise<void> {
    const since = performance.now();
    this.#link = link;
    this.#everUp = true;
    this.#pauseMs = Math.max(this.#pauseMs, this.#broker.retryMinimumMs ?? 500);
    this.#user.up(link);
    await closed;
    this.#link = undefined;
    if (performance.now() - since > STABLE_MS) this.#pauseMs = this.#broker.retryMinimumMs ?? 500;
    this.#user.down(link);
  }

  #clientOptions(): IClientOptions {
    const {
      username,
      password,
      ca,
      cert,
      key,
      keepaliveSeconds = 30,
      connectTimeoutMs = 10_000,
    } = this.#broker;
    const { properties, ...session } = this.#user.session;
    return {
      manualConnect: true,
      reconnectPeriod: 0,
      resubscribe: false,
      queueQoSZero: false,
      protocolVersion: this.#protocolVersion,
      keepalive: keepaliveSeconds,
      connectTimeout: connectTimeoutMs,
      ...session,
      ...(this.#protocolVersion === 5 && properties && { properties }),
      ...(username !== undefined && { username }),
      ...(password !== undefined && { password }),
      ...(ca !== undefined && { ca: asPem(ca) }),
      ...(cert !== undefined && { cert: asPem(cert) }),
      ...(key !== undefined && { key: asPem(key) }),
    };
  }

  #explain(reason: unknown, wasUp: boolean): RelayError {
    const { stage } = this.#user;
    const url = withoutPassword(this.#broker.url);
    const code = (reason as { code?: unknown } | undefined)?.code;
    if (typeof code === 'number' && !wasUp) {
      if (
        UNSUPPORTED_VERSION.has(code) &&
        this.#protocolVersion === 5 &&
        this.#broker.protocolVersion === undefined
      ) {
        this.#protocolVersion = 4;
        this.#pauseMs = 1;
        return new RelayError(
          `${stage}: the broker at ${url} does not speak MQTT 5; going on with MQTT 3.1.1.`,
          {
            code: 'BROKER_REFUSED',
            stage,
            retryable: true,
          },
        );
      }
      const permanent = PERMANENT_REFUSALS.has(code) || UNSUPPORTED_VERSION.has(code);
      return new RelayError(
        `${stage}: the broker at ${url} refused the connection (${messageOf(reason)}). Check user name, password, client id and the broker's access rules.`,
        { code: 'BROKER_REFUSED', stage, retryable: !permanent, cause: reason },
      );
    }
    const why = reason === undefined ? 'it closed the connection' : messageOf(reason) || String(code);
    return new RelayError(
      wasUp
        ? `${stage}: lost the connection to the broker at ${url} (${why}).`
        : `${stage}: cannot reach the broker at ${url} (${why}). Is it running, and is the address right?`,
      { code: 'BROKER_UNREACHABLE', stage, retryable: true, cause: reason },
    );
  }
}

/** What the broker's DISCONNECT means (MQTT 5 section 3.14.2.1). */
function disconnection(reasonCode: number): string {
  if (reasonCode === 0x8e) return 'another client has taken the session over: give each its own client id';
  if (reasonCode === 0x95) return 'it takes no packet as large as ours';
  return `it disconnected us with reason 0x${reasonCode.toString(16).padStart(2, '0')}`;
}

function asPem(value: string | Uint8Array): string | Buffer {
  return typeof value === 'string' ? value : Buffer.from(value);
}

function pause(milliseconds: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const done = () => {
      clearTimeout(timer);
      signal.removeEventListener('abort', done);
      resolve();
    };
    const timer = setTimeout(done, milliseconds);
    signal.addEventListener('abort', done);
    if (signal.aborted) done();
  });
}

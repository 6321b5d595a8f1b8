import { connect } from 'node:net';
import type { PeerCertificate, TLSSocket } from 'node:tls';
import type { IClientOptions, IConnackPacket, MqttClient } from 'mqtt';
import { messageOf, RelayError, sentenceOf } from '../errors';
import { type BrokerAddress, brokerAddresses } from './broker-address';
import { type BrokerOptions, pemText } from './broker-options';
import { allFailed, connectionError, speaksAnotherVersion } from './connection-errors';
import { Incoming, type IncomingUser } from './incoming';
import { Link } from './link';
import { mqttJsIdentifiers } from './packet-identifiers';

/** Who uses a connection, and what it hears. */
export interface ConnectionUser extends Omit<IncomingUser, 'malformed'> {
  /** The stage to name in errors: `'publisher'`. */
  readonly stage: string;
  /** What the session is made with: `clean`, `clientId`, `properties`. */
  readonly session: Pick<IClientOptions, 'clean' | 'clientId' | 'properties'>;
  /** A connection begins; its packets may come before it is up. */
  attach?(incoming: Incoming, client: MqttClient): void;
  /** The handshake is done. */
  up(link: Link): void;
  /** The link is gone; all that was in flight on it is open again. */
  down(link: Link): void;
  /** No address could be reached, or not the first ones, or a link was lost; the next attempt comes by itself. */
  retrying(news: { readonly error: RelayError; readonly inMs: number }): void;
  /** It makes no sense to go on: the broker refuses us for good. */
  failed(error: RelayError): void;
}

/** A link that held this long was a good one: the next loss is retried quickly again. */
const STABLE_MS = 5_000;
/** How often what is heard of the broker puts off the next ping, at the most. */
const HEARD_MS = 100;
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
  readonly #addresses: readonly BrokerAddress[];
  /** Those that have refused MQTT 5. */
  readonly #older = new Set<BrokerAddress>();
  /** What topics say for as long as we are there, by topic. */
  readonly #announced = new Map<string, string>();
  #link: Link | undefined;
  #running: Promise<void> | undefined;
  #everUp = false;
  #pauseMs: number;

  constructor(broker: BrokerOptions, user: ConnectionUser) {
    this.#broker = broker;
    this.#user = user;
    this.#addresses = brokerAddresses(broker, user.stage);
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
      this.#user.failed(new RelayError(`${stage}: cannot connect: ${sentenceOf(error)}`, details));
    });
  }

  /** Keeps a topic saying this: now, where we are connected, and again on each new link. */
  announce(topic: string, text: string): void {
    this.#announced.set(topic, text);
    if (this.#link) sayRetained(this.#link, topic, text);
  }

  /** Says goodbye to the broker and stops. Idempotent. */
  async close(): Promise<void> {
    this.#sayState('0');
    this.#closing.abort();
    await this.#running;
  }

  async #run(): Promise<void> {
    const { signal } = this.#closing;
    while (!signal.aborted) {
      const error = await this.#tryAddresses();
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

  /** Tries one address after the other until one has held; resolves with why there is no link (any more). */
  async #tryAddresses(): Promise<RelayError> {
    const errors: RelayError[] = [];
    for (const address of this.#addresses) {
      const { error, wasUp } = await this.#connect(address, errors);
      if (wasUp) return error;
      errors.push(error);
      if (this.#closing.signal.aborted) break;
    }
    return allFailed(this.#user.stage, errors);
  }

  /**
   * One connection from the first packet to the last; resolves with why it ended.
   * @param errors of the addresses before this one, to be told when this one is better
   */
  async #connect(
    address: BrokerAddress,
    errors: readonly RelayError[],
  ): Promise<{ readonly error: RelayError; readonly wasUp: boolean }> {
    const { default: mqtt } = await import('mqtt');
    const { stage } = this.#user;
    const protocolVersion = this.#broker.protocolVersion ?? (this.#older.has(address) ? 4 : 5);
    const { signal } = this.#closing;
    let heardAt = 0;
    const incoming = new Incoming(protocolVersion, {
      borrows: this.#user.borrows,
      ...(this.#user.publish && { publish: (packet) => this.#user.publish!(packet) }),
      ...(this.#user.puback && {
        puback: (messageId, reasonCode) => {
          // What is heard of the broker puts off the next ping, as with MQTT.js; setting a timer for each is dear.
          const now = performance.now();
          if (now - heardAt > HEARD_MS) {
            client.reschedulePing();
            heardAt = now;
          }
          this.#user.puback!(messageId, reasonCode);
        },
      }),
      malformed: ({ message }) => {
        client.emit('error', new Error(`it sent what is not MQTT: ${message}`));
        client.stream.destroy();
      },
    });
    const options = this.#clientOptions(address, protocolVersion);
    const { host, port = 1_883 } = address;
    // What MQTT.js would do; but a socket of ours can be read without fresh memory for each time.
    const client = isPlain(address, options)
      ? new mqtt.MqttClient(() => connect({ host, port, onread: incoming.onread }), options)
      : mqtt.connect(options);
    let reason: unknown;
    let shown: PeerCertificate | undefined;
    const hear = (error: unknown) => {
      reason ??= error;
    };
    client.on('error', hear);
    client.on('disconnect', (packet) => {
      reason ??= new Error(disconnection(packet.reasonCode ?? 0));
    });
    const closed = new Promise<void>((resolve) => client.once('close', resolve));
    const connected = new Promise<IConnackPacket>((resolve) => client.once('connect', resolve));
    let impatience: NodeJS.Timeout | undefined;
    const leave = () => {
      if (!client.connected) {
        client.stream?.destroy();
        return;
      }
      this.#link?.flush();
      client.end();
      // MQTT.js waits for answers, and for the broker to hang up: one that is silent is not waited for.
      impatience = setTimeout(() => client.stream.destroy(), GOODBYE_MS);
    };
    signal.addEventListener('abort', leave, { once: true });
    try {
      client.connect();
      // MQTT.js passes on only errors with a code, which those of WebSocket have not.
      client.stream.on('error', hear);
      incoming.attach(client.stream);
      this.#user.attach?.(incoming, client);
      if ('setNoDelay' in client.stream) {
        const socket = client.stream as unknown as TLSSocket;
        socket.setNoDelay(true);
        // Before Node judges it and closes: the error should tell what was wrong with it.
        socket.prependListener('secure', () => {
          shown = socket.getPeerCertificate();
        });
      }
      if (signal.aborted) leave();
      const connack = await Promise.race([connected, closed]);
      if (connack) {
        if (errors.length > 0) this.#user.retrying({ error: allFailed(stage, errors), inMs: 0 });
        await this.#hold(new Link(client, connack, { url: address.url, protocolVersion }), closed);
        return { error: this.#lost(address, reason), wasUp: true };
      }
    } finally {
      signal.removeEventListener('abort', leave);
      clearTimeout(impatience);
      // Sends nothing any more; it lets MQTT.js clear its timers and listeners.
      client.end(true);
    }
    const error = connectionError({ stage, address, broker: this.#broker, reason, shown });
    if (protocolVersion === 4 || this.#broker.protocolVersion || !speaksAnotherVersion(reason)) {
      return { error, wasUp: false };
    }
    this.#older.add(address);
    return this.#connect(address, errors);
  }

  async #hold(link: Link, closed: Promise<void>): Promise<void> {
    const since = performance.now();
    this.#link = link;
    this.#everUp = true;
    this.#pauseMs = Math.max(this.#pauseMs, this.#broker.retryMinimumMs ?? 500);
    this.#user.up(link);
    this.#sayState('1');
    for (const [topic, text] of this.#announced) sayRetained(link, topic, text);
    await closed;
    this.#link = undefined;
    if (performance.now() - since > STABLE_MS) this.#pauseMs = this.#broker.retryMinimumMs ?? 500;
    this.#user.down(link);
  }

  /** Tells whoever looks at the state topic. */
  #sayState(state: '0' | '1'): void {
    const { stateTopic } = this.#broker;
    if (stateTopic !== undefined && this.#link) sayRetained(this.#link, stateTopic, state);
  }

  #clientOptions(address: BrokerAddress, protocolVersion: 4 | 5): IClientOptions {
    const { ca, cert, key, keepaliveSeconds = 30, connectTimeoutMs = 10_000, stateTopic } = this.#broker;
    const { protocol, host, port, path, username, password } = address;
    const { properties, ...session } = this.#user.session;
    return {
      protocol,
      host,
      ...(port !== undefined && { port }),
      ...(protocol.startsWith('ws') && {
        path,
        // Pictures are compressed already.
        wsOptions: { perMessageDeflate: false },
      }),
      manualConnect: true,
      reconnectPeriod: 0,
      resubscribe: false,
      queueQoSZero: false,
      messageIdProvider: mqttJsIdentifiers(),
      protocolVersion,
      keepalive: keepaliveSeconds,
      connectTimeout: connectTimeoutMs,
      ...session,
      ...(stateTopic !== undefined && {
        will: { topic: stateTopic, payload: Buffer.from('0'), qos: 1, retain: true },
      }),
      ...(protocolVersion === 5 && properties && { properties }),
      ...(username !== undefined && { username }),
      ...(password !== undefined && { password }),
      ...(ca !== undefined && { ca: pemText(ca) }),
      ...(cert !== undefined && { cert: pemText(cert) }),
      ...(key !== undefined && { key: pemText(key) }),
    };
  }

  #lost({ url }: BrokerAddress, reason: unknown): RelayError {
    const { stage } = this.#user;
    const why = reason === undefined ? 'it closed the connection' : messageOf(reason);
    return new RelayError(`${stage}: lost the connection to the broker at ${url} (${why}).`, {
      code: 'BROKER_UNREACHABLE',
      stage,
      retryable: true,
      cause: reason,
    });
  }
}

/**
 * With QoS 0, which takes no place among the messages in flight, of which the broker allows so many (MQTT 5 section 4.9):
 * what a lost link swallows is said again on the next, or by the last will.
 */
function sayRetained(link: Link, topic: string, text: string): void {
  if (link.alive) link.client.publish(topic, text, { qos: 0, retain: true });
}

/** What the broker's DISCONNECT means (MQTT 5 section 3.14.2.1). */
function disconnection(reasonCode: number): string {
  if (reasonCode === 0x8e) return 'another client has taken the session over: give each its own client id';
  if (reasonCode === 0x95) return 'it takes no packet as large as ours';
  return `it disconnected us with reason 0x${reasonCode.toString(16).padStart(2, '0')}`;
}

/** TCP, and nothing around it. */
function isPlain({ protocol }: BrokerAddress, { cert, key }: IClientOptions): boolean {
  return protocol === 'mqtt' && !(cert && key) && !process.env.MQTTJS_SOCKS_PROXY;
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

import { hostname } from 'node:os';
import { join } from 'node:path';
import { EventEmitter } from 'eventemitter3';
import { apart } from '../apart';
import { RelayError } from '../errors';
import { foreignId, safeName } from '../identity';
import type { Message } from '../message';
import { LmdbSpool } from '../spool/lmdb-spool';
import { MemorySpool } from '../spool/memory-spool';
import type { Spool } from '../spool/spool';
import { BridgeLane, type BridgeLaneOptions } from './bridge-lane';
import { type BridgeRoute, directedRoutes } from './bridge-routes';
import { brokerAddresses } from './broker-address';
import type { BrokerOptions } from './broker-options';
import type { DropReason, PublisherOptions } from './publisher-options';
import type { SubscriberOptions } from './subscriber';

/** A broker, and how messages are taken from it and given to it. */
export type BridgeSide = BrokerOptions &
  Pick<SubscriberOptions, 'sessionExpirySeconds' | 'windowMessages' | 'windowBytes'> &
  Pick<PublisherOptions, 'maximumPacketBytes' | 'acknowledgeTimeoutMs' | 'whenNoSubscriber' | 'limit'>;

/** Between which brokers a Bridge carries what, and where it keeps it meanwhile. */
export interface BridgeOptions {
  /**
   * The broker to take from. Its `clientId` names the session that keeps what comes while we are away.
   * @default made from the far broker's address and the topics, so that it stays the same
   */
  readonly from: BridgeSide;
  /**
   * The broker to give to. With routes that come in, its `clientId` and `-in` name the session that keeps there
   * what comes while we are away: it must be another one for each bridge at this broker.
   * @default for the session, the name of the one at the first broker
   */
  readonly to: BridgeSide;
  /** What goes over, and under which name: `[{ from: 'hw3facestx2', to: 'hw3faces' }]`. */
  readonly topics: readonly BridgeRoute[];
  /**
   * Where messages wait for the broker they go to: the path of a folder (with a spool in `out`, and in `in`),
   * or a spool of your own for routes of one direction. With a durable one the broker they come from is told
   * at once that we have them. @default new MemorySpool(), and that broker keeps them
   */
  readonly spool?: string | Spool | undefined;
  /**
   * When the broker that a message comes from is told that we have it. `store`: when it is in the spool, which
   * must be given then. `ack-through`: when the broker that it goes to has it; there is no spool then, and what
   * waits, waits at the first one. @default 'store' with a spool, 'ack-through' without
   */
  readonly mode?: 'store' | 'ack-through' | undefined;
  /**
   * A topic that says on each of the two brokers whether the bridge is connected to it, retained: `1` while it
   * is; `0` after a goodbye, or by last will (MQTT 5 section 3.1.2.5). It is never forwarded. `true` stands
   * for `edge-relay/bridge/{client id of from}/state`; the `stateTopic` of a side comes before. @default none
   */
  readonly stateTopic?: string | true | undefined;
  /**
   * Carries receipts back, from `{topic}/receipts/+` of the one broker to that of the other, and takes no
   * message a second time that its durable spool still holds. See docs/receipts.md. @default false
   */
  readonly receipts?: boolean | undefined;
  /**
   * Puts the time at which the bridge had a message on it, as the user property `bridgedat` (MQTT 5), for the
   * latency by hop of an audit. @default false
   */
  readonly stamp?: boolean | undefined;
  /** The name in errors and events. @default 'bridge' */
  readonly name?: string | undefined;
}

/** News of a Bridge; `side` says which broker they are about. */
export interface BridgeEvents {
  /** One side is connected, with all the connections that the routes need there. */
  online: [{ readonly side: 'from' | 'to'; readonly url: string; readonly protocolVersion: 4 | 5 }];
  /** One side is not connected, or not to the first of its addresses; the next attempt comes by itself. */
  offline: [{ readonly side: 'from' | 'to'; readonly error: RelayError; readonly retryInMs: number }];
  /** One side no longer knows our session: what it kept for us is gone. */
  forgotten: [{ readonly side: 'from' | 'to'; readonly url: string }];
  /** The broker that a message goes to has taken it over. */
  forwarded: [{ readonly id: string; readonly topic: string; readonly bytes: number }];
  /**
   * A message can never go over: no route fits it, or the far broker refuses it for good. A spool on disk
   * has set it aside (`listSetAside()`); without one it is let go, so that it does not stop the others.
   */
  refused: [{ readonly message: Message; readonly error: RelayError }];
  /** The broker hung up when this message was sent alone; the others go on, and it is tried again. */
  isolated: [{ readonly message: Message; readonly retryInMs: number }];
  /** A message left without having been sent; see the spool's policy, and QoS 0. */
  drop: [{ readonly message: Message; readonly reason: DropReason }];
  /** The broker has no subscriber for this topic, or is short of room: its messages wait. */
  waiting: [{ readonly topic: string; readonly reasonCode: number; readonly retryInMs: number }];
}

type Side = 'from' | 'to';
type Direction = 'out' | 'in';
type Purpose = Pick<BridgeLaneOptions, 'name' | 'topics' | 'spool' | 'dropsHeld' | 'via'> & {
  readonly session: string;
  readonly whenNoSubscriber?: 'accept';
};

/**
 * Takes messages from one broker and gives them to another, under other topics; or both ways. A message is
 * acknowledged to the broker it came from only when it is durable: in a durable spool, or else acknowledged
 * by the broker it goes to. So a killed bridge loses nothing that a broker kept.
 *
 * @example
 * const bridge = new Bridge({
 *   from: { url: 'mqtt://localhost' },
 *   to: { url: 'mqtts://cloud.example' },
 *   topics: [{ from: 'hw3facestx2', to: 'hw3faces' }],
 * });
 * await bridge.run({ signal });
 *
 * @example
 * // both ways, on disk, no faster than the uplink may be used; docs/bridge.md tells of all of it
 * const bridge = new Bridge({
 *   from: { url: 'mqtt://localhost' },
 *   to: { url: 'mqtts://cloud.example', clientId: 'device-1', limit: { bytesPerSecond: 250_000 } },
 *   topics: [{ from: 'faces' }, { from: 'commands', to: 'device-1/commands', direction: 'in' }],
 *   spool: './bridge-spool',
 *   stateTopic: true,
 * });
 */
export class Bridge extends EventEmitter<BridgeEvents> {
  /** The name in errors and events. */
  readonly name: string;
  readonly #stamp: boolean;
  readonly #sides: Readonly<Record<Side, BridgeSide>>;
  /** What messages go through, in one direction each; receipts are not among them. */
  readonly #lanes: readonly BridgeLane[];
  readonly #receiptLanes: readonly BridgeLane[];
  /** How many connections each side has, and how many of them are up. */
  readonly #connections = { from: 0, to: 0 };
  readonly #up = { from: new Set<string>(), to: new Set<string>() };
  #running: Promise<void> | undefined;
  #closing: Promise<void> | undefined;

  constructor(options: BridgeOptions) {
    super();
    const { topics, spool, receipts = false, stamp = false, name = 'bridge' } = options;
    this.#stamp = stamp;
    this.name = name;
    assertMode(options, name);
    const routes = directedRoutes(topics, receipts, name);
    const session = options.from.clientId ?? defaultClientId(options);
    // Two bridges at one broker have two names there, whatever they are called elsewhere.
    const farSession = options.to.clientId ?? session;
    this.#sides = sidesOf(options, session);
    if (routes.out.length > 0 && routes.in.length > 0 && spool !== undefined && typeof spool !== 'string') {
      throw new TypeError(
        `${name}: routes of both directions need a spool each. Give spool the path of a folder.`,
      );
    }
    const shared = { dropsHeld: receipts, via: routes.canLoop ? farSession : undefined };
    const lanes: BridgeLane[] = [];
    if (routes.out.length > 0) {
      const way = { name, session, topics: routes.out, spool: spoolFor(spool, 'out') };
      lanes.push(this.#lane('out', { ...shared, ...way }));
    }
    if (routes.in.length > 0) {
      const way = {
        name: `${name} in`,
        session: `${farSession}-in`,
        topics: routes.in,
        spool: spoolFor(spool, 'in'),
      };
      lanes.push(this.#lane('in', { ...shared, ...way }));
    }
    this.#lanes = lanes;
    // Devices with one and the same configuration meet at the far broker.
    const receiptSessions = { out: session, in: `${farSession}-${safeName(hostname())}` };
    this.#receiptLanes = (['out', 'in'] as const)
      .filter((direction) => routes.receipts[direction].length > 0)
      .map((direction) =>
        this.#lane(direction, {
          name: `${name} receipts`,
          session: `${receiptSessions[direction]}-receipts-${direction}`,
          topics: routes.receipts[direction],
          // Receipts that are lost are given again.
          spool: new MemorySpool({ whenFull: 'drop-oldest' }),
          whenNoSubscriber: 'accept',
          dropsHeld: false,
          via: undefined,
        }),
      );
  }

  /** What has happened so far; messages that carry receipts are counted apart. */
  get stats() {
    const total = emptyStats();
    for (const { stats } of this.#receiptLanes) {
      total.receiptsForwarded += stats.forwarded;
      total.receiptsDropped += stats.dropped;
    }
    for (const { stats, oldestAgeSeconds } of this.#lanes) {
      for (const name of Object.keys(stats) as (keyof typeof stats)[]) total[name] += stats[name];
      total.oldestAgeSeconds = Math.max(total.oldestAgeSeconds, oldestAgeSeconds);
    }
    return total;
  }

  /**
   * Forwards until `close()` is called (then it resolves when what was taken is through) or `signal` is
   * aborted (then it rejects with the signal's reason, at once).
   * @throws {RelayError} when a broker refuses us for good.
   */
  run(options: { readonly signal?: AbortSignal | undefined } = {}): Promise<void> {
    if (this.#running) throw new TypeError(`${this.name}: it is running already.`);
    if (this.#closing)
      throw new RelayError(`${this.name}: it is closed.`, { code: 'CLOSED', stage: this.name });
    // When one direction fails, so do the others.
    const failed = new AbortController();
    const signal = options.signal ? AbortSignal.any([options.signal, failed.signal]) : failed.signal;
    const running = this.#all.map((lane) =>
      lane.run(signal).catch((error) => {
        failed.abort(error);
        throw error;
      }),
    );
    this.#running = Promise.all(running).then(() => {});
    return this.#running;
  }

  /** Takes no more, waits until what was taken is through, and says goodbye to both brokers. Idempotent. */
  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  async #close(): Promise<void> {
    await Promise.all(this.#all.map((lane) => lane.close()));
    await this.#running?.catch(() => {});
  }

  get #all(): readonly BridgeLane[] {
    return [...this.#lanes, ...this.#receiptLanes];
  }

  #lane(direction: Direction, { session, whenNoSubscriber, ...purpose }: Purpose): BridgeLane {
    const near: Side = direction === 'out' ? 'from' : 'to';
    const far: Side = near === 'from' ? 'to' : 'from';
    const { [near]: from, [far]: to } = this.#sides;
    // Names and topics are for one connection to a broker, not for each.
    const isFirst = this.#connections[near] === 0;
    const { clientId, stateTopic, ...others } = to;
    for (const side of [near, far]) this.#connections[side] += 1;
    const options = {
      ...purpose,
      stateTopic: from.stateTopic,
      from: { ...from, clientId: session, ...(!isFirst && { stateTopic: undefined }) },
      to: {
        ...others,
        ...(isFirst && { clientId, stateTopic }),
        ...(whenNoSubscriber && { whenNoSubscriber }),
        ...(this.#stamp && direction === 'out' && { stamp: 'bridgedat' as const }),
      },
    };
    const sides = { from: near, to: far };
    return new BridgeLane(options, {
      online: (end, { url, protocolVersion }) => {
        const side = sides[end];
        const up = this.#up[side].add(`${session} ${end}`);
        if (up.size < this.#connections[side]) return;
        apart(() => this.emit('online', { side, url, protocolVersion }));
      },
      offline: (end, news) => {
        this.#up[sides[end]].delete(`${session} ${end}`);
        this.emit('offline', { side: sides[end], ...news });
      },
      forgotten: ({ url }) => void (whenNoSubscriber ?? this.emit('forgotten', { side: near, url })),
      forwarded: (news) => void (whenNoSubscriber ?? this.emit('forwarded', news)),
      refused: (news) => this.emit('refused', news),
      drop: (news) => void (whenNoSubscriber ?? this.emit('drop', news)),
      waiting: (news) => this.emit('waiting', news),
      isolated: (news) => this.emit('isolated', news),
    });
  }
}

function emptyStats() {
  return {
    received: 0,
    redelivered: 0,
    outstanding: 0,
    forwarded: 0,
    /** Held already when they came again; with receipts only. */
    duplicates: 0,
    /** Came back to where they had been; dropped. */
    looped: 0,
    refused: 0,
    dropped: 0,
    resent: 0,
    spooled: 0,
    /** What waits now, in bytes. */
    spooledBytes: 0,
    /** How long the first of what waits has been there, in seconds. */
    oldestAgeSeconds: 0,
    bytes: 0,
    receiptsForwarded: 0,
    receiptsDropped: 0,
  };
}

function spoolFor(spool: BridgeOptions['spool'], direction: Direction): Spool {
  if (spool === undefined) return new MemorySpool();
  return typeof spool === 'string' ? new LmdbSpool(join(spool, direction)) : spool;
}

/** @throws {TypeError} for a mode that is none, or that does not go with the spool. */
function assertMode(
  { spool, mode = spool === undefined ? 'ack-through' : 'store' }: BridgeOptions,
  name: string,
) {
  if (mode !== 'store' && mode !== 'ack-through') {
    throw new TypeError(`${name}: mode must be store or ack-through, not ${mode}.`);
  }
  if (mode === 'store' && spool === undefined) {
    throw new TypeError(`${name}: mode store needs a spool. Give spool the path of a folder.`);
  }
  if (mode === 'ack-through' && spool !== undefined) {
    throw new TypeError(
      `${name}: mode ack-through leaves messages with their broker until the other one has them, so it has no spool. Leave out one of the two.`,
    );
  }
}

/** Both sides, each with its topic of the state. */
function sidesOf({ from, to, stateTopic }: BridgeOptions, session: string): Record<Side, BridgeSide> {
  if (stateTopic === undefined) return { from, to };
  const topic = stateTopic === true ? `edge-relay/bridge/${session}/state` : stateTopic;
  return { from: { stateTopic: topic, ...from }, to: { stateTopic: topic, ...to } };
}

/** The same after a restart, also in a new container or with a new password, so that the broker knows us again. */
function defaultClientId({ to, topics, name = 'bridge' }: BridgeOptions): string {
  const [far] = brokerAddresses(to, `${name} (to)`);
  const place = `${far?.host}:${far?.port ?? ''}`;
  return `edge-relay-bridge-${foreignId(place, Buffer.from(JSON.stringify(topics))).slice(0, 12)}`;
}

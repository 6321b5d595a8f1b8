import type { RelayError } from '../errors';
import { assertBroker, type BrokerOptions } from './broker-options';
import { Connection } from './connection';

/** What a broker answers to who connects. */
export interface BrokerReport {
  /** The address that answered, without password. */
  readonly url: string;
  /** MQTT 5, or 4 for MQTT 3.1.1. */
  readonly protocolVersion: 4 | 5;
  /** How long it took to connect and to be let in, in milliseconds. */
  readonly connectMs: number;
  /** How many QoS 1 messages it takes unacknowledged. */
  readonly receiveMaximum: number;
  /** The largest packet that it takes, in bytes; Infinity where it says nothing. */
  readonly maximumPacketSize: number;
  /**
   * Seconds that it keeps a session of somebody who is away, of the seven days that are asked for; undefined where it
   * does not say (MQTT 3.1.1).
   */
  readonly sessionExpirySeconds: number | undefined;
  /** Of several addresses those that did not answer, in one error. */
  readonly skipped?: RelayError;
}

/** What a Subscriber asks for. */
const WANTED_SECONDS = 604_800;
const STAGE = 'broker';

/**
 * Connects to a broker once, says what it allows, and leaves nothing with it: no session, no message.
 *
 * @example
 * const { maximumPacketSize } = await checkBroker({ url: 'mqtt://localhost' });
 * @throws {RelayError} `BROKER_UNREACHABLE` or `BROKER_REFUSED`, with the cure.
 */
export async function checkBroker(options: BrokerOptions): Promise<BrokerReport> {
  assertBroker(options, STAGE);
  // Loading it is not the broker's time.
  await import('mqtt');
  const began = performance.now();
  let settle: (report: BrokerReport) => void = () => {};
  let fail: (error: RelayError) => void = () => {};
  const answer = new Promise<BrokerReport>((resolve, reject) => {
    settle = resolve;
    fail = reject;
  });
  let skipped: RelayError | undefined;
  const { stateTopic: _, clientId: __, ...broker } = options;
  const connection = new Connection(broker, {
    stage: STAGE,
    session: {
      clean: true,
      clientId: `edge-relay-check-${Math.random().toString(36).slice(2, 10)}`,
      properties: { sessionExpiryInterval: WANTED_SECONDS },
    },
    up: ({ url, protocolVersion, limits, client }) => {
      const said = client.serverProperties?.sessionExpiryInterval;
      const sessionExpirySeconds = protocolVersion === 5 ? (said ?? WANTED_SECONDS) : undefined;
      const connectMs = performance.now() - began;
      // It was only asked for: the session ends with this goodbye (MQTT 5 section 3.14.2.2.2).
      if (protocolVersion === 5) client.end(false, { properties: { sessionExpiryInterval: 0 } });
      settle({
        ...{ url, protocolVersion, connectMs, ...limits, sessionExpirySeconds },
        ...(skipped && { skipped }),
      });
    },
    down: () => {},
    retrying: ({ error, inMs }) => {
      // Without a pause, another address has answered meanwhile.
      if (inMs === 0) skipped = error;
      else fail(error);
    },
    failed: fail,
  });
  connection.open();
  try {
    return await answer;
  } finally {
    await connection.close();
  }
}

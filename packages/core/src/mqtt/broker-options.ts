import { createPrivateKey, type KeyObject, X509Certificate } from 'node:crypto';
import { brokerAddresses } from './broker-address';
import { assertTopicName } from './topic';

/** How to reach a broker. */
export interface BrokerOptions {
  /**
   * `mqtt://host[:port]` (port 1883), `mqtts://…` (8883), `ws://…` (80) or `wss://…` (443); user name and
   * password may stand in it, percent-encoded. Of several addresses the first that answers is used; each
   * new connection begins with the first again.
   */
  readonly url: string | readonly string[];
  /** The name of the session at the broker; two clients with one name throw each other out. @default one of its own */
  readonly clientId?: string | undefined;
  /** The user's name at the broker. @default the one in `url`, else none */
  readonly username?: string | undefined;
  /** The user's password. @default the one in `url`, else none */
  readonly password?: string | undefined;
  /**
   * PEM text of the authorities to trust with `mqtts://` and `wss://`, or of a broker's own certificate that
   * is signed by itself. @default the authorities that come with Node
   */
  readonly ca?: string | Uint8Array | undefined;
  /** PEM text of our own certificate, for mutual TLS. @default none */
  readonly cert?: string | Uint8Array | undefined;
  /** PEM text of the key of our own certificate, without pass phrase. @default none */
  readonly key?: string | Uint8Array | undefined;
  /**
   * A topic that says whether we are connected, retained: `1` while we are; `0` after a goodbye, or by last
   * will (MQTT 5 section 3.1.2.5) when the broker hears nothing more of us. @default none
   */
  readonly stateTopic?: string | undefined;
  /** MQTT 5, or 4 for MQTT 3.1.1. @default 5, and 4 where the broker refuses 5 */
  readonly protocolVersion?: 4 | 5 | undefined;
  /** Seconds without a sign of life after which a connection counts as dead, 1.5 times over. @default 30 */
  readonly keepaliveSeconds?: number | undefined;
  /** Milliseconds that one attempt to connect may take. @default 10,000 */
  readonly connectTimeoutMs?: number | undefined;
  /** Milliseconds before the first new attempt; it doubles, with jitter, up to `retryMaximumMs`. @default 500 */
  readonly retryMinimumMs?: number | undefined;
  /** @default 30,000 */
  readonly retryMaximumMs?: number | undefined;
}

/** Throws a `TypeError` for a broker that cannot be meant. */
export function assertBroker(options: BrokerOptions, role: string): void {
  const { protocolVersion, keepaliveSeconds, connectTimeoutMs, retryMinimumMs, retryMaximumMs } = options;
  const addresses = brokerAddresses(options, role);
  if (options.stateTopic !== undefined) assertTopicName(options.stateTopic, role);
  if (protocolVersion !== undefined && protocolVersion !== 4 && protocolVersion !== 5) {
    throw new TypeError(`${role}: protocolVersion must be 4 (MQTT 3.1.1) or 5, not ${protocolVersion}.`);
  }
  const { ca, cert, key } = options;
  if ((cert === undefined) !== (key === undefined)) {
    throw new TypeError(`${role}: cert and key belong together, but only ${cert ? 'cert' : 'key'} is given.`);
  }
  // MQTT.js would take some of these for a wish to have TLS, and leave others unused.
  const plain = addresses.find(({ protocol }) => protocol === 'mqtt' || protocol === 'ws');
  if (plain && (ca ?? cert) !== undefined) {
    throw new TypeError(
      `${role}: ca, cert and key go with mqtts:// and wss:// only, and url has ${plain.protocol}://.`,
    );
  }
  if (ca !== undefined) certificateOf('ca', ca, role);
  if (cert !== undefined && key !== undefined) {
    if (!certificateOf('cert', cert, role).checkPrivateKey(keyOf(key, role))) {
      throw new TypeError(`${role}: key is not the key of cert.`);
    }
  }
  const numbers = { keepaliveSeconds, connectTimeoutMs, retryMinimumMs, retryMaximumMs };
  for (const [name, value] of Object.entries(numbers)) {
    if (value !== undefined && !(Number.isFinite(value) && value > 0)) {
      throw new TypeError(`${role}: ${name} must be a number above 0, not ${value}.`);
    }
  }
}

/** PEM as the text that it is. */
export function pemText(value: string | Uint8Array): string {
  return typeof value === 'string' ? value : Buffer.from(value).toString();
}

/** TLS itself would leave out what it cannot read, and say no more than that it trusts nobody. */
function certificateOf(option: 'ca' | 'cert', value: string | Uint8Array, role: string): X509Certificate {
  try {
    return new X509Certificate(pemText(value));
  } catch (cause) {
    const message = `${role}: ${option} must be the text of a certificate in PEM (-----BEGIN CERTIFICATE-----).`;
    throw new TypeError(message, { cause });
  }
}

function keyOf(value: string | Uint8Array, role: string): KeyObject {
  try {
    return createPrivateKey(pemText(value));
  } catch (cause) {
    const message = `${role}: key must be the text of a key in PEM (-----BEGIN PRIVATE KEY-----), without pass phrase.`;
    throw new TypeError(message, { cause });
  }
}

/** How to reach a broker. */
export interface BrokerOptions {
  /** `mqtt://host[:port]`, `mqtts://…`, `ws://…` or `wss://…`. Default port 1883, or 8883 with TLS. */
  readonly url: string;
  /** The name of the session at the broker; two clients with one name throw each other out. */
  readonly clientId?: string | undefined;
  readonly username?: string | undefined;
  readonly password?: string | undefined;
  /** PEM text of the authorities to trust with `mqtts://` and `wss://`. @default the system's */
  readonly ca?: string | Uint8Array | undefined;
  /** PEM text of our own certificate, for mutual TLS. */
  readonly cert?: string | Uint8Array | undefined;
  /** PEM text of the key of our own certificate. */
  readonly key?: string | Uint8Array | undefined;
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

const PROTOCOLS = ['mqtt:', 'mqtts:', 'tcp:', 'ssl:', 'ws:', 'wss:'];

/** Throws a `TypeError` for a broker that cannot be meant. */
export function assertBroker(options: BrokerOptions, role: string): void {
  const { url, protocolVersion, keepaliveSeconds, connectTimeoutMs, retryMinimumMs, retryMaximumMs } =
    options;
  const example = 'such as "mqtt://localhost:1883"';
  if (typeof url !== 'string') throw new TypeError(`${role}: url must be a broker's address, ${example}.`);
  if (!URL.canParse(url)) {
    throw new TypeError(`${role}: url ${JSON.stringify(url)} is not a broker's address, ${example}.`);
  }
  const { protocol, hostname } = new URL(url);
  if (!PROTOCOLS.includes(protocol) || hostname === '') {
    throw new TypeError(
      `${role}: url ${JSON.stringify(withoutPassword(url))} must begin with mqtt://, mqtts://, ws:// or wss:// and name a host, ${example}.`,
    );
  }
  if (protocolVersion !== undefined && protocolVersion !== 4 && protocolVersion !== 5) {
    throw new TypeError(`${role}: protocolVersion must be 4 (MQTT 3.1.1) or 5, not ${protocolVersion}.`);
  }
  const { ca, cert, key } = options;
  if ((cert === undefined) !== (key === undefined)) {
    throw new TypeError(`${role}: cert and key belong together, but only ${cert ? 'cert' : 'key'} is given.`);
  }
  const isSecure = ['mqtts:', 'ssl:', 'wss:'].includes(protocol);
  if (!isSecure && (ca ?? cert) !== undefined) {
    throw new TypeError(
      `${role}: ca, cert and key go with mqtts:// and wss:// only, and url has ${protocol}//.`,
    );
  }
  const numbers = { keepaliveSeconds, connectTimeoutMs, retryMinimumMs, retryMaximumMs };
  for (const [name, value] of Object.entries(numbers)) {
    if (value !== undefined && !(Number.isFinite(value) && value > 0)) {
      throw new TypeError(`${role}: ${name} must be a number above 0, not ${value}.`);
    }
  }
}

/** A broker's address as it may stand in a log. */
export function withoutPassword(url: string): string {
  if (!URL.canParse(url)) return url;
  const parsed = new URL(url);
  if (parsed.password) parsed.password = '***';
  return parsed.href.replace(/\/$/, '');
}

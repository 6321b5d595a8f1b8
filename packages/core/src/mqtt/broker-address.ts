/** One address of a broker, taken apart. */
export interface BrokerAddress {
  /** The address as it may stand in a log: without password and query. */
  readonly url: string;
  readonly protocol: 'mqtt' | 'mqtts' | 'ws' | 'wss';
  readonly host: string;
  /** Undefined for the protocol's own: 1883, 8883, 80 or 443. */
  readonly port: number | undefined;
  /** Path and query, for WebSocket. */
  readonly path: string;
  readonly username: string | undefined;
  readonly password: string | undefined;
}

/** Where a broker is, and who we are there. */
export interface BrokerAccess {
  readonly url: string | readonly string[];
  readonly username?: string | undefined;
  readonly password?: string | undefined;
}

const PROTOCOLS: Readonly<Record<string, BrokerAddress['protocol']>> = {
  'mqtt:': 'mqtt',
  'tcp:': 'mqtt',
  'mqtts:': 'mqtts',
  'ssl:': 'mqtts',
  'ws:': 'ws',
  'wss:': 'wss',
};
const EXAMPLE = 'such as "mqtt://localhost:1883"';

/**
 * The broker's addresses in the order to try them. User name and password in an address go before those of
 * the options. (MQTT.js would cut a password at a colon and take the name of our session from a query.)
 * @throws {TypeError} for an address that cannot be meant; the message shows no password.
 */
export function brokerAddresses(options: BrokerAccess, role: string): readonly BrokerAddress[] {
  const urls: readonly unknown[] = Array.isArray(options.url) ? options.url : [options.url];
  if (urls.length === 0)
    throw new TypeError(`${role}: url must name at least one broker's address, ${EXAMPLE}.`);
  return urls.map((url) => brokerAddress(url, options, role));
}

function brokerAddress(text: unknown, options: BrokerAccess, role: string): BrokerAddress {
  if (typeof text !== 'string') throw new TypeError(`${role}: url must be a broker's address, ${EXAMPLE}.`);
  const shown = JSON.stringify(withoutPassword(text));
  const url = URL.canParse(text) ? new URL(text) : undefined;
  if (url?.hash !== '' || `${url.pathname}${url.search}`.includes('@')) {
    const cure = text.includes('@')
      ? '; "#", "/", "?" and "@" in a password are written %23, %2F, %3F, %40'
      : '';
    throw new TypeError(`${role}: url ${shown} is not a broker's address, ${EXAMPLE}${cure}.`);
  }
  const protocol = PROTOCOLS[url.protocol];
  if (!protocol || url.hostname === '') {
    throw new TypeError(
      `${role}: url ${shown} must begin with mqtt://, mqtts://, ws:// or wss:// and name a host, ${EXAMPLE}.`,
    );
  }
  const hasCredentials = url.username !== '' || url.password !== '';
  const username = hasCredentials ? decoded(url.username, shown, role) : options.username;
  const password = hasCredentials ? decoded(url.password, shown, role) : options.password;
  if (password !== undefined && username === undefined) {
    throw new TypeError(`${role}: a password needs a user name; set username beside it.`);
  }
  return {
    url: withoutPassword(text),
    protocol,
    // Sockets want the address of IPv6 without brackets, WebSocket with them.
    host: protocol.startsWith('ws') ? url.hostname : url.hostname.replace(/^\[(.*)\]$/, '$1'),
    port: url.port === '' ? undefined : Number(url.port),
    path: `${url.pathname || '/'}${url.search}`,
    username,
    password,
  };
}

function decoded(text: string, shown: string, role: string): string | undefined {
  try {
    return text === '' ? undefined : decodeURIComponent(text);
  } catch {
    throw new TypeError(`${role}: url ${shown} has a "%" in user name or password; it is written %25.`);
  }
}

/** A broker's address as it may stand in a log, also one that cannot be meant. */
export function withoutPassword(url: string): string {
  const [scheme = ''] = /^\w+:\/\//.exec(url) ?? [];
  const end = url.lastIndexOf('@');
  const [user, ...password] = url.slice(scheme.length, Math.max(end, scheme.length)).split(':');
  const shown = password.length > 0 ? `${scheme}${user}:***${url.slice(end)}` : url;
  return shown.replace(/\?.*/s, '?***').replace(/\/$/, '');
}

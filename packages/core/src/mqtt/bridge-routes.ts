import { assertTopicFilter, overlap, withoutShare } from './topic';
import type { TopicRoute } from './topic-map';

/** How the messages of a route travel. */
export interface RouteManner {
  /** 1: at least once. 0: at most once; what comes while the other side is away is dropped. @default 1 */
  readonly qos?: 0 | 1 | undefined;
  /** Whether retained messages stay retained on the other side (with MQTT 5), or none are. @default 'keep' */
  readonly retain?: 'keep' | 'clear' | undefined;
  /** Seconds after which a message is of no use, here and beyond; if it does not say a shorter time itself. */
  readonly expirySeconds?: number | undefined;
  /** Of what waits, a higher one goes first; a whole number. @default 0 */
  readonly priority?: number | undefined;
}

interface RouteDirection extends RouteManner {
  /**
   * `out`: what is published on `from` at the first broker goes to `to` at the second. `in`: what is
   * published on `to` at the second goes to `from` at the first. `both`: each way, and nothing goes round in
   * circles. @default 'out'
   */
  readonly direction?: 'out' | 'in' | 'both' | undefined;
}

/**
 * A route as Mosquitto writes it: the same pattern on both sides, behind a prefix on each.
 *
 * @example
 * // topic faces/# out 1 edge/ cloud/
 * { pattern: 'faces/#', localPrefix: 'edge/', remotePrefix: 'cloud/' }
 */
export interface PatternRoute extends RouteDirection {
  /** A topic or filter, or '' where the prefixes are all. */
  readonly pattern: string;
  /** Before it at the first broker. @default '' */
  readonly localPrefix?: string | undefined;
  /** Before it at the second broker. @default '' */
  readonly remotePrefix?: string | undefined;
}

/**
 * A route of a Bridge: two topics or filters, or one pattern with prefixes.
 *
 * @example
 * { from: 'hw3facestx2', to: 'hw3faces' }
 * { from: 'site/+/alarms', to: 'cloud/+/alarms', priority: 10, expirySeconds: 3_600 }
 * { from: 'commands', to: 'device-1/commands', direction: 'in' }
 */
export type BridgeRoute = (TopicRoute & RouteDirection) | PatternRoute;

/** A route in one direction. */
export type LaneRoute = TopicRoute & RouteManner;

/** The routes of one direction each, as seen by who forwards there. */
export interface DirectedRoutes {
  readonly out: readonly LaneRoute[];
  readonly in: readonly LaneRoute[];
  /** The way back of the receipts for what goes in and out. */
  readonly receipts: { readonly out: readonly LaneRoute[]; readonly in: readonly LaneRoute[] };
  /** Whether what went one way could be taken back the other way, again and again. */
  readonly canLoop: boolean;
}

type NamedRoute = LaneRoute & RouteDirection & { readonly to: string };

const DIRECTIONS = ['out', 'in', 'both'];

/** Sorts routes by direction. @throws {TypeError} for one that cannot be meant. */
export function directedRoutes(
  routes: readonly BridgeRoute[],
  receipts: boolean,
  where: string,
): DirectedRoutes {
  if (!Array.isArray(routes) || routes.length === 0) {
    throw new TypeError(`${where}: topics must list at least one route such as { from: 'a', to: 'b' }.`);
  }
  const named = routes.map((route) => toNamed(route, where));
  for (const route of named) assertRoute(route, where);
  const withReceipts = named.filter(({ qos }) => receipts && qos !== 0);
  const endless = withReceipts.find(({ from, to }) => from.endsWith('#') || to.endsWith('#'));
  if (endless) {
    throw new TypeError(
      `${where}: receipts come back at {topic}/receipts/…, so a route that has them cannot end in #: ${JSON.stringify(endless.from)}. Name the levels with +, or switch receipts off.`,
    );
  }
  const going = named.filter(goesOut);
  const coming = named.filter(comesIn).map(turned);
  return {
    out: going,
    in: coming,
    canLoop: leads(going, coming) && leads(coming, going),
    // Receipts for what goes out come in.
    receipts: {
      out: withReceipts.filter(comesIn).map(turned).map(receiptsOf),
      in: withReceipts.filter(goesOut).map(receiptsOf),
    },
  };
}

function toNamed(route: BridgeRoute, where: string): NamedRoute {
  if (!('pattern' in route)) return { ...route, to: route.to ?? withoutShare(route.from ?? '') };
  const { pattern, localPrefix = '', remotePrefix = '', ...rest } = route;
  if ('from' in rest || 'to' in rest) {
    throw new TypeError(
      `${where}: a route has from and to, or pattern and its prefixes, not both: ${JSON.stringify(route)}.`,
    );
  }
  if (pattern.startsWith('$share/') || /[+#]/.test(localPrefix + remotePrefix)) {
    throw new TypeError(
      `${where}: prefixes have no wildcards, and a pattern is not shared: ${JSON.stringify(route)}. Write the route with from and to.`,
    );
  }
  return { ...rest, from: `${localPrefix}${pattern}`, to: `${remotePrefix}${pattern}` };
}

function assertRoute(route: NamedRoute, where: string): void {
  const { from, to, direction = 'out', qos = 1, retain = 'keep', expirySeconds = 1, priority = 0 } = route;
  assertTopicFilter(from, where);
  assertTopicFilter(to, where);
  if (!DIRECTIONS.includes(direction)) {
    throw new TypeError(`${where}: direction must be ${DIRECTIONS.join(', ')}, not ${direction}.`);
  }
  if (qos !== 0 && qos !== 1) {
    throw new TypeError(
      `${where}: qos must be 0 or 1, not ${qos}: with ids, a message that comes twice is stored once, which QoS 2 does not give from end to end.`,
    );
  }
  if (retain !== 'keep' && retain !== 'clear') {
    throw new TypeError(`${where}: retain must be keep or clear, not ${retain}.`);
  }
  // Four bytes on the wire (MQTT 5 section 3.3.2.3.3).
  if (!(Number.isInteger(expirySeconds) && expirySeconds > 0 && expirySeconds < 2 ** 32)) {
    throw new TypeError(
      `${where}: expirySeconds must be a whole number from 1 to 4,294,967,295, not ${expirySeconds}.`,
    );
  }
  if (!Number.isInteger(priority)) {
    throw new TypeError(`${where}: priority must be a whole number, not ${priority}.`);
  }
}

function goesOut({ direction = 'out' }: NamedRoute): boolean {
  return direction !== 'in';
}

function comesIn({ direction = 'out' }: NamedRoute): boolean {
  return direction !== 'out';
}

function turned(route: NamedRoute): NamedRoute {
  return { ...route, from: route.to, to: withoutShare(route.from) };
}

function receiptsOf({ from, to }: NamedRoute): LaneRoute {
  return { from: `${to}/receipts/+`, to: `${withoutShare(from)}/receipts/+` };
}

/** Whether these routes bring something that those take. */
function leads(these: readonly NamedRoute[], those: readonly NamedRoute[]): boolean {
  return these.some(({ to }) => those.some(({ from }) => overlap(to, from)));
}

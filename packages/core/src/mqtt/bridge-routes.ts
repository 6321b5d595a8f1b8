import { assertTopicFilter, withoutShare } from './topic';
import type { TopicRoute } from './topic-map';

/** A route of a Bridge: from the broker it takes from, the other way, or both. */
export interface BridgeRoute extends TopicRoute {
  /**
   * `out`: what is published on `from` at the first broker goes to `to` at the second. `in`: what is
   * published on `to` at the second goes to `from` at the first. `both`: each way, and nothing goes round in
   * circles. @default 'out'
   */
  readonly direction?: 'out' | 'in' | 'both' | undefined;
}

/** The routes of one direction each, as seen by who forwards there. */
export interface DirectedRoutes {
  readonly out: readonly TopicRoute[];
  readonly in: readonly TopicRoute[];
  /** The way back of the receipts for what goes out and in. */
  readonly receipts: { readonly out: readonly TopicRoute[]; readonly in: readonly TopicRoute[] };
}

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
  for (const { from, to = from, direction = 'out' } of routes) {
    if (!DIRECTIONS.includes(direction)) {
      throw new TypeError(`${where}: direction must be ${DIRECTIONS.join(', ')}, not ${direction}.`);
    }
    assertTopicFilter(from, where);
    if (receipts && (from.endsWith('#') || to.endsWith('#'))) {
      throw new TypeError(
        `${where}: receipts come back at {topic}/receipts/…, so a route that has them cannot end in #: ${JSON.stringify(from)}. Name the levels with +, or switch receipts off.`,
      );
    }
  }
  const going = routes.filter(({ direction = 'out' }) => direction !== 'in').map(forward);
  const coming = routes.filter(({ direction = 'out' }) => direction !== 'out').map(backward);
  return {
    out: going,
    in: coming,
    // Receipts for what goes out come in.
    receipts: receipts ? { out: coming.map(receiptsOf), in: going.map(receiptsOf) } : { out: [], in: [] },
  };
}

function forward({ from, to }: BridgeRoute): TopicRoute {
  return { from, to: to ?? withoutShare(from) };
}

function backward({ from, to }: BridgeRoute): TopicRoute {
  return { from: to ?? withoutShare(from), to: withoutShare(from) };
}

function receiptsOf({ from, to }: TopicRoute): TopicRoute {
  return { from: `${to}/receipts/+`, to: `${withoutShare(from)}/receipts/+` };
}

import { assertTopicFilter, assertTopicName, withoutShare } from './topic';

/** Where messages of one filter go. */
export interface TopicRoute {
  /** A topic, or a filter with `+` and `#`. */
  readonly from: string;
  /**
   * The topic on the other side. Its wildcards, if any, are those of `from` in the same order and stand
   * for what they matched: `{ from: 'site/+/faces', to: 'cloud/+/faces' }`. @default the same topic
   */
  readonly to?: string | undefined;
}

interface Levels<Route> {
  readonly route: Route;
  readonly from: readonly string[];
  readonly to: readonly string[];
}

/** Where a topic goes, and the route by which. */
export interface Mapped<Route extends TopicRoute> {
  readonly topic: string;
  readonly route: Route;
}

/** Renames topics on their way through a bridge; the first route that fits counts. */
export class TopicMap<Route extends TopicRoute = TopicRoute> {
  /** What to subscribe to. */
  readonly filters: readonly string[];
  readonly #routes: readonly Levels<Route>[];
  #last: { readonly from: string; readonly mapped: Mapped<Route> | undefined } | undefined;

  constructor(routes: readonly Route[], where: string) {
    if (!Array.isArray(routes) || routes.length === 0) {
      throw new TypeError(`${where}: topics must list at least one route such as { from: 'a', to: 'b' }.`);
    }
    this.#routes = routes.map((route) => toLevels(route, where));
    const filters = [...new Set(routes.map(({ from }) => from))];
    // Mosquitto delivers once for each filter that fits: one that another covers would bring everything twice.
    this.filters = filters.filter(
      (filter) => !filters.some((other) => other !== filter && covers(other, filter)),
    );
  }

  /** The topic on the other side, or undefined where no route fits. */
  map(topic: string): Mapped<Route> | undefined {
    // Most messages come on the topic of the one before.
    if (topic !== this.#last?.from) this.#last = { from: topic, mapped: this.#find(topic) };
    return this.#last.mapped;
  }

  #find(topic: string): Mapped<Route> | undefined {
    const levels = topic.split('/');
    for (const { from, to, route } of this.#routes) {
      const matched = match(from, levels);
      if (!matched) continue;
      const mapped = fill(to, matched);
      return mapped === '' ? undefined : { topic: mapped, route };
    }
    return undefined;
  }
}

function toLevels<Route extends TopicRoute>(route: Route, where: string): Levels<Route> {
  const { from, to = withoutShare(from) } = route;
  assertTopicFilter(from, where);
  if (wildcardsOf(to) === '') assertTopicName(to, where);
  else assertTopicFilter(to, where);
  if (wildcardsOf(to) !== '' && wildcardsOf(to) !== wildcardsOf(from)) {
    throw new TypeError(
      `${where}: the wildcards of to ${JSON.stringify(to)} must be those of from ${JSON.stringify(from)}, in the same order.`,
    );
  }
  return { route, from: withoutShare(from).split('/'), to: to.split('/') };
}

/** What each wildcard matched, in order; undefined where the filter does not fit (MQTT 5 section 4.7). */
function match(filter: readonly string[], topic: readonly string[]): string[][] | undefined {
  const startsWithWildcard = filter[0] === '+' || filter[0] === '#';
  if (startsWithWildcard && topic[0]?.startsWith('$')) return undefined;
  const matched: string[][] = [];
  for (const [index, level] of filter.entries()) {
    if (level === '#') return [...matched, topic.slice(index)];
    if (index >= topic.length) return undefined;
    if (level === '+') matched.push([topic[index]!]);
    else if (level !== topic[index]) return undefined;
  }
  return filter.length === topic.length ? matched : undefined;
}

function fill(levels: readonly string[], matched: readonly string[][]): string {
  let next = 0;
  return levels.flatMap((level) => (level === '+' || level === '#' ? matched[next++]! : [level])).join('/');
}

/** Whether everything that `narrow` matches, `wide` matches too. Shares are left alone. */
function covers(wide: string, narrow: string): boolean {
  if (wide.startsWith('$') || narrow.startsWith('$')) return false;
  const [from, to] = [wide.split('/'), narrow.split('/')];
  for (const [index, level] of from.entries()) {
    if (level === '#') return true;
    const other = to[index];
    if (other === undefined || other === '#' || (level !== '+' && level !== other)) return false;
  }
  return from.length === to.length;
}

function wildcardsOf(filter: string): string {
  return filter.replaceAll(/[^+#]/g, '');
}

import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type BridgeRoute, directedRoutes } from './bridge-routes';
import { overlap } from './topic';
import { TopicMap } from './topic-map';

const level = fc.stringMatching(/^[a-z0-9_]{1,5}$/);
const topic = fc.array(level, { minLength: 1, maxLength: 4 });
const prefix = fc.array(level, { maxLength: 2 }).map((levels) => levels.map((text) => `${text}/`).join(''));

describe('routes of a bridge', () => {
  it('written as Mosquitto writes them, give what its bridge would do', () => {
    const routes: BridgeRoute[] = [
      { pattern: 'faces/#', localPrefix: 'edge/', remotePrefix: 'cloud/one/' },
      { pattern: '', localPrefix: 'here', remotePrefix: 'there', direction: 'in' },
      { pattern: 'status', direction: 'both' },
    ];
    const { out, in: incoming } = directedRoutes(routes, false, 'test');
    expect(new TopicMap(out, 'test').map('edge/faces/a/b')?.topic).toBe('cloud/one/faces/a/b');
    expect(new TopicMap(incoming, 'test').map('there')?.topic).toBe('here');
    for (const way of [out, incoming]) expect(new TopicMap(way, 'test').map('status')?.topic).toBe('status');
    expect(new TopicMap(out, 'test').map('here')).toBeUndefined();
  });

  it('bring every topic back to where it came from', () => {
    fc.assert(
      fc.property(
        topic,
        prefix,
        prefix,
        fc.array(fc.boolean(), { minLength: 4, maxLength: 4 }),
        fc.boolean(),
        (levels, localPrefix, remotePrefix, wild, isOpen) => {
          const named = levels.map((text, index) => (wild[index] ? '+' : text));
          const pattern = [...named.slice(0, isOpen ? -1 : undefined), ...(isOpen ? ['#'] : [])].join('/');
          const routes = directedRoutes(
            [{ pattern, localPrefix, remotePrefix, direction: 'both' }],
            false,
            'test',
          );
          const local = `${localPrefix}${levels.join('/')}`;
          const there = new TopicMap(routes.out, 'test').map(local)?.topic;
          expect(there).toBe(`${remotePrefix}${levels.join('/')}`);
          expect(new TopicMap(routes.in, 'test').map(there!)?.topic).toBe(local);
        },
      ),
    );
  });

  it('bring receipts back to the topic of their message, level by level', () => {
    const routes = directedRoutes(
      [
        { from: '$share/two/site/+/faces', to: 'cloud/+/faces' },
        { from: 'lossy', qos: 0 },
        { from: 'commands', direction: 'in' },
      ],
      true,
      'test',
    );
    const incoming = new TopicMap(routes.receipts.in, 'test');
    expect(incoming.filters).toEqual(['cloud/+/faces/receipts/+']);
    expect(incoming.map('cloud/door/faces/receipts/jetson')?.topic).toBe('site/door/faces/receipts/jetson');
    expect(routes.receipts.out).toEqual([{ from: 'commands/receipts/+', to: 'commands/receipts/+' }]);
  });

  it.each([
    [{ from: 'a', direction: 'up' }, /direction must be out, in, both, not up/],
    [{ from: 'a', qos: 2 }, /qos must be 0 or 1, not 2: with ids/],
    [{ from: 'a', retain: true }, /retain must be keep or clear, not true/],
    [{ from: 'a', expirySeconds: 0.5 }, /expirySeconds must be .* 0.5/],
    [{ from: 'a', priority: 1.5 }, /priority must be .* 1.5/],
    [{ from: 'a/#' }, /cannot end in #: "a\/#"/],
    [{ from: '' }, /topic filter must be a text/],
    [{ pattern: 'a#' }, /topic filter "a#" is wrong/],
    [{}, /topic filter must be a text/],
    [{ from: 'a', expirySeconds: 2 ** 32 }, /expirySeconds must be .* 4294967296/],
    [{ from: 'a', pattern: 'b' }, /from and to, or pattern and its prefixes, not both/],
    [{ pattern: 'a', localPrefix: '+/' }, /prefixes have no wildcards/],
    [{ pattern: '$share/g/a' }, /a pattern is not shared/],
    [{ pattern: '', localPrefix: 'a' }, /must be a text that is not empty/],
  ])('are refused: %j', (route, text) => {
    expect(() => directedRoutes([route as BridgeRoute], true, 'test')).toThrow(text);
  });

  it.each<[boolean, BridgeRoute[]]>([
    [false, [{ from: 'a/#' }]],
    [false, [{ from: 'faces' }, { from: 'commands', direction: 'in' }]],
    [
      false,
      [
        { from: 'a', to: 'b' },
        { from: 'c', to: 'b', direction: 'in' },
      ],
    ],
    [
      false,
      [
        { from: 'a', to: 'b' },
        { from: 'a', to: 'c', direction: 'in' },
      ],
    ],
    [true, [{ from: 'a', direction: 'both' }]],
    [true, [{ from: 'a/#' }, { from: 'a/b', direction: 'in' }]],
    [
      true,
      [
        { from: '$share/g/a', to: 'b' },
        { from: 'a', to: 'b', direction: 'in' },
      ],
    ],
    [
      true,
      [
        { from: 'a', to: 'b' },
        { from: 'c', to: 'b', direction: 'in' },
        { from: 'c', to: 'd' },
        { from: 'a', to: 'd', direction: 'in' },
      ],
    ],
  ])('can loop: %s for %j', (canLoop, routes) => {
    expect(directedRoutes(routes, false, 'test').canLoop).toBe(canLoop);
  });

  it('overlap whenever one topic fits both', () => {
    // The same topic twice, with some levels and perhaps the rest replaced by wildcards.
    const filterOf = (levels: readonly string[], wild: readonly boolean[], end: number) =>
      [
        ...levels.map((text, index) => (wild[index] ? '+' : text)).slice(0, end),
        ...(end < levels.length ? ['#'] : []),
      ].join('/');
    const wildcards = fc.tuple(
      fc.array(fc.boolean(), { minLength: 4, maxLength: 4 }),
      fc.integer({ min: 0, max: 4 }),
    );
    fc.assert(
      fc.property(topic, wildcards, wildcards, (levels, one, other) => {
        expect(overlap(filterOf(levels, ...one), filterOf(levels, ...other))).toBe(true);
      }),
    );
    expect(overlap('a/#', 'a')).toBe(true);
    expect(overlap('a/+', 'a')).toBe(false);
    expect(overlap('+/b', 'a/c')).toBe(false);
  });
});

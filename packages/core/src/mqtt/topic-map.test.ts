import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { TopicMap } from './topic-map';

const map = (from: string, to: string | undefined, topic: string) =>
  new TopicMap([{ from, to }], 'test').map(topic)?.topic;

describe('TopicMap', () => {
  it('renames one topic and leaves others alone', () => {
    expect(map('hw3facestx2', 'hw3faces', 'hw3facestx2')).toBe('hw3faces');
    expect(map('hw3facestx2', 'hw3faces', 'hw3facestx2/more')).toBeUndefined();
  });

  it('keeps the topic where no other is named', () => {
    expect(map('a/+/c', undefined, 'a/b/c')).toBe('a/b/c');
  });

  it('puts what each wildcard matched in the place of the same wildcard', () => {
    expect(map('site/+/camera/+', 'cloud/+/from/+', 'site/7/camera/door')).toBe('cloud/7/from/door');
    expect(map('edge/#', 'cloud/#', 'edge/a/b')).toBe('cloud/a/b');
    expect(map('edge/#', 'cloud/#', 'edge')).toBe('cloud');
    expect(map('#', 'cloud/#', 'a/b')).toBe('cloud/a/b');
    expect(map('+/x/#', 'y/+/#', 'q/x/1/2')).toBe('y/q/1/2');
  });

  it('lets many topics come together in one', () => {
    expect(map('edge/+/faces', 'faces', 'edge/7/faces')).toBe('faces');
  });

  it('does not match the topics of the broker itself with a wildcard at the start', () => {
    expect(map('#', undefined, '$SYS/uptime')).toBeUndefined();
    expect(map('+/uptime', undefined, '$SYS/uptime')).toBeUndefined();
    expect(map('$SYS/#', undefined, '$SYS/uptime')).toBe('$SYS/uptime');
  });

  it('matches the topic behind a shared subscription', () => {
    expect(map('$share/group/edge/+', 'cloud/+', 'edge/a')).toBe('cloud/a');
    expect(map('$share/group/edge/+', undefined, 'edge/a')).toBe('edge/a');
  });

  it('takes the first route that fits', () => {
    const routes = [
      { from: 'a/b', to: 'first' },
      { from: 'a/#', to: 'second' },
    ];
    const topics = new TopicMap(routes, 'test');
    expect(topics.map('a/b')?.topic).toBe('first');
    expect(topics.map('a/c')?.topic).toBe('second');
    // Subscribed to both, Mosquitto would deliver a/b twice.
    expect(topics.filters).toEqual(['a/#']);
  });

  it.each([
    [['a/b', 'a/+'], ['a/+']],
    [
      ['a/+', 'a/b/#'],
      ['a/+', 'a/b/#'],
    ],
    [
      ['+/b', 'a/+'],
      ['+/b', 'a/+'],
    ],
    [
      ['#', '$SYS/#', 'a'],
      ['#', '$SYS/#'],
    ],
    [['a/#', 'a'], ['a/#']],
  ])('subscribes for %j to %j', (from, filters) => {
    expect(
      new TopicMap(
        from.map((filter) => ({ from: filter })),
        'test',
      ).filters,
    ).toEqual(filters);
  });

  it.each([
    [[{ from: 'a/+', to: 'b/#' }], /wildcards/],
    [[{ from: 'a', to: 'b/+' }], /wildcards/],
    [[{ from: 'a/#/b' }], /filter/],
    [[{ from: 'a+' }], /filter/],
    [[{ from: '' }], /filter/],
    [[{ from: 'a', to: '' }], /topic/],
    [[], /at least one/],
  ])('refuses %j', (routes, message) => {
    expect(() => new TopicMap(routes, 'test')).toThrow(message);
  });

  it('is the identity for every topic under "#", and its own inverse under a prefix', () => {
    const level = fc
      .string({ unit: 'grapheme', maxLength: 8 })
      .map((text) => text.replaceAll(/[+#/$\p{C}]/gu, '_'));
    fc.assert(
      fc.property(fc.array(level, { minLength: 1, maxLength: 6 }), (levels) => {
        const topic = levels.join('/');
        fc.pre(topic !== '');
        expect(map('#', '#', topic)).toBe(topic);
        const there = map('#', 'prefix/#', topic);
        expect(there).toBe(`prefix/${topic}`);
        expect(map('prefix/#', '#', there!)).toBe(topic);
      }),
    );
  });
});

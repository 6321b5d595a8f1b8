import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { assertKey } from './key';
import { DEFAULT_KEY_TEMPLATE, type KeyFields, KeyTemplate } from './key-template';
import { conflictKey, keyFields, OWN_FOLDERS, rejectedKey, withExtension } from './object-key';
import type { Provenance } from './provenance';

const taken = Date.UTC(2026, 0, 2, 3, 4, 5, 678);
const received = Date.UTC(2026, 11, 31, 23, 59, 58, 7);
const provenance = (parts: Partial<Provenance> = {}): Provenance => ({
  id: 'a-1',
  camera: 'front-door',
  capturedAt: taken,
  isDatedByArrival: false,
  attributes: { subject: 'visit-7', sequence: '12' },
  ...parts,
});
const keyOf = (template: string, parts?: Partial<Provenance>) =>
  new KeyTemplate(template, OWN_FOLDERS).keyOf(keyFields(provenance(parts), received, 'png'));

/** Templates that are right, and such as a person could write. */
const templates = [
  DEFAULT_KEY_TEMPLATE,
  '{id}.{ext}',
  '{captured:%Y/%m/%d}/{camera}/{captured:%H%M%S.%L}_{id}.{ext}',
  'a@b/{track}/c-{sequence}/{received}/x{id}-{captured:%j}.{ext}',
  'c{camera}/{received:%F}/{id}.{ext}',
];

/** Texts as they come from afar: anything, and what comes near to one another. */
const text = fc.oneof(
  fc.string({ unit: 'binary', maxLength: 300 }),
  fc.string({ unit: fc.constantFrom('.', '/', 'a', '%', '-', '_', '!', '\0', '\ud800', 'é') }),
  fc.constantFrom('..', 'rejected', 'conflicts', 'onflicts', '../../etc/passwd', 'x'.repeat(4096)),
);
const fields: fc.Arbitrary<KeyFields> = fc.record({
  id: text,
  camera: text,
  track: text,
  sequence: text,
  capturedAt: fc.integer({ min: Date.parse('0000-01-01T00:00:00Z'), max: Date.UTC(9999, 11, 31) }),
  receivedAt: fc.integer({ min: 0, max: Date.UTC(2100, 0) }),
  extension: fc.constantFrom('png', 'jpg', 'webp', 'bin'),
});

describe('the key of an object', () => {
  it('is made of camera, day and hour in UTC, and id', () => {
    expect(keyOf(DEFAULT_KEY_TEMPLATE)).toBe('front-door/dt=2026-01-02/hour=03/a-1.png');
    expect(rejectedKey(provenance())).toBe('rejected/dt=2026-01-02/hour=03/a-1.bin');
  });

  it('has what its template says, times in UTC as strftime writes them', () => {
    expect(keyOf('x/{track}/{sequence}/{camera}/{id}.{ext}')).toBe('x/visit-7/12/front-door/a-1.png');
    expect(keyOf('{captured:%Y/%m/%d/%j/%H.%M.%S.%L}/{id}.{ext}')).toBe(
      '2026/01/02/002/03.04.05.678/a-1.png',
    );
    expect(keyOf('{captured}_{id}.{ext}')).toBe('20260102T030405.678Z_a-1.png');
    expect(keyOf('{received:%F}/{received:%j}-{id}.{ext}')).toBe('2026-12-31/365-a-1.png');
    expect(keyOf('{track}/{sequence}/{id}.{ext}', { attributes: {} })).toBe('none/none/a-1.png');
    expect(keyOf('{captured:%Y/%j}/{id}.{ext}', { capturedAt: Date.parse('0004-12-31T00:00:00Z') })).toBe(
      '0004/366/a-1.png',
    );
  });

  it.each([
    ['../../etc/passwd', '%2E.%2F..%2Fetc%2Fpasswd'],
    ['.incoming', '%2Eincoming'],
    ['..', '%2E.'],
    ['rejected', '%72ejected'],
    ['conflicts', '%63onflicts'],
    ['Küche 1', 'K%C3%BCche%201'],
    ['100%', '100%25'],
    ['', 'unknown'],
  ])('keeps the camera %j to its own folder', (camera, folder) => {
    expect(keyOf(DEFAULT_KEY_TEMPLATE, { camera }).split('/')[0]).toBe(folder);
  });

  it.each(templates)(
    'of %s is a valid one in its own place, whatever a message says of itself',
    (template) => {
      const keys = new KeyTemplate(template, OWN_FOLDERS);
      fc.assert(
        fc.property(fields, (each) => {
          const key = keys.keyOf(each);
          expect(key.split('/')).toHaveLength(
            keys.keyOf({ ...each, id: 'a', camera: 'b' }).split('/').length,
          );
          expect(OWN_FOLDERS).not.toContain(key.split('/')[0]);
          for (const one of [key, conflictKey(key, 'f'.repeat(64))]) {
            expect(assertKey(one)).toMatch(/^[A-Za-z0-9._%=@+!/-]+$/);
            expect(one.length).toBeLessThanOrEqual(540);
            expect(one).not.toMatch(/(^|\/)\./);
          }
        }),
      );
    },
  );

  it.each(templates)('of %s is another one for another id, whatever else differs', (template) => {
    const keys = new KeyTemplate(template, OWN_FOLDERS);
    fc.assert(
      fc.property(fields, fields, (one, two) => {
        fc.pre(one.id !== two.id);
        expect(keys.keyOf(one)).not.toBe(keys.keyOf(two));
        const long = 'x'.repeat(500);
        const [first, second] = [one, two].map((each) => keys.keyOf({ ...one, id: long + each.id }));
        expect(first).not.toBe(second);
      }),
    );
  });

  it('of a long id is not that of a short one which looks like it', () => {
    const long = keyOf('{id}.{ext}', { id: 'x'.repeat(500) });
    expect(long).toHaveLength(204);
    expect(keyOf('{id}.{ext}', { id: long.replace('.png', '') })).not.toBe(long);
  });

  it.each([
    ['{camera}/{captured}.{ext}', /two pictures could get one key: \{id\} must be in its last part/],
    ['{id}/{sequence}.{ext}', /\{id\} must be in its last part/],
    ['{id}{id}.{ext}', /\{id\} must be in its last part, once/],
    ['{id}/{id}.{ext}', /once/],
    ['{camera}{id}.{ext}', /beside \{id\} only times and plain text/],
    ['{track}_{id}.{ext}', /beside \{id\} only times and plain text/],
    ['{id}', /must end with \.\{ext\}/],
    ['{id}.png', /must end with \.\{ext\}/],
    ['{id}{ext}', /must end with \.\{ext\}/],
    ['{ext}/{id}.{ext}', /must end with \.\{ext\}, and have \{ext\} nowhere else/],
    ['/{id}.{ext}', /a part is empty/],
    ['a//{id}.{ext}', /a part is empty/],
    ['../{id}.{ext}', /begins with a dot/],
    ['.incoming/{id}.{ext}', /begins with a dot/],
    ['a/..{camera}/{id}.{ext}', /begins with a dot/],
    ['{captured:.%Y}/{id}.{ext}', /begins with a dot/],
    [
      'rejected/{id}.{ext}',
      /its first part must not be arrivals, conflicts, gaps, manifest, probes, rejected/,
    ],
    ['{name}/{id}.{ext}', /there is no field \{name\}/],
    ['{toString}/{id}.{ext}', /there is no field \{toString\}/],
    ['{camera:%Y}/{id}.{ext}', /there is no field \{camera:%Y\}/],
    ['{captured:%B}/{id}.{ext}', /there is no %B in a time/],
    ['{captured:%}/{id}.{ext}', /there is no % in a time/],
    ['{captured:%H:%M}/{id}.{ext}', /":" cannot stand in a time/],
    ['{camera/{id}.{ext}', /there is no field \{camera\/\{id\}/],
    ['{id}.{ext', /a \{ has no \}/],
    ['a b/{id}.{ext}', /"a b\/" is not of letters/],
    ['%2e/{id}.{ext}', /is not of letters/],
    ['{camera}/{track}/{camera}/{track}/{id}.{ext}', /could be longer than 512 bytes/],
    [`${'x'.repeat(60)}{id}.{ext}`, /a part is longer than 255 bytes/],
    ['', /\{id\} must be in its last part/],
    [7, /it is not a text/],
  ])('is not made by %j', (template, message) => {
    const make = () => new KeyTemplate(template as string, OWN_FOLDERS);
    expect(make).toThrow(TypeError);
    expect(make).toThrow(message);
    // The reason is one sentence, which ends once.
    expect(make).toThrow(
      /[^.]\. The fields are \{id\} \{ext\} \{camera\} \{track\} \{sequence\}, and \{captured:FORMAT\} .*[^.]\.$/,
    );
  });

  it('has a neighbour for the note beside it and for what conflicts with it', () => {
    expect(withExtension('rejected/dt=x/a.b.bin', 'json')).toBe('rejected/dt=x/a.b.json');
    expect(conflictKey('cam/dt=x/a.b.png', '0123456789abcdef')).toBe(
      'conflicts/cam/dt=x/a.b-0123456789ab.png',
    );
  });
});

import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { assertKey } from './key';
import { conflictKey, objectKey, rejectedKey, withExtension } from './object-key';
import type { Provenance } from './provenance';

const taken = Date.UTC(2026, 0, 2, 3, 4, 5, 678);
const provenance = (parts: Partial<Provenance>): Provenance => ({
  id: 'a-1',
  camera: 'front-door',
  capturedAt: taken,
  attributes: {},
  ...parts,
});

describe('the key of an object', () => {
  it('is made of camera, day and hour in UTC, and id', () => {
    expect(objectKey(provenance({}), 'png')).toBe('front-door/dt=2026-01-02/hour=03/a-1.png');
    expect(rejectedKey(provenance({}))).toBe('rejected/dt=2026-01-02/hour=03/a-1.bin');
  });

  it.each([
    ['../../etc/passwd', '%2E.%2F..%2Fetc%2Fpasswd'],
    ['.incoming', '%2Eincoming'],
    ['..', '%2E.'],
    ['rejected', '%72ejected'],
    ['conflicts', '%63onflicts'],
    ['Küche 1', 'K%C3%BCche%201'],
    ['100%', '100%25'],
  ])('keeps the camera %j to its own folder', (camera, folder) => {
    expect(objectKey(provenance({ camera }), 'png').split('/')[0]).toBe(folder);
  });

  it('is a valid key of four parts, whatever a message says of itself', () => {
    const text = fc.string({ unit: 'binary', minLength: 1, maxLength: 2000 });
    fc.assert(
      fc.property(text, text, (id, camera) => {
        const key = objectKey(provenance({ id, camera }), 'png');
        expect(key.split('/')).toHaveLength(4);
        for (const each of [key, rejectedKey(provenance({ id })), conflictKey(key, 'f'.repeat(64))]) {
          expect(assertKey(each)).toMatch(/^[A-Za-z0-9._%=/-]+$/);
        }
      }),
    );
  });

  it('is another one for another id', () => {
    const id = fc.oneof(
      fc.string({ unit: 'grapheme', maxLength: 12 }),
      fc.string({ minLength: 190, maxLength: 400 }),
    );
    fc.assert(
      fc.property(id, id, (one, two) => {
        fc.pre(one !== two);
        expect(objectKey(provenance({ id: one }), 'png')).not.toBe(objectKey(provenance({ id: two }), 'png'));
      }),
    );
    const long = 'x'.repeat(500);
    expect(objectKey(provenance({ id: `${long}1` }), 'png')).not.toBe(
      objectKey(provenance({ id: `${long}2` }), 'png'),
    );
  });

  it('has a neighbour for the note beside it and for what conflicts with it', () => {
    expect(withExtension('rejected/dt=x/a.b.bin', 'json')).toBe('rejected/dt=x/a.b.json');
    expect(conflictKey('cam/dt=x/a.b.png', '0123456789abcdef')).toBe(
      'conflicts/cam/dt=x/a.b-0123456789ab.png',
    );
  });
});

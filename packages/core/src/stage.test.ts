import { expect, test } from 'vitest';
import { nameOf } from './stage';

test('a stage is called by its name, else by its class, else by its role', () => {
  class Archive {}
  expect(nameOf({ name: 'front door' }, 'stage')).toBe('front door');
  expect(nameOf(new Archive() as { name?: string }, 'stage')).toBe('Archive');
  expect(nameOf({}, 'stage')).toBe('stage');
  expect(nameOf(Object.create(null), 'source')).toBe('source');
});

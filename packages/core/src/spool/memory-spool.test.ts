import { describe, expect, it } from 'vitest';
import { spoolModel } from '../../test/spool-model';
import { spoolSuite } from '../testing/spool-suite';
import { MemorySpool } from './memory-spool';

spoolSuite({ describe, it, name: 'MemorySpool', create: (bounds) => new MemorySpool(bounds) });

describe('MemorySpool', () => {
  spoolModel('it', 200, (order) => new MemorySpool({ order }));

  it.each([
    [{ maximumMessages: 0 }],
    [{ maximumBytes: -1 }],
    [{ whenFull: 'explode' as 'block' }],
    [{ order: 'random' as 'oldest-first' }],
    [{ maximumAgeSeconds: 0 }],
  ])('refuses the options %j', (options) => {
    expect(() => new MemorySpool(options)).toThrow(TypeError);
  });
});

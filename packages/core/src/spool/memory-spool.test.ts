import { describe, expect, it } from 'vitest';
import { spoolSuite } from '../testing/spool-suite';
import { MemorySpool } from './memory-spool';

spoolSuite({ describe, it, name: 'MemorySpool', create: (bounds) => new MemorySpool(bounds) });

describe('MemorySpool', () => {
  it.each([[{ maximumMessages: 0 }], [{ maximumBytes: -1 }], [{ whenFull: 'explode' as 'block' }]])(
    'refuses the options %j',
    (options) => {
      expect(() => new MemorySpool(options)).toThrow(TypeError);
    },
  );
});

import { describe, it } from 'vitest';
import { storeSuite } from '../testing/store-suite';
import { MemoryStore } from './memory-store';

storeSuite({ describe, it, name: 'MemoryStore', create: () => new MemoryStore() });

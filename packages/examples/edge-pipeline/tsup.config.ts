import { defineConfig } from 'tsup';

export default defineConfig({
  entry: ['src/main.ts'],
  format: 'esm',
  target: 'node20',
  // zod by itself reads a hundred files at the start.
  noExternal: ['edge-relay-command-line', 'zod', 'leven'],
  banner: { js: '#!/usr/bin/env node' },
  clean: true,
});

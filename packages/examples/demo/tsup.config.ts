import { defineConfig } from 'tsup';

export default defineConfig({
  entry: ['src/main.ts'],
  format: 'esm',
  target: 'node20',
  noExternal: ['edge-relay-command-line'],
  banner: { js: '#!/usr/bin/env node' },
  clean: true,
});

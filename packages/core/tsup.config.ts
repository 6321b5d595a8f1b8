import { defineConfig } from 'tsup';

// The worker is an entry of its own: FaceDetector starts it as a thread. `splitting` and `shims`
// keep lazy imports lazy and `import.meta.url` alive in the CommonJS build.
export default defineConfig({
  entry: {
    index: 'src/index.ts',
    testing: 'src/testing/index.ts',
    'detector-worker': 'src/detectors/worker.ts',
  },
  format: ['esm', 'cjs'],
  dts: { entry: { index: 'src/index.ts', testing: 'src/testing/index.ts' } },
  target: 'node20',
  splitting: true,
  shims: true,
  clean: true,
});

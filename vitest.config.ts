import { defineConfig } from 'vitest/config';

export default defineConfig({
  test: {
    include: ['packages/**/*.test.ts', 'test/**/*.test.ts'],
    testTimeout: 60_000,
    hookTimeout: 120_000,
    // Servers, ffmpeg and WASM compete for two cores: more files at once only makes each slower.
    maxWorkers: 2,
    pool: 'forks',
    execArgv: ['--expose-gc'],
  },
});

import { defineConfig } from 'vitest/config';
import { BaseSequencer, type TestSpecification } from 'vitest/node';

/** Test files that take about a minute or more. */
const LONG = [
  'test/chaos.test.ts',
  'test/packed-apps.test.ts',
  'test/camera/camera.test.ts',
  'test/gallery.test.ts',
  'packages/core/src/sinks/file-store-mount.test.ts',
  'packages/core/src/sinks/archive-kill.test.ts',
];

/** The long ones first: at the end one worker would be alone with one of them, and the other idle. */
class LongestFirst extends BaseSequencer {
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    const placeOf = ({ moduleId }: TestSpecification) => {
      const place = LONG.findIndex((path) => moduleId.endsWith(`/${path}`));
      return place < 0 ? LONG.length : place;
    };
    return (await super.sort(files)).sort((one, other) => placeOf(one) - placeOf(other));
  }
}

export default defineConfig({
  test: {
    include: ['packages/**/*.test.ts', 'test/**/*.test.ts'],
    testTimeout: 60_000,
    hookTimeout: 120_000,
    // Servers, ffmpeg and WASM compete for two cores: more files at once only makes each slower.
    maxWorkers: 2,
    sequence: { sequencer: LongestFirst },
    pool: 'forks',
    execArgv: ['--expose-gc'],
  },
});

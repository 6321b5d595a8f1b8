// npm run test:nodes: every class of the packed library once on each Node that it promises to run on. They come from the
// registry, as the npm packages that carry Node's binaries, into node_modules/.cache.
import { join } from 'node:path';
import { provideNode } from './nodes.mjs';
import { setup } from './setup.mjs';
import { isOnPath, program, run } from './steps.mjs';

const majors = [20, 22, 24];

await setup({ quiet: true });
if (!isOnPath('mosquitto')) throw new Error('It needs a broker: apt-get install mosquitto.');
const paths = [];
for (const major of majors) paths.push((await provideNode(major)) ?? process.exit(1));
const file = join('packages', 'core', 'test', 'nodes.test.ts');
process.exitCode = await run(program('vitest'), ['run', '--reporter=verbose', file], {
  env: { EDGE_RELAY_TEST_NODES: paths.join(':') },
});

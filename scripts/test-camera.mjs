// npm run test:camera: the tests of CameraCapture on a machine with virtual webcams, alone. `npm test` has them, too.
import { join } from 'node:path';
import { setup } from './setup.mjs';
import { program, run } from './steps.mjs';
import { provideTools } from './tools.mjs';

await setup();
await provideTools();
process.exitCode = await run(program('vitest'), [
  'run',
  join('test', 'camera', 'camera.test.ts'),
  ...process.argv.slice(2),
]);

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';
import { beforeAll, expect, it } from 'vitest';
import { Consumer, packLibrary } from '../../packages/core/test/consumer';
import { packagedFfmpeg } from '../../packages/core/test/media';
import { describeWith } from '../../packages/core/test/requirements';
import { checks } from './checks';

const here = fileURLToPath(new URL('.', import.meta.url));
const edgePipeline = join(here, '..', '..', 'packages', 'examples', 'edge-pipeline', 'dist', 'main.js');
const virtualCamera = join(here, '..', '..', 'scripts', 'virtual-camera.mjs');

interface Result {
  readonly name: string;
  readonly error?: string;
}

describeWith('virtual camera', 'a V4L2 camera, with the packed library', () => {
  const results = new Map<string, Result>();
  let output: string[] = [];

  beforeAll(async () => {
    const consumer = await Consumer.create(await packLibrary(), { 'package.json': '{ "type": "module" }' });
    await build({
      entryPoints: [join(here, 'inside.ts')],
      outfile: join(consumer.folder, 'inside.js'),
      bundle: true,
      platform: 'node',
      format: 'esm',
      target: 'node20',
      external: ['edge-relay'],
    });
    output = await boot(join(consumer.folder, 'inside.js'));
    for (const line of output.filter((text) => text.startsWith('check: '))) {
      const result = JSON.parse(line.slice('check: '.length)) as Result;
      results.set(result.name, result);
    }
  }, 440_000);

  it.each(Object.keys(checks))('%s', (name) => {
    const result = results.get(name);
    expect(result, `no result; the machine said:\n${output.slice(-20).join('\n')}`).toBeDefined();
    expect(result!.error).toBeUndefined();
  });
});

/** What the machine with the webcams has written while it ran a program of ours. */
async function boot(program: string): Promise<string[]> {
  const settings = [`STATIC_FFMPEG=${packagedFfmpeg}`, `EDGE_PIPELINE=${edgePipeline}`];
  const inside = ['env', ...settings, process.execPath, program];
  const machine = spawn(process.execPath, [virtualCamera, ...inside], { stdio: ['ignore', 'pipe', 'pipe'] });
  const lines: string[] = [];
  for (const stream of [machine.stdout, machine.stderr]) {
    createInterface({ input: stream }).on('line', (line) => lines.push(line));
  }
  await once(machine, 'close');
  return lines;
}

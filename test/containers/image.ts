import { execFile } from 'node:child_process';
import { mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { type Dockerfile, readDockerfile } from './dockerfile';

export type App = 'edge-pipeline' | 'cloud-sink';

export const workspace = fileURLToPath(new URL('../..', import.meta.url));

/** What a Dockerfile makes of the repository, in a folder: `/app` of the image. */
export interface Image extends Dockerfile {
  readonly app: string;
}

export const dockerfileOf = (app: App): string => join(workspace, 'packages', 'examples', app, 'Dockerfile');

/** Runs the last step of a Dockerfile's build stage, as it stands there, in this workspace, which is set up. */
export async function buildImage(app: App): Promise<Image> {
  const dockerfile = readDockerfile(dockerfileOf(app));
  const folder = mkdtempSync(join(tmpdir(), 'edge-relay-image-'));
  const { text } = dockerfile.build.findLast(({ keyword }) => keyword === 'RUN')!;
  const command = text.replace(/ \/app$/, ` ${folder}/app`);
  await promisify(execFile)('sh', ['-c', command], { cwd: workspace, env: { ...process.env, CI: 'true' } });
  return { ...dockerfile, app: join(folder, 'app') };
}

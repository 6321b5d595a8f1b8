import { execFileSync } from 'node:child_process';
import { cpSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, it } from 'vitest';
import { parse } from 'yaml';
import { temporaryFolder } from './materials';

const root = fileURLToPath(new URL('..', import.meta.url));
const read = (path: string) => readFileSync(join(root, path), 'utf8');
const { scripts } = JSON.parse(read('package.json')) as { scripts: Record<string, string> };
const workflows = readdirSync(join(root, '.github', 'workflows'));

interface Step {
  readonly uses?: string;
  readonly run?: string;
  readonly with?: Record<string, string>;
}
interface Job {
  readonly container?: { readonly image: string; readonly options: string };
  readonly permissions?: Record<string, string>;
  readonly steps: Step[];
}
interface Workflow {
  readonly jobs: Record<string, Job>;
}
const workflow = (name: string) => parse(read(`.github/workflows/${name}`)) as Workflow;

it.each(workflows)('%s runs scripts that there are', (name) => {
  const steps = Object.values(workflow(name).jobs).flatMap((job) => job.steps);
  const commands = steps
    .flatMap((step) => [step.run, step.with?.publish])
    .filter((line) => line !== undefined);
  const named = commands.flatMap((line) =>
    [...line.matchAll(/npm run ([\w:]+)/g)].map(([, script]) => script!),
  );
  expect(named.filter((script) => !Object.hasOwn(scripts, script))).toEqual([]);
});

it.each(workflows)('%s runs all tests where none has to be left out', (name) => {
  const whole = Object.values(workflow(name).jobs).filter(({ steps }) =>
    steps.some(({ run }) => run === '.ci/run'),
  );
  // The packages are named as Debian names them, and only root may mount a disk.
  for (const { container } of whole)
    expect(container).toEqual({ image: 'node:20-bookworm', options: '--privileged' });
  expect(whole).toHaveLength(1);
});

it('a release is signed with the identity of its workflow', () => {
  expect(workflow('release.yml').jobs.release?.permissions).toMatchObject({ 'id-token': 'write' });
  expect(read('scripts/release.mjs')).toContain('--provenance');
});

it('the changelog tells of the version that is there', () => {
  const { version } = JSON.parse(read('packages/core/package.json')) as { version: string };
  expect(read('packages/core/CHANGELOG.md')).toContain(`\n## ${version}\n`);
});

it('a changeset becomes a version and a line of the changelog', async () => {
  const folder = await temporaryFolder();
  const git = (...args: string[]) => execFileSync('git', args, { cwd: folder, stdio: 'pipe' });
  const manifests = readdirSync(join(root, 'packages/examples')).map(
    (name) => `packages/examples/${name}/package.json`,
  );
  const files = [
    'package.json',
    'pnpm-workspace.yaml',
    'packages/core/package.json',
    'packages/core/CHANGELOG.md',
  ];
  for (const file of [...files, '.changeset', ...manifests]) {
    mkdirSync(dirname(join(folder, file)), { recursive: true });
    try {
      cpSync(join(root, file), join(folder, file), { recursive: true });
    } catch (error) {
      // What is no package among the examples has no manifest.
      if ((error as { code?: string }).code !== 'ENOENT') throw error;
    }
  }
  writeFileSync(
    join(folder, '.changeset', 'door.md'),
    "---\n'edge-relay': minor\n---\n\nDoors open by themselves.\n",
  );
  git('init', '--quiet', '--initial-branch=main');
  git('add', '--all');
  git('-c', 'user.name=test', '-c', 'user.email=test@example.com', 'commit', '--quiet', '--message=start');
  const program = join(root, 'node_modules', '@changesets', 'cli', 'bin.js');
  execFileSync(process.execPath, [program, 'version'], { cwd: folder, stdio: 'pipe' });
  const before = JSON.parse(read('packages/core/package.json')) as { version: string };
  const after = JSON.parse(readFileSync(join(folder, 'packages/core/package.json'), 'utf8')) as {
    version: string;
  };
  const [major, minor] = before.version.split('.').map(Number) as [number, number];
  expect(after.version).toBe(`${major}.${minor + 1}.0`);
  const changelog = readFileSync(join(folder, 'packages/core/CHANGELOG.md'), 'utf8');
  expect(changelog).toMatch(
    new RegExp(`## ${major}\\.${minor + 1}\\.0[^#]*### Minor Changes[^#]*Doors open by themselves`),
  );
});

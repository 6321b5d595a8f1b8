// npm run release: publishes the library, with a statement of where it was built, where the version is not on the registry
// yet. For CI: without the identity that a workflow has, npm refuses. `--dry-run` packs and publishes nothing.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { setup } from './setup.mjs';
import { capture, root, run } from './steps.mjs';

const core = join(root, 'packages', 'core');
const isDryRun = process.argv.includes('--dry-run');
const { name, version } = JSON.parse(readFileSync(join(core, 'package.json'), 'utf8'));

await setup();
if (!isDryRun && (await isPublished())) {
  console.log(`${name} ${version} is published already.`);
} else {
  // Provenance needs the repository's address, which is that of the workflow.
  const { GITHUB_SERVER_URL: server, GITHUB_REPOSITORY: repository } = process.env;
  if (server && repository) {
    const set = ['pkg', 'set', `repository.url=git+${server}/${repository}.git`, 'repository.type=git'];
    await run('npm', [...set, 'repository.directory=packages/core'], { cwd: core });
  }
  const how = isDryRun ? ['--dry-run'] : ['--provenance'];
  process.exitCode = await run('npm', ['publish', '--access', 'public', ...how], { cwd: core });
  // What the action of changesets looks for, to make a tag and a release of it.
  if (process.exitCode === 0 && !isDryRun) console.log(`New tag: ${name}@${version}`);
}

async function isPublished() {
  return (await capture('npm', ['view', `${name}@${version}`, 'version'])).output.trim() === version;
}

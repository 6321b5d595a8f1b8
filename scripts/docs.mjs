// npm run docs: the site, in docs/.vitepress/dist: the pages of docs/ and the API reference from the docstrings. A link that
// leads nowhere fails, and so does a page that nothing leads to.
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { setup } from './setup.mjs';
import { capture, program, root, step } from './steps.mjs';

const docs = join(root, 'docs');
const site = join(docs, '.vitepress', 'dist');
const reference = join(site, 'api');
const entries = ['index.ts', 'testing/index.ts'].map((name) => join(root, 'packages', 'core', 'src', name));

await setup({ quiet: true });
const typedoc = [
  ...entries.flatMap((entry) => ['--entryPoints', entry]),
  ...[
    '--tsconfig',
    join(root, 'packages', 'core', 'tsconfig.json'),
    '--out',
    reference,
    '--name',
    'edge-relay',
  ],
  ...['--readme', join(root, 'packages', 'core', 'README.md'), '--excludePrivate', '--excludeInternal'],
  ...['--validation.notExported', 'false', '--treatValidationWarningsAsErrors', '--disableSources'],
];
const results = [
  await step('pages', () => capture(program('vitepress'), ['build', docs])),
  await step('API reference', () => capture(program('typedoc'), typedoc)),
  await step('pages in the sidebar', async () => ({ code: missing().length, output: missing().join('\n') })),
];
process.exitCode = results.every(Boolean) ? 0 : 1;

function missing() {
  const config = readFileSync(join(docs, '.vitepress', 'config.mts'), 'utf8');
  const pages = readdirSync(docs).filter((name) => name.endsWith('.md') && name !== 'index.md');
  return [
    ...pages
      .filter((name) => !config.includes(`'/${name.slice(0, -3)}'`))
      .map((name) => `docs/${name} is not in the sidebar of docs/.vitepress/config.mts.`),
    ...(existsSync(join(reference, 'index.html')) ? [] : ['The API reference is not there.']),
  ];
}

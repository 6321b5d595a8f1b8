import { spawnSync } from 'node:child_process';
import { cpSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { freePort } from 'edge-relay/testing';
import { expect, it } from 'vitest';
import { temporaryFolder } from './materials';

const root = fileURLToPath(new URL('..', import.meta.url));

it('setting up says why it cannot install, also where npm is told to be silent', async () => {
  const folder = await temporaryFolder();
  for (const name of ['scripts', 'package.json', 'pnpm-lock.yaml', 'pnpm-workspace.yaml'])
    cpSync(join(root, name), join(folder, name), { recursive: true });
  const port = await freePort();
  const { status, stdout, stderr } = spawnSync('npm', ['run', '--silent', 'setup'], {
    cwd: folder,
    encoding: 'utf8',
    env: {
      PATH: process.env.PATH,
      HOME: folder,
      npm_config_registry: `http://127.0.0.1:${port}`,
      npm_config_fetch_retries: '0',
    },
  });
  expect(stdout).toContain('✗ install');
  expect(stderr).toContain(`127.0.0.1:${port}`);
  expect(status).toBe(1);
});

import { execFile } from 'node:child_process';
import { cpSync, mkdtempSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { expect, test } from 'vitest';

const reports = fileURLToPath(new URL('../api', import.meta.url));
const script = fileURLToPath(new URL('../../../scripts/api.mjs', import.meta.url));

/** What the check has to say about the reports in a folder; empty where they are right. */
async function check(folder: string): Promise<string> {
  try {
    return (await promisify(execFile)(process.execPath, [script, '--check', folder])).stdout;
  } catch (error) {
    return (error as { stdout: string }).stdout;
  }
}

test('the public surface is the one that is written down', async () => {
  expect(await check(reports)).toBe('');
});

test('a change to it would be seen, with what to do', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'edge-relay-api-'));
  cpSync(reports, folder, { recursive: true });
  const report = join(folder, 'edge-relay.api.md');
  writeFileSync(report, readFileSync(report, 'utf8').replace(/^export function pictureId.*$/m, ''));
  const said = await check(folder);
  expect(said).toContain('+export function pictureId');
  expect(said).toContain('npm run api');
});

test('a report is there for each entry', () => {
  expect(readdirSync(reports).sort()).toEqual(['edge-relay-testing.api.md', 'edge-relay.api.md']);
});

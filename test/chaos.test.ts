import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { expect, it } from 'vitest';
import { describeWith } from '../packages/core/test/requirements';

const script = fileURLToPath(new URL('../scripts/chaos.mjs', import.meta.url));

/** Resolves with the figures and with what there is to say about a failure: its seed, and what is missing. */
async function chaos(...args: string[]) {
  const running = promisify(execFile)(process.execPath, [script, ...args], { timeout: 300_000 });
  const { stdout, stderr } = await running.catch((error: { stdout: string; stderr: string }) => error);
  const line = stdout.trim().split('\n').at(-1) ?? '';
  return { figures: line.startsWith('{') ? JSON.parse(line) : {}, story: stdout + stderr };
}

describeWith('mosquitto', 'chaos: five processes, stock brokers, links that break', () => {
  it('loses nothing and doubles nothing, whoever is killed', { timeout: 330_000 }, async () => {
    const { figures, story } = await chaos('--kills', '60', '--settle', '120');
    expect(figures, story).toMatchObject({ chaos: 'nothing lost', lost: 0, doubled: 0, damaged: 0 });
    const kills = Object.values<number>(figures.kills).reduce((sum, count) => sum + count, 0);
    expect(kills, story).toBe(60);
    expect(figures.published, story).toBeGreaterThan(1_000);
    expect(figures.stored, story).toBeGreaterThanOrEqual(figures.published);
  });

  it('loses nothing where only what the broker has not taken is written', { timeout: 330_000 }, async () => {
    // Without receipts, which would make up for it; the brokers live, as they lose what they have acknowledged.
    const without = ['--without-receipts', '--only', 'bridge,publisher,sink'];
    const { figures, story } = await chaos('--unless-taken', ...without, '--kills', '8', '--settle', '120');
    expect(figures, story).toMatchObject({ chaos: 'nothing lost', writes: 'unless-taken', doubled: 0 });
    expect(figures.published, story).toBeGreaterThan(200);
  });
});

import { execFileSync } from 'node:child_process';
import { cpSync, mkdtempSync, readFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { workspace } from './image';

const document = readFileSync(join(workspace, 'docs', 'containers.md'), 'utf8');

/** A block of docs/containers.md by the comment before it. */
export function shownAs(mark: string): string {
  const [, text] = new RegExp(`^<!-- ${mark} -->\n\`\`\`\\w+\n(.*?)^\`\`\``, 'ms').exec(document) ?? [];
  if (text === undefined) throw new Error(`docs/containers.md has no block ${mark}`);
  return text;
}

/**
 * Takes the steps that docs/containers.md shows for both machines, in copies of their folders, and resolves with where
 * these are. Names of hosts become loopback; what would run in a container, or fetch from the other machine, runs here.
 */
export function takeSteps(): { readonly edge: string; readonly cloud: string } {
  const root = mkdtempSync(join(tmpdir(), 'edge-relay-steps-'));
  const deploy = join('packages', 'examples', 'deploy');
  const machines = { cloud: join(root, 'cloud', deploy, 'cloud'), edge: join(root, 'edge', deploy, 'edge') };
  const take = (steps: string, side: 'cloud' | 'edge') => {
    const script = shownAs(`steps ${steps}`)
      .replaceAll(/^docker run .*? (mosquitto_passwd .*?)\/secrets\/(\w+)/gm, '$1$2')
      .replaceAll(/^docker compose .*$/gm, '')
      .replaceAll(/^scp \S+?:edge-relay\/(\S+) (\S+)$/gm, `cp ${join(root, 'cloud')}/$1 $2`)
      .replaceAll('cloud.example', 'localhost');
    execFileSync('sh', ['-euc', script], { cwd: join(root, side), stdio: 'pipe' });
  };
  for (const side of ['cloud', 'edge'] as const) {
    cpSync(join(workspace, deploy, side), machines[side], { recursive: true });
    take(side, side);
  }
  take('device-2', 'cloud');
  return machines;
}

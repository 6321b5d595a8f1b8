import { execFile } from 'node:child_process';
import { mkdirSync, mkdtempSync, realpathSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import manifest from '../package.json' with { type: 'json' };

const execute = promisify(execFile);
const core = fileURLToPath(new URL('..', import.meta.url));
const workspace = join(core, '..', '..');

/** Packs the library as it would be published; resolves with the path of the archive. */
export async function packLibrary(): Promise<string> {
  const folder = temporaryFolder();
  const { stdout } = await execute('npm', ['pack', '--json', '--pack-destination', folder], { cwd: core });
  const [{ filename }] = JSON.parse(stdout) as [{ filename: string }];
  return join(folder, filename);
}

/** A project of somebody else, in a temporary folder, that has installed the library from its archive. */
export class Consumer {
  readonly folder = temporaryFolder();

  private constructor(files: Readonly<Record<string, string>>) {
    for (const [name, text] of Object.entries(files)) this.write(name, text);
  }

  /** `files` maps paths to texts. */
  static async create(archive: string, files: Readonly<Record<string, string>>): Promise<Consumer> {
    const consumer = new Consumer(files);
    const installed = join(consumer.folder, 'node_modules', 'edge-relay');
    mkdirSync(installed, { recursive: true });
    await execute('tar', ['--extract', '--file', archive, '--directory', installed, '--strip-components=1']);
    // Of what the library asks for, and no more, the copies that the workspace has installed.
    for (const name of Object.keys(manifest.dependencies)) consumer.link(name, core);
    return consumer;
  }

  write(name: string, text: string): void {
    const path = join(this.folder, name);
    mkdirSync(dirname(path), { recursive: true });
    writeFileSync(path, text);
  }

  /** Resolves with what the program has printed; rejects when it fails. */
  async run(
    args: readonly string[],
    environment: Readonly<Record<string, string>> = {},
    node: string = process.execPath,
    signal?: AbortSignal,
  ): Promise<string> {
    const env = { ...process.env, NODE_OPTIONS: '', ...environment };
    const options = { cwd: this.folder, env, timeout: 120_000, ...(signal && { signal }) };
    return (await execute(node, args, options)).stdout;
  }

  /** Resolves with what the compiler has to say; empty where all is well. */
  async compile(...args: readonly string[]): Promise<string> {
    this.link('@types/node', workspace);
    const compiler = join(workspace, 'node_modules', 'typescript', 'bin', 'tsc');
    try {
      return await this.run([compiler, '--noEmit', ...args]);
    } catch (error) {
      return (error as { stdout: string }).stdout;
    }
  }

  /** Gives it the copy of a package that `owner`, a folder, has installed. */
  link(name: string, owner: string): void {
    const link = join(this.folder, 'node_modules', name);
    mkdirSync(dirname(link), { recursive: true });
    symlinkSync(realpathSync(join(owner, 'node_modules', name)), link);
  }
}

function temporaryFolder(): string {
  return mkdtempSync(join(realpathSync(tmpdir()), 'edge-relay-'));
}

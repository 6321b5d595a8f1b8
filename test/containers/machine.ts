import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { isIP } from 'node:net';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import type { Container } from './container';
import type { Image } from './image';

export interface MachineOptions {
  /** The shipped folder. */
  readonly folder: string;
  /** A folder with the passwords and certificates that were made for it. */
  readonly secrets: string;
  readonly containers: readonly Container[];
  /** Our images by their names. What has none here is a program of this system, such as mosquitto. */
  readonly images: Readonly<Record<string, Image>>;
  /** The port on loopback at which a container's name is found, by `name:port`. */
  readonly ports: Readonly<Record<string, number>>;
}

/** What a test wants to be otherwise than it ships. */
export type Changes = Partial<Pick<Container, 'environment' | 'files'>>;

/**
 * Runs the containers of a machine as processes: their command lines, variables, files and volumes as described,
 * with a folder of ours in the place of `/`, and loopback in the place of their network. Who ends is started again.
 */
export class Machine {
  readonly #options: MachineOptions;
  readonly #folder = mkdtempSync(join(tmpdir(), 'edge-relay-machine-'));
  readonly #running = new Map<string, Running>();

  constructor(options: MachineOptions) {
    this.#options = options;
  }

  /** Starts a container. */
  start(name: string, { environment, files }: Changes = {}): Running {
    const container = this.#options.containers.find((one) => one.name === name);
    if (!container) throw new Error(`no container ${name}`);
    const running = new Running(
      this.#processOf({
        ...container,
        environment: { ...container.environment, ...environment },
        files: { ...container.files, ...files },
      }),
    );
    this.#running.set(name, running);
    return running;
  }

  /** Stops a container, where it runs. */
  async stop(name: string): Promise<void> {
    await this.#running.get(name)?.stop();
  }

  /** What is in a volume, as a folder. */
  volume(name: string): string {
    const path = join(this.#folder, 'volumes', name);
    mkdirSync(path, { recursive: true });
    return path;
  }

  /** Where on loopback something of the machine listens, by `name:port`. */
  port(listener: string): number {
    return this.#options.ports[listener]!;
  }

  get log(): string {
    return [...this.#running].map(([name, { log }]) => `${name}:\n${log}`).join('\n');
  }

  async close(): Promise<void> {
    await Promise.all([...this.#running.values()].map((running) => running.stop('SIGKILL')));
    rmSync(this.#folder, { recursive: true, force: true });
  }

  #processOf(container: Container): Command {
    const { folder, secrets, images } = this.#options;
    const root = join(this.#folder, container.name);
    rmSync(root, { recursive: true, force: true });
    const put = (path: string, target: string) => {
      mkdirSync(dirname(join(root, path)), { recursive: true });
      symlinkSync(target, join(root, path));
    };
    const image = images[container.image];
    if (image) put('/app', image.app);
    for (const [path, name] of Object.entries(container.volumes)) put(path, this.volume(name));
    for (const [path, file] of Object.entries(container.files)) {
      if (path.endsWith('/mosquitto.conf')) {
        mkdirSync(dirname(join(root, path)), { recursive: true });
        writeFileSync(
          join(root, path),
          this.#brokerFile(container, readFileSync(join(folder, file), 'utf8'), root),
        );
      } else {
        put(
          path,
          file.startsWith('secrets/') ? join(secrets, file.slice('secrets/'.length)) : join(folder, file),
        );
      }
    }
    const mapped = (text: string) => this.#hosts(inRoot(text, root));
    const given = image ? [...image.entrypoint, ...container.arguments] : container.arguments;
    const [program, ...words] = given.map(mapped).flatMap((word, index, all) => {
      const port = all[index - 1] === '-h' ? this.#options.ports[`${word}:1883`] : undefined;
      return port === undefined ? [word] : ['127.0.0.1', '-p', String(port)];
    });
    const environment = { ...image?.environment, ...container.environment };
    return {
      program: program!,
      words,
      folder: image ? mapped(image.folder) : root,
      environment: {
        ...Object.fromEntries(Object.entries(environment).map(([name, value]) => [name, mapped(value)])),
        // Paths that stand in the shipped configuration, and ports that several containers have each for itself.
        ...(image && {
          SPOOL: join(root, image.folder),
          EDGE_RELAY_METRICS: '0',
          EDGE_RELAY_METRICS_HOST: '127.0.0.1',
        }),
      },
    };
  }

  /** The shipped file, with its paths in our folder and its listener on loopback, at a port that is free. */
  #brokerFile({ name }: Container, text: string, root: string): string {
    const asRoot = process.getuid?.() === 0 ? 'user root\n' : '';
    return `${asRoot}${text}`
      .replaceAll(
        /^(password_file|acl_file|persistence_location|certfile|keyfile) (\S+)$/gm,
        (_, option, path) => {
          return `${option} ${join(root, path)}`;
        },
      )
      .replace(
        /^listener (\d+)$/m,
        (_, port) => `listener ${this.#options.ports[`${name}:${port}`]} 127.0.0.1`,
      );
  }

  /** Addresses at the names of containers. */
  #hosts(text: string): string {
    return text.replace(/^(mqtts?):\/\/([\w.-]+)$/, (address, protocol, host) => {
      const port = this.#options.ports[`${host}:${protocol === 'mqtts' ? 8883 : 1883}`];
      return port === undefined ? address : `${protocol}://${isIP(host) ? host : 'localhost'}:${port}`;
    });
  }
}

/** A path of the container, where it is one. */
function inRoot(text: string, root: string): string {
  return /^\/(app|etc|run|mosquitto|var\/lib)(\/|$)/.test(text) ? join(root, text) : text;
}

interface Command {
  readonly program: string;
  readonly words: readonly string[];
  readonly folder: string;
  readonly environment: Readonly<Record<string, string>>;
}

const all = new Set<ChildProcess>();
process.once('exit', () => {
  for (const child of all) child.kill('SIGKILL');
});

const RESTART_MS = 500;

/** A container that runs, with `restart: unless-stopped`. */
export class Running {
  /** What it has written so far, of all its starts. */
  log = '';
  /** How it has ended, each time. */
  readonly ends: (number | NodeJS.Signals)[] = [];
  readonly #command: Command;
  #child!: ChildProcess;
  #exited!: Promise<unknown>;
  #again: NodeJS.Timeout | undefined;
  #isStopped = false;

  constructor(command: Command) {
    this.#command = command;
    this.#start();
  }

  /** SIGKILL: it knows nothing of it, and is started again. */
  kill(): void {
    this.#child.kill('SIGKILL');
  }

  /** No start any more. */
  async stop(signal: NodeJS.Signals = 'SIGTERM'): Promise<void> {
    this.#isStopped = true;
    clearTimeout(this.#again);
    this.#child.kill(signal);
    await this.#exited;
  }

  #start(): void {
    const { program, words, folder, environment } = this.#command;
    const path = `${process.env.PATH}:/usr/sbin`;
    this.#child = spawn(program, words, { cwd: folder, env: { PATH: path, ...environment } });
    all.add(this.#child);
    const child = this.#child;
    for (const output of [child.stdout, child.stderr]) {
      output?.on('data', (text: Buffer) => {
        this.log += text;
      });
    }
    this.#exited = once(child, 'close').then(([code, signal]) => {
      all.delete(child);
      this.ends.push(code ?? signal);
      if (!this.#isStopped) this.#again = setTimeout(() => this.#start(), RESTART_MS);
    });
  }
}

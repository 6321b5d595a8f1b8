import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { promisify } from 'node:util';
import { freePort } from './free-port';
import { listening } from './listening';

/** How a Mosquitto for tests is set up. */
export interface MosquittoOptions {
  /** @default a free one */
  readonly port?: number;
  /** More lines for mosquitto.conf. @default none */
  readonly config?: string;
  /** Whether it saves its database when it ends in order. @default false */
  readonly persistence?: boolean;
  /** Makes it speak TLS: its certificate and key as PEM text. @default plain TCP */
  readonly tls?: MosquittoTls;
  /** Passwords by user name; then nobody comes in without one. @default anyone does */
  readonly users?: Readonly<Record<string, string>>;
}

/** With which certificate it listens. */
export interface MosquittoTls {
  /** Its certificate, as PEM text. */
  readonly cert: string;
  /** The key of it, as PEM text without pass phrase. */
  readonly key: string;
  /** PEM text of the authority that must have signed the clients' certificates. @default none is asked for */
  readonly clientCa?: string;
}

/** A real Mosquitto on loopback, with its files in a temporary folder. */
export interface Mosquitto {
  /** `mqtt://127.0.0.1:…`, or `mqtts://…` with TLS. */
  readonly url: string;
  /** Where it listens, on 127.0.0.1. */
  readonly port: number;
  /** What it has logged since the beginning. */
  readonly log: string;
  /** Starts it again on the same port, with what it has saved. */
  start(): Promise<void>;
  /** SIGTERM: it says goodbye and saves. */
  stop(): Promise<void>;
  /** SIGKILL: it knows nothing of it. */
  kill(): Promise<void>;
  /** Ends it and removes its files. */
  close(): Promise<void>;
}

/** Where the mosquitto program is, or undefined where it is not installed. */
export function findMosquitto(): string | undefined {
  const folders = [...(process.env.PATH ?? '').split(delimiter), '/usr/sbin', '/usr/local/sbin'];
  return folders.map((folder) => join(folder, 'mosquitto')).find((path) => existsSync(path));
}

/** Starts a Mosquitto; the test that starts it closes it. It also ends when this process does. */
export async function startMosquitto(options: MosquittoOptions = {}): Promise<Mosquitto> {
  const program = findMosquitto();
  if (!program) throw new Error('mosquitto is not installed: apt-get install mosquitto');
  const port = options.port ?? (await freePort());
  const folder = await mkdtemp(join(tmpdir(), 'edge-relay-mosquitto-'));
  const configPath = join(folder, 'mosquitto.conf');
  const user = process.getuid?.() === 0 ? 'user root\n' : '';
  await writeFile(
    configPath,
    `listener ${port} 127.0.0.1\n${await tlsLines(folder, options.tls)}${await userLines(folder, options.users)}` +
      `${user}log_dest stderr\nlog_type all\n` +
      `persistence ${options.persistence ?? false}\npersistence_location ${folder}/\n${options.config ?? ''}\n`,
  );
  let child: ChildProcess | undefined;
  let log = '';
  const endWithUs = () => child?.kill('SIGKILL');

  const start = async () => {
    const started = spawn(program, ['-c', configPath], { stdio: ['ignore', 'pipe', 'pipe'] });
    child = started;
    for (const output of [started.stdout, started.stderr]) {
      output.on('data', (text: Buffer) => {
        log += text;
      });
    }
    process.once('exit', endWithUs);
    await listening(port, () => started.exitCode !== null && `mosquitto ended at once:\n${log}`);
  };
  const end = async (signal: NodeJS.Signals) => {
    const ending = child;
    child = undefined;
    process.off('exit', endWithUs);
    if (!ending || ending.exitCode !== null || ending.signalCode !== null) return;
    const exited = once(ending, 'exit');
    ending.kill(signal);
    await exited;
  };

  await start();
  return {
    url: `${options.tls ? 'mqtts' : 'mqtt'}://127.0.0.1:${port}`,
    port,
    get log() {
      return log;
    },
    start,
    stop: () => end('SIGTERM'),
    kill: () => end('SIGKILL'),
    close: async () => {
      await end('SIGKILL');
      await rm(folder, { recursive: true, force: true });
    },
  };
}

async function tlsLines(folder: string, tls: MosquittoTls | undefined): Promise<string> {
  if (!tls) return '';
  const file = async (name: string, text: string) => {
    await writeFile(join(folder, name), text);
    return join(folder, name);
  };
  const server = `certfile ${await file('server.crt', tls.cert)}\nkeyfile ${await file('server.key', tls.key)}\n`;
  if (tls.clientCa === undefined) return server;
  return `${server}cafile ${await file('clients.crt', tls.clientCa)}\nrequire_certificate true\n`;
}

async function userLines(folder: string, users: MosquittoOptions['users']): Promise<string> {
  if (!users) return 'allow_anonymous true\n';
  const path = join(folder, 'passwords');
  await writeFile(path, '', { mode: 0o600 });
  for (const [name, password] of Object.entries(users)) {
    await promisify(execFile)('mosquitto_passwd', ['-b', path, name, password]);
  }
  return `allow_anonymous false\npassword_file ${path}\n`;
}

import { spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { CODED } from './coded-picture';

export interface RtspServerOptions {
  readonly codec?: 'h264' | 'h264-b' | 'mjpeg';
  readonly user?: string;
  readonly password?: string;
  readonly digest?: boolean;
  readonly port?: number;
  readonly framesPerSecond?: number;
}

/** A real RTSP server (GStreamer's), whose frames are coded with their numbers, from 0 for each first viewer. */
export class RtspServer {
  /** When the frame of a number was handed to the encoder, in milliseconds since 1970 (UTC). */
  readonly times = new Map<number, number>();

  private constructor(
    private readonly child: ReturnType<typeof spawn>,
    readonly port: number,
  ) {}

  /** @param script where rtsp-server.py is, for who is bundled elsewhere. */
  static async start(
    options: RtspServerOptions = {},
    script = fileURLToPath(new URL('./rtsp-server.py', import.meta.url)),
  ): Promise<RtspServer> {
    const settings = JSON.stringify({ ...CODED, framesPerSecond: 25, codec: 'h264', ...options });
    const child = spawn('/usr/bin/python3', [script, settings], { stdio: ['pipe', 'pipe', 'inherit'] });
    let server: RtspServer | undefined;
    await new Promise<void>((resolve, reject) => {
      child.once('exit', () => reject(new Error('The RTSP server has ended.')));
      createInterface({ input: child.stdout }).on('line', (line) => {
        const [word, number, time] = line.split(' ');
        if (word === 'frame') server?.times.set(Number(number), Number(time));
        if (word === 'port') {
          server = new RtspServer(child, Number(number));
          resolve();
        }
      });
    });
    return server!;
  }

  /** @param login `user:password@`, encoded as in a URL. */
  url(login = ''): string {
    return `rtsp://${login}127.0.0.1:${this.port}/live`;
  }

  /** Sends no more frames, and holds the connection. */
  stall(): void {
    this.child.stdin!.write('stall\n');
  }

  async close(): Promise<void> {
    if (this.child.exitCode !== null || this.child.signalCode !== null) return;
    const exited = new Promise((resolve) => this.child.once('exit', resolve));
    this.child.kill('SIGKILL');
    await exited;
  }
}

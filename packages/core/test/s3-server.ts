import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { type AddressInfo, createServer } from 'node:net';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { CreateBucketCommand, S3Client } from '@aws-sdk/client-s3';

export interface S3Server {
  readonly endpoint: string;
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
  readonly region: string;
  stop(): Promise<void>;
}

const SCRIPT = fileURLToPath(new URL('../../../scripts/s3-server.sh', import.meta.url));

/** Starts a real S3 server on free ports, which takes about 15 seconds. It ends with this process at the latest. */
export async function startS3Server(script = SCRIPT): Promise<S3Server> {
  const [port, monitorPort] = await freePorts(2);
  // Our end of its standard input is what it watches: when we are gone, it goes.
  const server = spawn(script, [String(port), String(monitorPort)], { stdio: ['pipe', 'pipe', 'pipe'] });
  const complaints: Buffer[] = [];
  server.stderr.on('data', (chunk) => complaints.push(chunk));
  const ended = once(server, 'close');
  for await (const line of createInterface({ input: server.stdout })) {
    const stop = async () => {
      server.stdin.end();
      await ended;
    };
    return { ...JSON.parse(line), stop };
  }
  throw new Error(`The S3 server did not start: ${Buffer.concat(complaints)}`);
}

export async function createBucket(server: S3Server, name: string): Promise<void> {
  const client = new S3Client({ ...server, credentials: server, forcePathStyle: true });
  await client.send(new CreateBucketCommand({ Bucket: name }));
  client.destroy();
}

async function freePorts(count: number): Promise<number[]> {
  const servers = Array.from({ length: count }, () => createServer().listen(0, '127.0.0.1'));
  await Promise.all(servers.map((server) => once(server, 'listening')));
  const ports = servers.map((server) => (server.address() as AddressInfo).port);
  await Promise.all(servers.map((server) => once(server.close(), 'close')));
  return ports;
}

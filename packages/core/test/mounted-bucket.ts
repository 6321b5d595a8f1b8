import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmdirSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createBucket, type S3Server, startS3Server } from './s3-server';

/** A bucket of a real S3 server, mounted as a folder by s3fs: it can rename, in a fashion, and not link. */
export class MountedBucket {
  readonly folder = mkdtempSync(join(tmpdir(), 'edge-relay-bucket-'));
  readonly #server: S3Server;

  private constructor(server: S3Server) {
    this.#server = server;
    const { endpoint, region, accessKeyId: AWSACCESSKEYID, secretAccessKey: AWSSECRETACCESSKEY } = server;
    execFileSync(
      's3fs',
      ['faces', this.folder, '-o', `url=${endpoint},use_path_request_style,endpoint=${region}`],
      { env: { ...process.env, AWSACCESSKEYID, AWSSECRETACCESSKEY }, timeout: 30_000 },
    );
  }

  static async mount(): Promise<MountedBucket> {
    const server = await startS3Server();
    await createBucket(server, 'faces');
    try {
      return new MountedBucket(server);
    } catch (error) {
      await server.stop();
      throw error;
    }
  }

  async close(): Promise<void> {
    execFileSync('umount', ['--lazy', this.folder]);
    rmdirSync(this.folder);
    await this.#server.stop();
  }
}

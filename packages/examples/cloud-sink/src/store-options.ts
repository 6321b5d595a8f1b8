import type { S3StoreOptions } from 'edge-relay';
import { type Command, setting } from 'edge-relay-command-line';

export interface StoreOptions {
  readonly store: string;
  readonly s3Endpoint?: string;
  readonly s3Region?: string;
  readonly s3PathStyle?: boolean;
}

/** The options that say where objects are. */
export function withStoreOptions(program: Command): Command {
  return program
    .addOption(setting('--store <location>', 'a folder, or s3://bucket/prefix', { default: './faces' }))
    .addOption(setting('--s3-endpoint <url>', 'address of the S3-compatible service; AWS without it'))
    .addOption(setting('--s3-region <region>', 'region of the bucket'))
    .addOption(setting('--s3-path-style', 'bucket in the path instead of the host name (MinIO, Ceph)'));
}

/** The library's words for them; nothing for a folder. */
export function s3OptionsOf(options: StoreOptions): S3StoreOptions | undefined {
  if (!options.store.startsWith('s3://')) return undefined;
  const { s3Endpoint: endpoint, s3Region: region, s3PathStyle: forcePathStyle } = options;
  return {
    ...(endpoint && { endpoint }),
    ...(region && { region }),
    ...(forcePathStyle && { forcePathStyle }),
  };
}

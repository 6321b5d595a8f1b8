import { S3Store, type S3StoreOptions, Sink } from 'edge-relay';
import { judged, type OptionsOf, onOff, option, text } from 'edge-relay-command-line';

export type StoreOptions = OptionsOf<typeof storeOptions>;

/** The options that say where objects are. */
export const storeOptions = {
  store: option(judged(text(), (location) => new Sink(location)).default('./faces'), {
    text: 'a folder, or s3://bucket/prefix',
    value: 'location',
  }),
  s3Endpoint: option(judged(text(), (endpoint) => new S3Store('s3://any', { endpoint })).optional(), {
    text: 'address of the S3-compatible service; AWS without it',
    value: 'url',
  }),
  s3Region: option(text().optional(), { text: 'region of the bucket', value: 'region' }),
  s3PathStyle: option(onOff().optional(), {
    text: 'bucket in the path instead of the host name (MinIO, Ceph)',
  }),
};

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

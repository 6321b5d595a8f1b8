import type { ListObjectVersionsCommandOutput, S3Client } from '@aws-sdk/client-s3';

type Sdk = typeof import('@aws-sdk/client-s3');

/** Where the next page of a listing begins. */
interface Marker {
  readonly KeyMarker?: string;
  readonly VersionIdMarker?: string;
}

interface Place {
  readonly Bucket: string;
  readonly Key: string;
}

/**
 * The ids of all versions of an object, markers of deletion included. A bucket that keeps none gives the object
 * itself, as the version `null`.
 */
export async function versionsOf(client: S3Client, sdk: Sdk, { Bucket, Key }: Place): Promise<string[]> {
  const ids: string[] = [];
  for (let after: Marker | undefined = {}; after; ) {
    const input = { Bucket, Prefix: Key, ...after };
    const page: ListObjectVersionsCommandOutput = await client.send(new sdk.ListObjectVersionsCommand(input));
    const found = [...(page.Versions ?? []), ...(page.DeleteMarkers ?? [])];
    ids.push(...found.filter((each) => each.Key === Key).flatMap(({ VersionId }) => VersionId ?? []));
    // Keys come in order: what follows are longer ones that begin alike.
    const isPast = found.some((each) => each.Key !== Key);
    after = isPast ? undefined : afterOf(page);
  }
  return ids;
}

/**
 * Removes what is not the present version of anything that begins with a prefix, markers of deletion included;
 * resolves with how many there were.
 */
export async function eraseEarlier(
  client: S3Client,
  sdk: Sdk,
  { Bucket, Prefix }: { readonly Bucket: string; readonly Prefix: string },
): Promise<number> {
  let count = 0;
  for (let after: Marker | undefined = {}; after; ) {
    const page: ListObjectVersionsCommandOutput = await client.send(
      new sdk.ListObjectVersionsCommand({ Bucket, Prefix, ...after }),
    );
    const earlier = [
      ...(page.Versions ?? []).filter(({ IsLatest }) => !IsLatest),
      ...(page.DeleteMarkers ?? []),
    ];
    for (const { Key, VersionId } of earlier) {
      await client.send(new sdk.DeleteObjectCommand({ Bucket, Key, VersionId }));
      count += 1;
    }
    after = afterOf(page);
  }
  return count;
}

/** Removes all versions of an object for good; resolves with how many there were. */
export async function eraseVersions(client: S3Client, sdk: Sdk, place: Place): Promise<number> {
  const ids = await versionsOf(client, sdk, place);
  for (const VersionId of ids) await client.send(new sdk.DeleteObjectCommand({ ...place, VersionId }));
  return ids.length;
}

function afterOf(page: ListObjectVersionsCommandOutput): Marker | undefined {
  if (!page.IsTruncated || page.NextKeyMarker === undefined) return undefined;
  const { NextKeyMarker: KeyMarker, NextVersionIdMarker: VersionIdMarker } = page;
  return { KeyMarker, ...(VersionIdMarker !== undefined && { VersionIdMarker }) };
}

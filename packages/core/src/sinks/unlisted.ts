import { createHash } from 'node:crypto';
import { readHeader } from '../codec';
import type { Properties } from '../message';
import { embeddedAttributes } from './embedded-attributes';
import { type ManifestRow, rowOf } from './manifest-row';
import { outcomeOf } from './object-key';
import { provenanceOf } from './provenance';
import type { StoredObject } from './store';

/**
 * The row that an object without one could have, by the metadata of the object or the attributes in the picture;
 * undefined for one that says nothing of itself.
 */
export async function unlistedRow(
  key: string,
  { data, metadata, contentType }: StoredObject,
): Promise<ManifestRow | undefined> {
  const attributes: Properties = metadata?.id === undefined ? await attributesIn(data) : metadata;
  const provenance = provenanceOf(attributes);
  if (!provenance) return undefined;
  const sha256 = createHash('sha256').update(data).digest('hex');
  const parts = { outcome: outcomeOf(key), key, bytes: data.byteLength, sha256, type: contentType };
  return rowOf({ ...parts, provenance, storedAt: Date.now() });
}

async function attributesIn(data: Uint8Array): Promise<Properties> {
  // What is no picture has none.
  const header = await readHeader(data, { stage: 'sink', name: 'The object' }).catch(() => undefined);
  return (await embeddedAttributes(header?.exif)) ?? {};
}

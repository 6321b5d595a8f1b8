import { readFile, rename, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { RelayError } from '../errors';

/** The layout of the database, raised with each change that the version before could not read. */
const VERSION = 6;

/**
 * Says in a new folder which version has made it.
 * @throws {RelayError} `SPOOL_FAILED` for a folder that another version has made.
 */
export async function assertVersion(folder: string): Promise<void> {
  const path = join(folder, 'spool.json');
  const text = await readFile(path, 'utf8').catch((error) => {
    if (error.code === 'ENOENT') return undefined;
    throw error;
  });
  if (text === undefined) {
    await writeFile(`${path}.new`, JSON.stringify({ version: VERSION }));
    await rename(`${path}.new`, path);
    return;
  }
  let version: unknown;
  try {
    version = JSON.parse(text).version;
  } catch {
    version = text;
  }
  if (version === VERSION) return;
  throw new RelayError(
    `spool: ${folder} was made by another version of edge-relay (${JSON.stringify(version)}, this one knows ${VERSION}). Empty it with that version, or take another folder.`,
    { code: 'SPOOL_FAILED', stage: 'spool' },
  );
}

import type { Database, RootDatabase } from 'lmdb';

/** How many tables a spool has in one database. */
export const TABLES = 5;

export type Table = Database<Buffer, number>;

/** What a spool keeps in its database. */
export interface Tables {
  /** The payloads of each bundle, by the position of its first message. */
  readonly payloads: Table;
  /** Or where these lie in the file beside the database: three numbers of 32 bits each, little endian; see `Place`. */
  readonly places: Table;
  /** All else of its messages, and what the books keep of them: opening reads no payloads. */
  readonly records: Table;
  /** Where some messages of a bundle have left: which have not. */
  readonly staying: Table;
  /** What was set aside. */
  readonly setAside: Table;
}

export function tablesOf(root: RootDatabase<Buffer, number>): Tables {
  const table = (name: string) => root.openDB<Buffer, number>({ name, encoding: 'binary' });
  return {
    payloads: table('payloads'),
    places: table('places'),
    records: table('records'),
    staying: table('staying'),
    setAside: table('set-aside'),
  };
}

/** What LMDB has read, until it reads the next: it lies in memory that is longer than its `length`. */
export function viewOf(read: Buffer): Buffer {
  return Buffer.from(read.buffer, read.byteOffset, read.length);
}

export function asBuffer(bytes: Uint8Array): Buffer {
  return Buffer.isBuffer(bytes) ? bytes : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

import type { Database, RootDatabase } from 'lmdb';
import type { Message } from '../message';
import { decodeIndexedMessage, decodeMessage } from './message-codec';

/** The tables of a spool in one database: the payloads, all else of each message, and what was set aside. */
export const TABLES = 3;

export type Table = Database<Buffer, number>;

export function tablesOf(
  root: RootDatabase<Buffer, number>,
): [messages: Table, index: Table, setAside: Table] {
  const table = (name: string) => root.openDB<Buffer, number>({ name, encoding: 'binary' });
  return [table('messages'), table('index'), table('set-aside')];
}

/** @throws where anything cannot be read, or a message is missing. */
export function readEverything(root: RootDatabase<Buffer, number>): void {
  const [messages, index, setAside] = tablesOf(root);
  for (const { value } of setAside.getRange()) decodeMessage(value);
  for (const key of index.getKeys()) {
    if (!storedIn(index, messages, key)) throw new Error(`message ${key} is not where it was put`);
  }
}

/** @param copy makes the payload of what has been read, which the next read overwrites */
export function storedIn(
  index: Table,
  messages: Table,
  position: number,
  copy: (bytes: Uint8Array) => Buffer = Buffer.from,
): Message | undefined {
  const found = messages.getBinaryFast(position);
  const payload = found && copy(viewOf(found));
  const record = payload && index.getBinaryFast(position);
  return record && decodeIndexedMessage(viewOf(record), payload);
}

/** What LMDB has read, until it reads the next: it lies in memory that is longer than its `length`. */
function viewOf(read: Buffer): Buffer {
  return Buffer.from(read.buffer, read.byteOffset, read.length);
}

export function asBuffer(bytes: Uint8Array): Buffer {
  return Buffer.isBuffer(bytes) ? bytes : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

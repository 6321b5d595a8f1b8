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

export function storedIn(index: Table, messages: Table, position: number): Message | undefined {
  const record = index.getBinary(position);
  const payload = messages.getBinary(position);
  if (!record || !payload) return undefined;
  return decodeIndexedMessage(record, payload);
}

export function asBuffer(bytes: Uint8Array): Buffer {
  return Buffer.isBuffer(bytes) ? bytes : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

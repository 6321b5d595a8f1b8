import { createHash } from 'node:crypto';
import { parseTime } from '../attributes';
import type { Message } from '../message';
import { propertyOf } from '../message';

/** What says that a message is where it was going: written down in docs/receipts.md. */
export interface Receipt {
  /** The `id` property that the message arrived with; missing where it had none (MQTT 3.1.1). */
  readonly id?: string;
  /** SHA-256 of the payload, 64 hexadecimal digits. */
  readonly sha256: string;
}

/** The user property in which a publisher says where receipts for this message go. */
export const RECEIPTS_TO = 'receiptsto';
/** Where receipts go for messages that do not say it: a broker of MQTT 3.1.1 takes properties off. */
const EVERYBODY = 'all';
const NAME = /^[A-Za-z0-9_][A-Za-z0-9._-]{0,63}$/;
const SHA_256 = /^[0-9a-f]{64}$/;

/** Where the receipts for a message go: `{topic}/receipts/{publisher}`. */
export function receiptTopicOf(message: Pick<Message, 'properties'> & { readonly topic: string }): string {
  const publisher = propertyOf(message, RECEIPTS_TO);
  // The name comes from outside: one that is none could make any topic of it.
  const level = publisher !== undefined && NAME.test(publisher) ? publisher : EVERYBODY;
  return `${message.topic}/receipts/${level}`;
}

/** What a publisher of this name subscribes to, for what it publishes on a topic. */
export function receiptFilters(topic: string, publisher: string): readonly string[] {
  return [`${topic}/receipts/${publisher}`, `${topic}/receipts/${EVERYBODY}`];
}

/** Throws a `TypeError` for a name of a publisher that may not stand in a topic of receipts. */
export function assertReceiptName(publisher: string, where: string): void {
  if (NAME.test(publisher) && publisher !== EVERYBODY) return;
  throw new TypeError(
    `${where}: receipts.publisher must be 1 to 64 letters, digits, ".", "_" or "-", and not "${EVERYBODY}", but is ${JSON.stringify(publisher)}.`,
  );
}

/** The receipt for a message. */
export function receiptFor(message: Message): Receipt {
  const id = propertyOf(message, 'id');
  return { ...(id !== undefined && { id }), sha256: digestOf(message.payload) };
}

/** SHA-256 of a payload, in hexadecimal digits. */
export function digestOf(payload: Uint8Array): string {
  return createHash('sha256').update(payload).digest('hex');
}

/** What one message of receipts says. */
export interface ReceiptBatch {
  readonly receipts: readonly Receipt[];
  /** When it was written, by the clock of who wrote it, in milliseconds since 1970 (UTC). */
  readonly writtenAt?: number;
}

/** The payload of a message of receipts: `{"stored":[{"id":"…","sha256":"…"}],"at":"…"}`. */
export function encodeReceipts({ receipts, writtenAt }: ReceiptBatch): Buffer {
  const at = writtenAt === undefined ? undefined : new Date(writtenAt).toISOString();
  return Buffer.from(JSON.stringify({ stored: receipts, at }));
}

/** The receipts in a payload; undefined where it holds anything else, for it comes from outside. */
export function decodeReceipts(payload: Uint8Array): ReceiptBatch | undefined {
  try {
    const { stored, at } = JSON.parse(Buffer.from(payload).toString('utf8')) as {
      stored?: unknown;
      at?: unknown;
    };
    if (!(Array.isArray(stored) && stored.every(isReceipt))) return undefined;
    const writtenAt = typeof at === 'string' ? parseTime(at) : undefined;
    return { receipts: stored, ...(writtenAt !== undefined && { writtenAt }) };
  } catch {
    return undefined;
  }
}

function isReceipt(value: unknown): value is Receipt {
  if (typeof value !== 'object' || value === null) return false;
  const { id, sha256 } = value as { id?: unknown; sha256?: unknown };
  return (id === undefined || typeof id === 'string') && typeof sha256 === 'string' && SHA_256.test(sha256);
}

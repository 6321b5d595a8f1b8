import type { Database } from 'lmdb';
import { decodeMessage, encodeMessage } from './message-codec';
import type { SetAside } from './spool';

interface Notes {
  readonly reason: string;
  readonly at: number;
}

const MAXIMUM_MESSAGES = 1_000;
/** The property that a message set aside carries on disk; no name in MQTT can contain a NUL. */
const NOTES = '\0notes';

/** The messages of a spool that can never be sent, each with the reason. */
export class SetAsideArea {
  readonly database: Database<Buffer, number>;
  readonly #maximumBytes: number;
  /** What each takes, in bytes, oldest first. */
  readonly #sizes = new Map<number, number>();
  #bytes = 0;

  constructor(database: Database<Buffer, number>, maximumBytes: number) {
    this.database = database;
    this.#maximumBytes = maximumBytes;
    for (const { key, value } of database.getRange()) this.#count(key, value.byteLength);
  }

  /** The highest position in use. */
  get last(): number {
    return Math.max(0, ...this.#sizes.keys());
  }

  encode({ message, reason, at }: SetAside): Buffer {
    const notes: Notes = { reason, at };
    return encodeMessage({
      ...message,
      properties: { ...message.properties, [NOTES]: JSON.stringify(notes) },
    });
  }

  /** Within a transaction. The oldest make way where the newest find no room. */
  put(position: number, record: Buffer): void {
    this.database.put(position, record);
    this.#count(position, record.byteLength);
    for (const old of this.#sizes.keys()) {
      if (this.#sizes.size <= MAXIMUM_MESSAGES && this.#bytes <= this.#maximumBytes) return;
      this.remove(old);
    }
  }

  /** Within a transaction. */
  remove(position: number): void {
    this.#bytes -= this.#sizes.get(position) ?? 0;
    this.#sizes.delete(position);
    this.database.remove(position);
  }

  list(): SetAside[] {
    return [...this.database.getRange()].map(({ key, value }) => {
      const { properties, ...rest } = decodeMessage(value);
      const { [NOTES]: notes, ...others } = properties;
      const { reason, at }: Notes = JSON.parse(String(notes));
      return { position: key, message: { ...rest, properties: others }, reason, at };
    });
  }

  #count(position: number, bytes: number): void {
    this.#bytes += bytes - (this.#sizes.get(position) ?? 0);
    this.#sizes.set(position, bytes);
  }
}

import type { Message, Properties } from '../message';
import type { SpoolEntry } from '../spool/spool';
import { spoolClock } from '../spool/spool-clock';
import type { Link } from './link';
import { LAST_OWN_IDENTIFIER } from './packet-identifiers';
import { publishSize } from './publish-packet';

export interface InFlightWindowOptions {
  readonly windowMessages: number;
  readonly windowBytes: number;
  readonly acknowledgeTimeoutMs: number;
  /** Properties that each message gets when it is sent. */
  readonly stamp?: Properties | undefined;
}

/**
 * The messages that are sent on the current link and not yet acknowledged: bounded in number (never
 * above the broker's receive maximum, MQTT 5 section 4.9) and in bytes, with a watchdog on progress.
 */
export class InFlightWindow {
  readonly #options: InFlightWindowOptions;
  /**
   * Each at its packet identifier modulo their number: a Map would be made anew for every few hundred that come and go.
   */
  readonly #entries: (SpoolEntry | undefined)[];
  /** The packet identifiers of those. */
  readonly #identifiers: Uint16Array;
  /** The positions of those that have left the spool all the same. */
  readonly #gone = new Set<number>();
  readonly #emptied = new Set<() => void>();
  #link: Link | undefined;
  #messages = 0;
  #bytes = 0;
  #lastId = 0;
  #progressAt = 0;
  #unsentBytes = 0;
  #watchdog: NodeJS.Timeout | undefined;

  constructor(options: InFlightWindowOptions) {
    this.#options = options;
    const most = Math.min(options.windowMessages, LAST_OWN_IDENTIFIER);
    this.#entries = new Array(most).fill(undefined);
    this.#identifiers = new Uint16Array(most);
  }

  get messages(): number {
    return this.#messages;
  }

  /** What is in flight and still wanted. */
  get entries(): readonly SpoolEntry[] {
    return this.#entries
      .filter((entry) => entry !== undefined)
      .filter(({ position }) => !this.#gone.has(position));
  }

  /** How many more messages may be sent. */
  get room(): number {
    const limit = Math.min(this.#entries.length, this.#link?.limits.receiveMaximum ?? 0);
    return Math.max(0, limit - this.#messages);
  }

  /** How many more bytes may be sent. */
  get roomBytes(): number {
    return Math.max(0, this.#options.windowBytes - this.#bytes);
  }

  /** A message larger than the whole window still goes, alone. */
  hasRoomFor(bytes: number): boolean {
    return this.room > 0 && (this.#messages === 0 || this.#bytes + bytes <= this.#options.windowBytes);
  }

  open(link: Link): void {
    this.clear();
    this.#link = link;
  }

  /** The link is gone: nothing is in flight any more. */
  clear(): void {
    this.#link = undefined;
    this.#entries.fill(undefined);
    this.#messages = 0;
    this.#gone.clear();
    this.#bytes = 0;
    this.#stopWatching();
  }

  /** Writes the message to the link; false when the link's stream is full. */
  send(entry: SpoolEntry): boolean {
    const link = this.#link;
    if (!link) return true;
    const messageId = this.#nextId();
    const message = this.#stamped(asOfNow(entry));
    const isTaken = link.publish(message, message.topic ?? '', messageId);
    if (this.#messages === 0) this.#watch();
    const place = messageId % this.#entries.length;
    this.#entries[place] = entry;
    this.#identifiers[place] = messageId;
    this.#messages += 1;
    this.#bytes += entry.bytes;
    return isTaken;
  }

  /** The message has left the spool: its acknowledgement counts no more. Undefined where it is not in flight. */
  forget(position: number): SpoolEntry | undefined {
    const entry = this.#messages === 0 ? undefined : this.#entries.find((one) => one?.position === position);
    if (entry) this.#gone.add(position);
    return entry;
  }

  /** The message that this packet identifier stood for, which is no longer in flight. */
  acknowledge(messageId: number): SpoolEntry | undefined {
    const place = messageId % this.#entries.length;
    const entry = this.#entries[place];
    if (!entry || this.#identifiers[place] !== messageId) return undefined;
    this.#entries[place] = undefined;
    this.#messages -= 1;
    this.#bytes -= entry.bytes;
    this.#progressAt = performance.now();
    if (this.#messages === 0) this.#stopWatching();
    return this.#gone.delete(entry.position) ? undefined : entry;
  }

  /** The size of the packet that the message makes on the current link, in bytes. */
  packetSize(message: Message): number {
    const link = this.#link;
    if (!link) return 0;
    return publishSize(this.#stamped(message), message.topic ?? '', link.protocolVersion);
  }

  /** Resolves when nothing is in flight, or after so many milliseconds. */
  async emptied(timeoutMs: number): Promise<void> {
    if (this.#messages === 0) return;
    await new Promise<void>((resolve) => {
      const timer = setTimeout(resolve, timeoutMs);
      this.#emptied.add(() => {
        clearTimeout(timer);
        resolve();
      });
    });
  }

  /** Packet identifiers go round (section 2.2.1), past those whose places are taken. */
  #nextId(): number {
    do {
      this.#lastId = (this.#lastId % LAST_OWN_IDENTIFIER) + 1;
    } while (this.#entries[this.#lastId % this.#entries.length]);
    return this.#lastId;
  }

  #watch(): void {
    const { acknowledgeTimeoutMs } = this.#options;
    this.#progressAt = performance.now();
    this.#watchdog = setInterval(() => {
      const unsentBytes = this.#link?.unsentBytes ?? 0;
      // A slow link that still takes bytes is no stuck one.
      if (unsentBytes !== this.#unsentBytes) this.#progressAt = performance.now();
      this.#unsentBytes = unsentBytes;
      // A broker that takes messages and acknowledges none is as good as gone: a new link sends them again.
      if (performance.now() - this.#progressAt > acknowledgeTimeoutMs) {
        this.#link?.destroy(`it acknowledged nothing for ${acknowledgeTimeoutMs / 1000} seconds`);
      }
    }, acknowledgeTimeoutMs / 4);
  }

  #stopWatching(): void {
    clearInterval(this.#watchdog);
    for (const done of this.#emptied) done();
    this.#emptied.clear();
  }

  #stamped(message: Message): Message {
    const { stamp } = this.#options;
    return stamp ? { ...message, properties: { ...message.properties, ...stamp } } : message;
  }
}

/** What is sent late has only the rest of its time to live (MQTT 5 section 3.3.2.3.3). */
function asOfNow({ message, storedAt }: SpoolEntry): Message {
  const { expirySeconds } = message;
  if (expirySeconds === undefined) return message;
  const waitedSeconds = (spoolClock() - storedAt) / 1_000;
  return { ...message, expirySeconds: Math.max(1, Math.ceil(expirySeconds - waitedSeconds)) };
}

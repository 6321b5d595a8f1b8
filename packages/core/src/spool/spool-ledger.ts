import type { Message } from '../message';
import type { SpoolDrop, SpoolOrder } from './spool';
import { spoolClock } from './spool-clock';
import { type Indexed, SpoolIndex } from './spool-index';
import { type SpoolBounds, SpoolRoom } from './spool-room';

/** What a spool takes in, and how long it keeps it. */
export interface SpoolPolicy extends SpoolBounds {
  /**
   * What is read first. With `newest-first` what is happening now is not held up by what waited through an
   * outage. @default 'oldest-first'
   */
  readonly order?: SpoolOrder;
  /** Seconds after which a message is dropped, if it does not expire earlier by itself. @default never */
  readonly maximumAgeSeconds?: number;
}

export interface SpoolLedgerUser {
  /** Forgets an item that leaves without having been sent, and gives its message. */
  discard(item: Indexed): Message;
  /** Called every second for as long as somebody waits, to find room elsewhere. */
  lookAgain?(): void;
}

const ORDERS: readonly SpoolOrder[] = ['oldest-first', 'newest-first'];
const SWEEP_MINIMUM_MS = 1_000;
const SWEEP_MAXIMUM_MS = 3_600_000;

/** Keeps the books of a spool: what is in, what is read next, who waits for room, and what has to go. */
export class SpoolLedger {
  readonly order: SpoolOrder;
  readonly room: SpoolRoom;
  readonly #maximumAgeSeconds: number;
  readonly #user: SpoolLedgerUser;
  readonly #listeners: ((drop: SpoolDrop) => void)[] = [];
  #index: SpoolIndex;
  /** The latest position of each mark. */
  readonly #marks = new Map<number, number>();
  #sweeping: NodeJS.Timeout | undefined;
  #sweepTime = Number.POSITIVE_INFINITY;

  constructor(policy: SpoolPolicy, owner: string, user: SpoolLedgerUser) {
    const { order = 'oldest-first', maximumAgeSeconds = Number.POSITIVE_INFINITY } = policy;
    if (!ORDERS.includes(order)) {
      throw new TypeError(`${owner}: order must be ${ORDERS.join(' or ')}, not ${order}.`);
    }
    if (!(maximumAgeSeconds > 0)) {
      throw new TypeError(`${owner}: maximumAgeSeconds must be a number above 0, not ${maximumAgeSeconds}.`);
    }
    this.order = order;
    this.#maximumAgeSeconds = maximumAgeSeconds;
    this.#user = user;
    this.#index = new SpoolIndex(order);
    this.room = new SpoolRoom(policy, owner, {
      evict: () => this.#evict(),
      lookAgain: () => user.lookAgain?.(),
    });
  }

  get messages(): number {
    return this.#index.size;
  }

  /** What the messages that are in take, in bytes. */
  get bytes(): number {
    return this.#index.bytes;
  }

  /** How long the first message has been in, in seconds; 0 where none is. */
  get oldestAgeSeconds(): number {
    const { oldest } = this.#index;
    // An earlier process may have had a clock that was ahead of ours.
    return oldest ? Math.max(0, spoolClock() - oldest.storedAt) / 1_000 : 0;
  }

  onDrop(listener: (drop: SpoolDrop) => void): void {
    this.#listeners.push(listener);
  }

  /** Begins the books anew. */
  open(): void {
    this.#index = new SpoolIndex(this.order);
    this.#marks.clear();
    this.room.open();
  }

  close(): void {
    this.#stopSweeping();
    this.room.close();
  }

  /** When a message expires that came at `storedAt`, if it does; both in milliseconds since 1970 (UTC). */
  expiry(storedAt: number, expirySeconds = Number.POSITIVE_INFINITY): number | undefined {
    const seconds = Math.min(expirySeconds, this.#maximumAgeSeconds);
    return seconds === Number.POSITIVE_INFINITY ? undefined : storedAt + seconds * 1_000;
  }

  /** Takes in what is there already, whatever the bounds say. */
  load(item: Indexed): void {
    this.room.add(item.bytes);
    this.#enter(item);
  }

  /** Takes in what has taken room. */
  place(item: Indexed): void {
    this.#enter(item);
    this.room.placed();
  }

  /** The positions of the next items; those that have expired are dropped. */
  next(limit: number, bytes?: number): number[] {
    for (;;) {
      const found = this.#index.next(limit, bytes);
      const now = spoolClock();
      const isExpired = (position: number) => this.#index.expiresAt(position) <= now;
      if (!found.some(isExpired)) return found;
      const alive = found.filter((position) => !isExpired(position));
      for (const position of found.filter(isExpired)) this.#drop(this.#index.get(position)!, 'expired');
      if (alive.length > 0) return alive;
    }
  }

  rewind(): void {
    this.#index.rewind();
  }

  get(position: number): Indexed | undefined {
    return this.#index.get(position);
  }

  /** The latest item of a mark. */
  find(mark: number): Indexed | undefined {
    const position = mark === 0 ? undefined : this.#marks.get(mark);
    return position === undefined ? undefined : this.#index.get(position);
  }

  /** Takes an item out, and gives its room back; false where there is none. */
  remove(position: number): boolean {
    const mark = this.#index.mark(position);
    const bytes = this.#index.remove(position);
    if (bytes === undefined) return false;
    this.room.give(bytes);
    if (mark !== 0 && this.#marks.get(mark) === position) this.#marks.delete(mark);
    return true;
  }

  /** Tells of a message that found no room. */
  refuse(message: Message): void {
    this.#tell({ message, reason: 'full' });
  }

  #enter(item: Indexed): void {
    this.#index.add(item);
    if (item.mark !== 0) this.#marks.set(item.mark, item.position);
    if (item.expiresAt !== undefined) this.#sweepAt(item.expiresAt);
  }

  #evict(): boolean {
    const { expendable } = this.#index;
    if (expendable) this.#drop(expendable, 'full');
    return expendable !== undefined;
  }

  #drop(item: Indexed, reason: SpoolDrop['reason']): void {
    this.remove(item.position);
    this.#tell({ message: this.#user.discard(item), position: item.position, reason });
  }

  #tell(drop: SpoolDrop): void {
    for (const listener of this.#listeners) listener(drop);
  }

  #sweepAt(time: number): void {
    if (time >= this.#sweepTime) return;
    this.#stopSweeping();
    this.#sweepTime = time;
    const inMs = Math.min(Math.max(time - spoolClock(), SWEEP_MINIMUM_MS), SWEEP_MAXIMUM_MS);
    this.#sweeping = setTimeout(() => this.#sweep(), inMs).unref();
  }

  #stopSweeping(): void {
    clearTimeout(this.#sweeping);
    this.#sweepTime = Number.POSITIVE_INFINITY;
  }

  /** Drops what has expired, also what was read and waits to be sent again. */
  #sweep(): void {
    this.#stopSweeping();
    const now = spoolClock();
    const expired: Indexed[] = [];
    for (const item of this.#index) {
      if (isExpired(item, now)) expired.push(item);
      else if (item.expiresAt !== undefined) this.#sweepAt(item.expiresAt);
    }
    for (const item of expired) this.#drop(item, 'expired');
  }
}

function isExpired({ expiresAt = Number.POSITIVE_INFINITY }: Indexed, now: number): boolean {
  return expiresAt <= now;
}

import type { SpoolEntry, SpoolOrder } from '../spool/spool';

interface WaitingTopic {
  /** In the spool's order. */
  readonly entries: SpoolEntry[];
  pauseMs: number;
  timer: NodeJS.Timeout | undefined;
}

const FIRST_PAUSE_MS = 500;
const LONGEST_PAUSE_MS = 8_000;
/** Beyond this many the publisher stops reading its spool, so that memory stays bounded. */
const MAXIMUM_ENTRIES = 1_000;

/**
 * Messages that the broker did not keep, by topic: nobody subscribes there yet, or it is short of room.
 * After a pause the first of a topic is tried again; when it is taken, the others follow.
 */
export class WaitingTopics {
  readonly #topics = new Map<string, WaitingTopic>();
  readonly #due: SpoolEntry[] = [];
  readonly #order: SpoolOrder;
  readonly #wake: () => void;
  #count = 0;

  constructor(order: SpoolOrder, wake: () => void) {
    this.#order = order;
    this.#wake = wake;
  }

  get isFull(): boolean {
    return this.#count >= MAXIMUM_ENTRIES;
  }

  /** The next message whose time has come; it stays until `takeDue()`. */
  get due(): SpoolEntry | undefined {
    return this.#due[0];
  }

  takeDue(): void {
    if (this.#due.shift()) this.#count -= 1;
  }

  /** Takes a new message in if its topic is waiting: it must not overtake. */
  holds(entry: SpoolEntry): boolean {
    const topic = this.#topics.get(entry.message.topic ?? '');
    if (!topic) return false;
    this.#insert(topic, entry);
    return true;
  }

  /** Puts a message off; returns the pause in milliseconds where this began a new one. */
  postpone(entry: SpoolEntry): number | undefined {
    const name = entry.message.topic ?? '';
    const topic = this.#topics.get(name) ?? { entries: [], pauseMs: FIRST_PAUSE_MS / 2, timer: undefined };
    this.#topics.set(name, topic);
    this.#insert(topic, entry);
    if (topic.timer) return undefined;
    topic.pauseMs = Math.min(topic.pauseMs * 2, LONGEST_PAUSE_MS);
    topic.timer = setTimeout(() => this.#tryAgain(topic), topic.pauseMs);
    return topic.pauseMs;
  }

  /** The broker has given a last word on a message of this topic: all that wait for it are due. */
  settled(entry: SpoolEntry): void {
    this.#free(entry.message.topic ?? '');
  }

  /** Forgets one message, which has left the spool; if it was to be tried next, the next one is. */
  forget(position: number): void {
    for (const [name, { entries, timer }] of this.#topics) {
      if (this.#takeOut(entries, position) && entries.length === 0 && timer) this.#free(name);
    }
    const name = this.#due.find((entry) => entry.position === position)?.message.topic ?? '';
    if (this.#takeOut(this.#due, position)) this.#free(name);
  }

  /** Forgets all: a new link sends everything again. */
  clear(): void {
    for (const topic of this.#topics.values()) clearTimeout(topic.timer);
    this.#topics.clear();
    this.#due.length = 0;
    this.#count = 0;
  }

  #insert({ entries }: WaitingTopic, entry: SpoolEntry): void {
    const isOldestFirst = this.#order === 'oldest-first';
    const at = entries.findLastIndex(({ position }) => position < entry.position === isOldestFirst) + 1;
    entries.splice(at, 0, entry);
    this.#count += 1;
  }

  #tryAgain(topic: WaitingTopic): void {
    topic.timer = undefined;
    const probe = topic.entries.shift();
    if (probe) this.#due.push(probe);
    this.#wake();
  }

  #free(name: string): void {
    const topic = this.#topics.get(name);
    if (!topic) return;
    clearTimeout(topic.timer);
    this.#topics.delete(name);
    this.#due.push(...topic.entries);
  }

  #takeOut(entries: SpoolEntry[], position: number): boolean {
    const index = entries.findIndex((entry) => entry.position === position);
    if (index === -1) return false;
    entries.splice(index, 1);
    this.#count -= 1;
    return true;
  }
}

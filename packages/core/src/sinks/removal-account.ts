import { partKey, REMOVED } from './manifest-keys';
import { keysOf, pagesOf } from './manifest-reader';
import { isOwnNote } from './object-key';
import type { Store } from './store';
import type { RemovedEvent } from './store-events';

/** How long a line waits for others, in milliseconds, and how many there are of one file at the most. */
const DELAY_MS = 1_000;
const LINES = 1_000;

/**
 * Writes down what a store removes by its rules of retention, so that an audit does not take it for lost. It does so
 * afterwards: where the disk is full there is room only then. A process that is killed between the two leaves an
 * object that counts as missing.
 */
export class RemovalAccount {
  readonly #put: (key: string, data: Uint8Array) => Promise<unknown>;
  readonly #failed: (error: unknown) => void;
  readonly #writing = new Set<Promise<void>>();
  #lines: string[] = [];
  #timer: NodeJS.Timeout | undefined;

  constructor(put: (key: string, data: Uint8Array) => Promise<unknown>, failed: (error: unknown) => void) {
    this.#put = put;
    this.#failed = failed;
  }

  add({ key, bytes, reason }: RemovedEvent): void {
    if (isOwnNote(key)) return;
    const removed = new Date().toISOString();
    this.#lines.push(`${JSON.stringify({ outcome: 'removed', key, bytes, reason, removed })}\n`);
    if (this.#lines.length >= LINES) this.#write();
    else this.#timer ??= setTimeout(() => this.#write(), DELAY_MS).unref();
  }

  /** Resolves when all is written that was added. */
  async flush(): Promise<void> {
    this.#write();
    await Promise.all(this.#writing);
  }

  #write(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    if (this.#lines.length === 0) return;
    const data = Buffer.from(this.#lines.join(''));
    this.#lines = [];
    const writing = this.#put(partKey(REMOVED), data)
      .then(() => {}, this.#failed)
      .finally(() => this.#writing.delete(writing));
    this.#writing.add(writing);
  }
}

/** What a store has removed by its rules, and when. */
export interface Removal {
  readonly key: string;
  /** Milliseconds since 1970 (UTC). */
  readonly removedAt: number;
}

/** All that a store has removed by its rules, as far as it was written down; a key as often as it was removed. */
export async function* removalsOf(store: Store): AsyncGenerator<Removal> {
  for await (const { data } of pagesOf(store, await keysOf(store, REMOVED))) {
    for (const line of Buffer.from(data ?? [])
      .toString()
      .split('\n')) {
      const removal = removalIn(line);
      if (removal) yield removal;
    }
  }
}

/** Undefined for a line that is cut short: what it says counts as lost. */
function removalIn(line: string): Removal | undefined {
  try {
    const { key, removed } = JSON.parse(line) as { key?: unknown; removed?: unknown };
    const removedAt = Date.parse(String(removed));
    return typeof key === 'string' && Number.isFinite(removedAt) ? { key, removedAt } : undefined;
  } catch {
    return undefined;
  }
}

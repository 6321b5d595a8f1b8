import { PARTS, partKey } from './manifest-keys';
import { encodeRow, type ManifestRow } from './manifest-row';

export interface ManifestWriterOptions {
  /** Rows of one part, at the most. */
  readonly rows: number;
  /** Milliseconds that a row waits for others, at the most. */
  readonly delayMs: number;
}

/** A message that is under way and may bring a row. */
export interface ExpectedRow {
  /** Resolves when the row is durable. */
  add(row: ManifestRow): Promise<void>;
  /** It brings none. Harmless after `add()`. */
  leave(): void;
}

/** Rows that are written together. */
interface Part {
  readonly lines: string[];
  readonly written: Promise<void>;
  settle(writing: Promise<unknown>): void;
}

/**
 * Writes rows in parts, each a new object: a bucket appends to nothing. Rows that come at the same time share
 * a part; it is written when it is full, when no other message is under way, or when its first row has waited
 * long enough. Several parts may be on their way at once.
 */
export class ManifestWriter {
  readonly #options: ManifestWriterOptions;
  readonly #put: (key: string, data: Uint8Array) => Promise<unknown>;
  #expected = 0;
  #part: Part | undefined;
  #timer: NodeJS.Timeout | undefined;
  #parts = 0;

  constructor(put: (key: string, data: Uint8Array) => Promise<unknown>, options: ManifestWriterOptions) {
    this.#put = put;
    this.#options = options;
  }

  /** How many parts it has begun to write. */
  get parts(): number {
    return this.#parts;
  }

  /** Says that a message is under way: rows that are ready may wait for its row. */
  expect(): ExpectedRow {
    this.#expected += 1;
    let isExpected = true;
    const arrive = () => {
      if (isExpected) this.#expected -= 1;
      isExpected = false;
    };
    return {
      add: (row) => {
        arrive();
        return this.#add(row);
      },
      leave: () => {
        arrive();
        if (this.#expected === 0) this.#write();
      },
    };
  }

  #add(row: ManifestRow): Promise<void> {
    this.#part ??= newPart();
    const { lines, written } = this.#part;
    lines.push(encodeRow(row));
    if (lines.length >= this.#options.rows || this.#expected === 0) this.#write();
    else this.#timer ??= setTimeout(() => this.#write(), this.#options.delayMs);
    return written;
  }

  #write(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    const part = this.#part;
    this.#part = undefined;
    if (!part) return;
    this.#parts += 1;
    part.settle(this.#put(partKey(PARTS), Buffer.from(part.lines.join(''))));
  }
}

function newPart(): Part {
  let settle: Part['settle'] = () => {};
  const written = new Promise<void>((resolve) => {
    settle = (writing) => resolve(writing.then(() => {}));
  });
  return { lines: [], written, settle };
}

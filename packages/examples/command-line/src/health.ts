import type { Log } from './log';

/** What a program needs to do its work, and what of it is not there. Each change is a line in the log. */
export class Health {
  readonly #log: Log;
  /** Why a part is not ready; undefined where it is. */
  readonly #parts = new Map<string, string | undefined>();

  constructor(log: Log) {
    this.#log = log;
  }

  /** Without this part the program is not ready. */
  expect(part: string): void {
    if (!this.#parts.has(part)) this.#parts.set(part, 'not yet');
  }

  /** The part does its work; `text` is what to say of it. */
  up(part: string, text?: string): void {
    this.#parts.set(part, undefined);
    if (text !== undefined) this.#log.change(part, text);
  }

  /** The part does not, and why. */
  down(part: string, reason: string): void {
    this.#parts.set(part, this.#log.safe(reason));
    this.#log.change(part, reason, 'warn');
  }

  /** Told to stop: not ready any more, whatever else is. */
  stop(): void {
    this.#parts.set('program', 'it is stopping');
  }

  /** What is not ready, with the reasons; nothing of it where all is. */
  get reasons(): Readonly<Record<string, string>> {
    const entries = [...this.#parts].filter((entry): entry is [string, string] => entry[1] !== undefined);
    return Object.fromEntries(entries);
  }
}
